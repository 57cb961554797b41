"""Heads that come as rows: of each stride scores [1, g*g, nc] and boxes [1, g*g, n], in any order.

Sources: SSCMA-Micro ``ma_model_rtmdet.cpp``, ``ma_model_yolo_world.cpp``,
``ma_model_yolov8_pose.cpp``, ``utils/ma_anchors.cpp``. They decode quantized outputs only: their
float32 decoders are left out of the camera's build.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arithmetic import int32
from ..rules import STRIDES
from . import boxes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import DTypeLike, NDArray

    from ..tensors import Model, Tensor

Sides = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]
"""Box columns [n, columns] to left, top, right, bottom [n, 4] in strides."""

_f32 = np.float32


@dataclass(frozen=True)
class Stride:
    """The contents of one stride's rows: a table of finds, in cells, and the cell of each."""

    stride: int
    found: NDArray[np.float32]
    cells: NDArray[np.intp]


def scan(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    dtype: DTypeLike,
    box_width: int,
    sides_of: Sides,
    threshold: float,
) -> Iterator[Stride]:
    """Find the boxes above the score threshold, stride by stride, each in scanning order.

    Outputs of `box_width` columns are boxes. All are read as `dtype`.
    """
    for stride in STRIDES:
        cells = (model.width // stride) ** 2
        of_stride = [i for i, tensor in enumerate(model.outputs) if tensor.shape[1] == cells]
        boxes_at = next(i for i in of_stride if model.outputs[i].shape[2] == box_width)
        scores_at = next(i for i in of_stride if model.outputs[i].shape[2] != box_width)
        scores, sides = model.outputs[scores_at], model.outputs[boxes_at]
        score_rows = boxes.read(arrays[scores_at], dtype, *scores.shape[1:])
        box_rows = boxes.read(arrays[boxes_at], dtype, *sides.shape[1:])
        best, top = boxes.best_classes(score_rows.T)
        chosen = np.flatnonzero(top >= _least(scores, threshold))
        distances = sides_of(boxes.dequantize(box_rows[chosen], sides.scale, sides.zero_point))
        logits = boxes.dequantize(top[chosen], scores.scale, scores.zero_point)
        found = np.empty((len(chosen), 6), np.float32)
        found[:, :4] = _boxes(distances, chosen, model.width // stride)
        found[:, 4] = boxes.sigmoid(logits)
        found[:, 5] = best[chosen]
        yield Stride(stride, found, chosen)


def _least(scores: Tensor, threshold: float) -> int:
    """Find the least quantized score that passes: the threshold's logit, rounded down."""
    steps = np.floor(boxes.inverse_sigmoid(threshold) / _f32(scores.scale))
    return int(int32(np.asarray(steps + _f32(scores.zero_point))))


def _boxes(sides: NDArray[np.float32], cells: NDArray[np.intp], grid: int) -> NDArray[np.float32]:
    """Compute x, y, w, h in cells, [n, 4]."""
    half = _f32(0.5)
    left, top, right, bottom = sides.T
    x = (cells % grid).astype(np.float32) + half + (right - left) * half
    y = (cells // grid).astype(np.float32) + half + (bottom - top) * half
    return np.stack([x, y, left + right, top + bottom], axis=1)
