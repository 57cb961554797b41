"""Detection heads that come as maps: a box map and a class map of each stride.

Sources: SSCMA-Micro ``ma_model_yolo11.cpp``, ``ma_model_yolov8.cpp``,
``ma_model_yolo26.cpp``. They differ in how the four sides of a box are told from its
channels, and in which output they take for which map. All read every map as the type of
output 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensors import UnsupportedTypeError
from . import boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..results import Box
    from ..tensors import Model, Tensor
    from .boxes import Thresholds

Sides = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]
"""Box channels [n, channels] to left, top, right, bottom [n, 4] in strides."""

_f32 = np.float32


@dataclass(frozen=True)
class Level:
    """One stride: its maps [channels, g, g].

    The scale and zero point are those that the decoder multiplies them with (not always the
    tensor's own, see ``yolo11``).
    """

    boxes: NDArray[Any]
    scores: NDArray[Any]
    box_scale: tuple[float, int] | None = None
    score_scale: tuple[float, int] | None = None


def type_of(model: Model) -> str:
    """Name the type that all maps are read as: float32 or int8. Raises UnsupportedTypeError."""
    dtype = model.outputs[0].dtype
    if dtype not in ("float32", "int8"):
        raise UnsupportedTypeError(f"outputs of type {dtype}")
    return dtype


def scale_of(tensor: Tensor) -> tuple[float, int]:
    return tensor.scale, tensor.zero_point


def _real(values: NDArray[Any], scale: tuple[float, int] | None) -> NDArray[np.float32]:
    if scale is None:
        return values.astype(np.float32, copy=False)
    return boxes.dequantize(values, *scale)


@dataclass(frozen=True)
class Cells:
    """The cells of one stride whose score passes.

    They are their indexes [n], classes [n], logits [n] and a table of finds [n, 6].
    """

    chosen: NDArray[np.intp]
    found: NDArray[np.float32]


def candidates(level: Level, height: int, width: int, sides_of: Sides, least: float) -> Cells:
    """Find the boxes of one stride above the score threshold, in scanning order."""
    channels, grid_h, grid_w = level.scores.shape
    cells = grid_h * grid_w
    best, raw = boxes.best_classes(level.scores.reshape(channels, cells))
    top = _real(raw, level.score_scale)
    chosen = np.flatnonzero(top > boxes.inverse_sigmoid(least))

    rows = level.boxes.reshape(level.boxes.shape[0], cells)[:, chosen].T
    sides = sides_of(_real(rows, level.box_scale))
    stride = height // grid_h
    column = (chosen % grid_w).astype(np.float32)
    row = (chosen // grid_w).astype(np.float32)

    # The sum with the cell is float, with 0.5 double, and each edge is stored as float.
    x1 = ((column - sides[:, 0]).astype(np.float64) + 0.5) * stride
    y1 = ((row - sides[:, 1]).astype(np.float64) + 0.5) * stride
    x2 = ((column + sides[:, 2]).astype(np.float64) + 0.5) * stride
    y2 = ((row + sides[:, 3]).astype(np.float64) + 0.5) * stride
    x1, y1, x2, y2 = (edge.astype(np.float32) for edge in (x1, y1, x2, y2))
    w, h = x2 - x1, y2 - y1

    found = np.empty((len(chosen), 6), np.float32)
    found[:, 0] = (x1.astype(np.float64) + w.astype(np.float64) / 2.0) / width
    found[:, 1] = (y1.astype(np.float64) + h.astype(np.float64) / 2.0) / height
    found[:, 2] = w / _f32(width)
    found[:, 3] = h / _f32(height)
    found[:, 4] = boxes.sigmoid(top[chosen])
    found[:, 5] = best[chosen]
    return Cells(chosen, found)


def decode(
    levels: Sequence[Level], model: Model, sides_of: Sides, thresholds: Thresholds
) -> list[Box]:
    """List the detections sorted by x, as the camera does."""
    scanned = [
        candidates(level, model.height, model.width, sides_of, thresholds.score).found
        for level in levels
    ]
    return boxes.by_x(np.concatenate(scanned), thresholds.iou)
