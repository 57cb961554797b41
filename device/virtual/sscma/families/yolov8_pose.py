"""YOLOv8 pose cut into seven outputs: of each stride scores [1, g*g, 1] and distance
distributions [1, g*g, 64], and one [1, N, 3K] of keypoints, in any order.

Source: SSCMA-Micro ``ma_model_yolov8_pose.cpp``. It decodes int8 outputs; its float32
decoder is left out of the camera's build, so float32 outputs show nothing. Boxes stay
in cells of their stride and keypoints in the model's own numbers: neither is divided by
the size of the input, so they are printed as they are and drawn out of the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..results import Pose
from ..rules import STRIDES
from ..tensors import UnsupportedTypeError
from . import boxes, dfl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..tensors import Model, Tensor

BINS = 64


def _stride(
    scores: Tensor,
    score_array: NDArray[Any],
    distances: Tensor,
    distance_array: NDArray[Any],
    threshold: float,
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """A table of finds, in cells, and the cell of each."""
    raw = score_array.reshape(-1)
    least = np.floor(boxes.inverse_sigmoid(threshold) / np.float32(scores.scale))
    chosen = np.flatnonzero(raw >= int(least) + scores.zero_point)
    rows = distance_array.reshape(-1, BINS)[chosen]
    sides = dfl.distances(boxes.dequantize(rows, distances.scale, distances.zero_point))
    side = int(len(raw) ** 0.5)
    half = np.float32(0.5)
    found = np.zeros((len(chosen), 6), np.float32)
    found[:, 0] = (chosen % side).astype(np.float32) + half + (sides[:, 2] - sides[:, 0]) * half
    found[:, 1] = (chosen // side).astype(np.float32) + half + (sides[:, 3] - sides[:, 1]) * half
    found[:, 2] = sides[:, 0] + sides[:, 2]
    found[:, 3] = sides[:, 1] + sides[:, 3]
    found[:, 4] = boxes.sigmoid(boxes.dequantize(raw[chosen], scores.scale, scores.zero_point))
    return found, chosen


def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Pose]:
    """Poses, the least certain first, as the camera lists them. UnsupportedTypeError unless all
    seven outputs are int8."""
    del mended
    if any(tensor.dtype != "int8" for tensor in model.outputs):
        raise UnsupportedTypeError("outputs that are not int8")
    by_shape = {tensor.shape[1:]: index for index, tensor in enumerate(model.outputs)}
    points = next(i for i, tensor in enumerate(model.outputs) if tensor.shape[2] not in (1, BINS))
    tables, cells, start = [], [], 0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for stride in STRIDES:
            size = (model.width // stride) ** 2
            score, distance = by_shape[(size, 1)], by_shape[(size, BINS)]
            found, chosen = _stride(
                model.outputs[score],
                arrays[score],
                model.outputs[distance],
                arrays[distance],
                thresholds.score,
            )
            tables.append(found)
            cells.append(chosen + start)
            start += size
        table, cell = np.concatenate(tables), np.concatenate(cells)
        kept = boxes.suppress(table, thresholds.iou, per_class=True)[::-1]
    tensor = model.outputs[points]
    rows = boxes.dequantize(arrays[points][0, cell], tensor.scale, tensor.zero_point)
    keypoints = rows.reshape(len(cell), rows.shape[1] // 3, 3)
    visible = boxes.sigmoid(keypoints[:, :, 2])
    return [
        Pose(
            boxes.box(table[row]),
            tuple((x, y) for x, y, _ in keypoints[row].tolist()),
            tuple(visible[row].tolist()),
        )
        for row in kept
    ]
