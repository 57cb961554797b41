"""Look for a model's own list of detections among the boxes that the camera reads.

Some exports rank the cells before they decode them, so that no tensor holds the boxes of all cells.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .box_forms import Boxes, arrangements
from .decode_rules import Array

_PIXELS = 0.5
_MOST_ROWS = 300
_SIDES = 4


def rows_found(outputs: Iterable[Array], corners: Array, side: int) -> bool | None:
    """Say whether each row of a list of detections holds one of the boxes `corners` [N, 4].

    A list has 4 to 7 numbers a row: a box and, before or after it, its batch, score and class. None
    where there is no list, or an empty one.
    """
    lists = [rows for array in outputs if (rows := _rows(array)) is not None]
    if not lists:
        return None
    return any(
        _all_among(rows[:, start : start + _SIDES], corners, side)
        for rows in lists
        for start in range(rows.shape[1] - _SIDES + 1)
    )


def _rows(array: Array) -> Array | None:
    if array.ndim not in (2, 3) or not _SIDES <= array.shape[-1] <= _SIDES + 3:
        return None
    rows = array.reshape(-1, array.shape[-1])
    rows = rows[np.isfinite(rows).all(axis=1) & (np.abs(rows) > 0).any(axis=1)]
    return rows[:_MOST_ROWS] if len(rows) else None


def _all_among(found: Boxes, corners: Boxes, side: int) -> bool:
    with np.errstate(over="ignore"):
        return any(
            all(np.abs(wanted - row).max(axis=1).min() <= _PIXELS for row in found * scale)
            for wanted, scale in arrangements(corners, side)
        )
