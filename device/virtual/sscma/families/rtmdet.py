"""RTMDet: of each stride boxes [1, g*g, 4] of distances in cells, and class logits [1, g*g, nc].

Source: SSCMA-Micro ``ma_model_rtmdet.cpp``. It adds up the outputs' types, 1 for int8, 2 for uint8
and 4 for float32: 6 is decoded as int8, 12 as uint8 (four of int8 and two of float32 come to that
too), anything else not at all. The list stays in the order of suppression, best score first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensors import UnsupportedTypeError
from . import boxes, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..results import Box
    from ..tensors import Model

SIDES = 4
_WEIGHTS = {"int8": 1, "uint8": 2, "float32": 4}
_READ_AS = {6: np.int8, 12: np.uint8}


def _distances(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values


@boxes.quiet
def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Box]:
    """List detections, the most certain first.

    Raises UnsupportedTypeError for types that are not decoded.
    """
    del mended
    types = [tensor.dtype for tensor in model.outputs]
    total = sum(_WEIGHTS.get(dtype, 0) for dtype in types)
    if not set(types) <= set(_WEIGHTS) or total not in _READ_AS:
        raise UnsupportedTypeError(f"outputs of types {', '.join(types)}")
    tables = []
    for stride in rows.scan(model, arrays, _READ_AS[total], SIDES, _distances, thresholds.score):
        across = np.float32(stride.stride) / np.float32(model.width)
        down = np.float32(stride.stride) / np.float32(model.height)
        stride.found[:, :4] *= np.array([across, down, across, down], np.float32)
        tables.append(stride.found)
    found = np.concatenate(tables)
    return [boxes.box(found[row]) for row in boxes.suppress(found, thresholds.iou, per_class=True)]
