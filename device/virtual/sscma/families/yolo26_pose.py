"""YOLO26 pose by its one-to-one heads.

The outputs are, of each stride, a box map [1, 4, g, g], a class map [1, nc, g, g] and a map of
keypoints [1, 3K, g, g], one after the other.

Source: SSCMA-Micro ``ma_model_yolo26_pose.cpp``. Nothing is suppressed or sorted. Visibility is
left as it is in float32 and goes through a sigmoid in int8. For a model with one output the class
leaves its indexes unset; memory that nobody has set is zero here, so that output is read as boxes,
classes and keypoints of all strides at once. On a camera it may as well crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..results import Pose
from . import boxes, grids
from .grids import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..tensors import Model, Tensor

SIDES = 4
HEADS = ((0, 1, 2), (3, 4, 5), (6, 7, 8))
UNSET = ((0, 0, 0),) * 3


@boxes.quiet
def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Pose]:
    """List poses, the last cell first.

    Raises UnsupportedTypeError unless output 0 is float32 or int8.
    """
    del mended
    dtype = grids.type_of(model)
    if len(model.outputs) == 1:
        heads, num_classes = UNSET, 1
        keypoints = int((_dims(model.outputs[0])[1] - 5) / 3)
    else:
        heads, num_classes = HEADS, _dims(model.outputs[1])[1]
        keypoints = _dims(model.outputs[2])[1] // 3
    poses: list[Pose] = []
    for box_index, class_index, point_index in heads:
        sides, scores = model.outputs[box_index], model.outputs[class_index]
        grid_h, grid_w = _dims(sides)[2:]
        if 0 in (grid_h, grid_w, num_classes):
            continue
        level = Level(
            boxes.read(arrays[box_index], dtype, SIDES, grid_h, grid_w),
            boxes.read(arrays[class_index], dtype, num_classes, grid_h, grid_w),
            *((grids.scale_of(sides), grids.scale_of(scores)) if dtype == "int8" else ()),
        )
        cells = grids.candidates(level, model.height, model.width, _distances, thresholds.score)
        raw = boxes.read(arrays[point_index], dtype, max(0, keypoints), 3, grid_h * grid_w)
        values = _values(raw[:, :, cells.chosen], model.outputs[point_index], dtype)
        values[:, 0] = _place(values[:, 0], cells.chosen % grid_w, model.height // grid_h)
        values[:, 1] = _place(values[:, 1], cells.chosen // grid_w, model.height // grid_h)
        values[:, 0] /= np.float32(model.width)
        values[:, 1] /= np.float32(model.height)
        poses += [_pose(*pair) for pair in zip(cells.found, values.transpose(2, 0, 1), strict=True)]
    return poses[::-1]


def _dims(tensor: Tensor) -> tuple[int, int, int, int]:
    """Return four dimensions; 0 where it has fewer."""
    first, second, third, fourth = (*tensor.shape, 0, 0, 0, 0)[:4]
    return first, second, third, fourth


def _distances(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows


def _values(raw: NDArray[Any], points: Tensor, dtype: str) -> NDArray[np.float32]:
    """Compute the numbers of keypoints [K, 3, n]: two of the place, one of how visible each is."""
    if dtype == "float32":
        return raw.astype(np.float32)
    values = boxes.dequantize(raw, points.scale, points.zero_point)
    values[:, 2] = boxes.sigmoid(values[:, 2])
    return values


def _place(
    values: NDArray[np.float32], cells: NDArray[np.intp], stride: int
) -> NDArray[np.float32]:
    """Compute pixels along one axis, [K, n]: twice the value from the cell, in strides."""
    doubled: NDArray[np.float32] = values * np.float32(2) + cells.astype(np.float32)
    doubled *= np.float32(stride)
    return doubled


def _pose(row: NDArray[np.float32], points: NDArray[np.float32]) -> Pose:
    """Make a pose of a row of the table of finds and its keypoints [K, 3]."""
    return Pose(
        boxes.box(row),
        tuple((x, y) for x, y, _ in points.tolist()),
        tuple(points[:, 2].tolist()),
    )
