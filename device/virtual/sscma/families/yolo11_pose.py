"""YOLO11 and YOLOv8 pose, uncut: one output [1, 5 + 3K, N] of box, score, K keypoints.

Source: SSCMA-Micro ``ma_model_yolo11_pose.cpp``. It knows one class, so in anything else
of this shape (a detector's uncut output, pose of several classes) it takes row 4, the
first class, for the score and every further row for keypoints. Its ``postProcessI8``
reads the int8 output as if it were float32 and cuts what it finds to whole numbers:
nothing sensible comes out. Firmware with that mended reads int8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arithmetic import int32
from ..results import Pose
from ..tensors import UnsupportedTypeError
from . import boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..tensors import Model, Tensor

Convert = Callable[["NDArray[Any]"], "NDArray[np.float32]"]


def _reading(
    tensor: Tensor, array: NDArray[Any], mended: bool, threshold: float
) -> tuple[NDArray[Any], Convert, np.float32]:
    """Return values [5 + 3K, N], how a value becomes a number, and the least raw score."""
    shape = tensor.shape[1], tensor.shape[2]
    least = np.float32(threshold)
    if tensor.dtype == "float32":
        return boxes.read(array, np.float32, *shape), np.asarray, least
    if tensor.dtype != "int8":
        raise UnsupportedTypeError(f"an output of type {tensor.dtype}")
    scale, zero_point = tensor.scale, tensor.zero_point
    if mended:
        real = boxes.dequantize(boxes.read(array, np.int8, *shape), scale, zero_point)
        return real, np.asarray, least
    mistaken = boxes.read(array, np.float32, *shape)

    def convert(values: NDArray[Any]) -> NDArray[np.float32]:
        return boxes.dequantize(int32(values), scale, zero_point)

    return mistaken, convert, boxes.inverse_sigmoid(threshold)


@boxes.quiet
def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Pose]:
    """List poses, the least certain first, as the camera lists them.

    Raises UnsupportedTypeError when the output is neither float32 nor int8.
    """
    values, convert, least = _reading(model.outputs[0], arrays[0], mended, thresholds.score)
    chosen = np.flatnonzero(~(values[4] <= least))
    picked = convert(values[:, chosen])
    found = np.zeros((len(chosen), 6), np.float32)
    found[:, :4] = boxes.fractions(picked[:4], model.width, model.height)
    found[:, 4] = picked[4]
    kept = boxes.suppress(found, thresholds.iou, per_class=True)[::-1]
    # Per keypoint x, y and how visible it is.
    keypoints = picked[5:].reshape((len(values) - 5) // 3, 3, len(chosen))
    x = keypoints[:, 0] / np.float32(model.width)
    y = keypoints[:, 1] / np.float32(model.height)
    return [
        Pose(
            boxes.box(found[row]),
            tuple(zip(x[:, row].tolist(), y[:, row].tolist(), strict=True)),
            tuple(keypoints[:, 2, row].tolist()),
        )
        for row in kept
    ]
