"""NvidiaDet: confidences [1, H/16, W/16, N] and boxes [1, H/16, W/16, 4N], float32, channels last.

Source: SSCMA-Micro ``ma_model_nvidia_det.cpp``. The output with more channels holds the boxes, the
first one of two that have as many the confidences. A confidence counts above 0.2, whatever the
score threshold is, and is shown doubled. Distances are in 35 pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arithmetic import fused
from ..tensors import UnsupportedTypeError
from . import boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..results import Box
    from ..tensors import Model

STRIDE = 16
OFFSET = 0.5
UNIT = 35
LEAST_CONFIDENCE = 0.2

_f32 = np.float32


@boxes.quiet
def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Box]:
    """List detections sorted by x.

    Raises UnsupportedTypeError unless both outputs are float32.
    """
    del mended
    if any(tensor.dtype != "float32" for tensor in model.outputs):
        raise UnsupportedTypeError("outputs that are not float32")
    first, second = (tensor.shape[3] for tensor in model.outputs)
    confidences, sides = (1, 0) if first > second else (0, 1)
    height, width, classes = model.outputs[confidences].shape[1:4]
    scores = boxes.read(arrays[confidences], np.float32, height, width, classes)
    distances = boxes.read(arrays[sides], np.float32, height, width, classes, 4)

    rows, columns, targets = np.nonzero(scores.astype(np.float64) > LEAST_CONFIDENCE)
    left, top, right, bottom = distances[rows, columns, targets].T
    across = (columns * STRIDE).astype(np.float32) + _f32(OFFSET)
    down = (rows * STRIDE).astype(np.float32) + _f32(OFFSET)
    found = np.empty((len(rows), 6), np.float32)
    found[:, 0], found[:, 2] = _extent(across, left, right, model.width)
    found[:, 1], found[:, 3] = _extent(down, top, bottom, model.height)
    found[:, 4] = scores[rows, columns, targets] * _f32(2)
    found[:, 5] = targets
    return boxes.by_x(found, thresholds.iou, per_class=True)


def _extent(
    middle: NDArray[np.float32],
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    size: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the centre and the size along one axis, as fractions of the input."""
    low = fused(before, np.asarray(_f32(-UNIT)), middle) / _f32(size)
    length = fused(after, np.asarray(_f32(UNIT)), middle) / _f32(size) - low
    return low + length / _f32(2), length
