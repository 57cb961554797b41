"""Tell the form in which a model gives its boxes: corners or centres, pixels or fractions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Boxes: TypeAlias = npt.NDArray[np.float32]

CORNERS = "corners"
CENTRES = "centre and size"

_SHARE = 1e-5
"""How far a box may differ by rounding, as a share of its largest number."""


@dataclass(frozen=True)
class BoxForm:
    """The order of a box's four numbers, their unit, and whether boxes end at the picture's edge.

    With `fractions` they are fractions of the input's side, else pixels.
    """

    order: str
    fractions: bool = False
    clipped: bool = False

    def __str__(self) -> str:
        """Describe the form for a message."""
        unit = "fractions of the input" if self.fractions else "pixels"
        return f"{self.order} in {unit}"


def same(found: Boxes, wanted: Boxes, tolerance: Boxes) -> bool:
    """Say whether two lists of boxes [n, k] are equal within `tolerance` [n, 1] and rounding.

    Boxes with values that are not finite do not count.
    """
    if found.shape != wanted.shape:
        return False
    finite = np.isfinite(found).all(axis=1) & np.isfinite(wanted).all(axis=1)
    if not finite.any():
        return False
    largest = np.abs(wanted[finite]).max(axis=1)
    difference = np.abs(found[finite] - wanted[finite]).max(axis=1)
    return bool((difference <= tolerance[finite, 0] + _SHARE * largest).all())


def form_of(found: Boxes, corners: Boxes, side: int, tolerance: Boxes) -> BoxForm | None:
    """Return the form in which `found` [n, 4] holds the boxes `corners` [n, 4]; None for others.

    `corners` and `tolerance` [n, 1] are in pixels of a square input of `side`.
    """
    for form, wanted, scale in _forms(corners, side):
        if same(found * np.float32(scale), wanted, tolerance):
            return form
    return None


def arrangements(corners: Boxes, side: int) -> Iterator[tuple[Boxes, float]]:
    """Yield `corners` in each known order, with what turns given boxes into pixels."""
    yield from ((wanted, scale) for _, wanted, scale in _forms(corners, side))


def _forms(corners: Boxes, side: int) -> Iterator[tuple[BoxForm, Boxes, float]]:
    for clipped, fractions in itertools.product((False, True), (False, True)):
        wanted = np.clip(corners, 0, side) if clipped else corners
        for order, arrange in _ORDERS.items():
            yield BoxForm(order, fractions, clipped), arrange(wanted), side if fractions else 1


def centres(corners: Boxes) -> Boxes:
    """Turn corners [n, 4] into centres and sizes [n, 4]."""
    first, second = corners[:, :2], corners[:, 2:]
    return np.concatenate([(first + second) / 2, second - first], axis=1)


def _corner_and_size(corners: Boxes) -> Boxes:
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def _rows_first(arrange: Callable[[Boxes], Boxes]) -> Callable[[Boxes], Boxes]:
    return lambda corners: arrange(corners)[:, [1, 0, 3, 2]]


_ORDERS: dict[str, Callable[[Boxes], Boxes]] = {
    CORNERS: lambda corners: corners,
    CENTRES: centres,
    "corner and size": _corner_and_size,
    "corners, rows first": _rows_first(lambda corners: corners),
    "centre and size, rows first": _rows_first(centres),
}
