"""YOLOv5, uncut: one output [1, 3N, 5 + nc] of box, objectness, class scores.

Source: SSCMA-Micro ``ma_model_yolov5.cpp``. The score is the objectness alone. Numbers
count as fractions of the input, scores 0 to 1, when the first value of all (float32) is
below 1 or the scale (int8) below 0.1; otherwise as pixels, scores 0 to 100. A plain
export gives pixels and scores 0 to 1, so its float32 scores end below 0.01 and nothing
is shown. Firmware with that mended leaves scores undivided, as the guide's patched
program does (jjjadand/yolov5_Test_reCamera, which also moves the thresholds).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensors import UnsupportedTypeError
from . import boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..results import Box
    from ..tensors import Model

FRACTION_SCALE = 0.1
FIRST_CLASS = 5


def _first_best(classes: NDArray[Any], floor: float) -> NDArray[np.intp]:
    """Find the first of the best classes; 0 when none is above ``floor``. NaN never counts."""
    values = np.where(np.isnan(classes), -np.inf, classes)
    best = np.argmax(values, axis=1)
    return np.where(values[np.arange(len(classes)), best] > floor, best, 0)


def _clip(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep within 0 and 1; NaN stays, and so does the sign of zero."""
    return np.where(values < 0, np.float32(0), np.where(values > 1, np.float32(1), values))


@boxes.quiet
def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Box]:
    """List detections sorted by x.

    Raises UnsupportedTypeError when the output is neither float32 nor int8.
    """
    tensor = model.outputs[0]
    if tensor.dtype not in ("float32", "int8"):
        raise UnsupportedTypeError(f"an output of type {tensor.dtype}")
    raw = boxes.read(arrays[0], tensor.dtype, tensor.shape[1], tensor.shape[2])
    if tensor.dtype == "float32":
        rows = raw
        normalized, floor = bool(raw[0, 0] < 1), -1.0
    else:
        rows = boxes.dequantize(raw, tensor.scale, tensor.zero_point)
        normalized, floor = bool(np.float32(tensor.scale) < np.float32(FRACTION_SCALE)), -128.0
    scores = rows[:, 4]
    if not normalized and not mended:
        scores = scores / np.float32(100)
    chosen = np.flatnonzero(~(scores <= np.float32(thresholds.score)))
    places = rows[chosen, :4]
    if not normalized:
        places = boxes.fractions(places.T, model.width, model.height)
    found = np.empty((len(chosen), 6), np.float32)
    found[:, :4] = _clip(places)
    found[:, 4] = scores[chosen]
    found[:, 5] = _first_best(raw[chosen, FIRST_CLASS:], floor)
    return boxes.by_x(found, thresholds.iou)
