"""What the camera's YOLOv8 and YOLO11 decoders share: class maps, distribution focal
loss boxes, suppression, order. Single precision where the camera's is.

Sources: SSCMA-Micro ``ma_model_yolo11.cpp``, ``ma_model_yolov8.cpp``,
``ma_model_detector.cpp`` (thresholds), ``math/ma_math_scalars.h``,
``utils/ma_nms.h`` and ``ma_nms.cpp``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensors import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SCORE_THRESHOLD = 0.25
IOU_THRESHOLD = 0.45

_f32 = np.float32


@dataclass(frozen=True)
class Level:
    """One stride: maps [1, channels, g, g], and the scale and zero point that the
    decoder multiplies them with (not always the tensor's own, see ``yolo11``)."""

    boxes: NDArray[Any]
    scores: NDArray[Any]
    box_scale: tuple[float, int] | None = None
    score_scale: tuple[float, int] | None = None


def inverse_sigmoid(probability: float) -> np.float32:
    p = _f32(probability)
    result: np.float32 = np.log(p / (_f32(1.0) - p))
    return result


def _dequantize(values: NDArray[Any], scale: tuple[float, int] | None) -> NDArray[np.float32]:
    if scale is None:
        return values.astype(np.float32, copy=False)
    factor, zero_point = scale
    result: NDArray[np.float32] = (values.astype(np.int32) - zero_point).astype(np.float32)
    result *= _f32(factor)
    return result


def _distances(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Expected value of each side's softmax, in strides. [n, 4 * bins] -> [n, 4]."""
    bins = rows.shape[1] // 4
    weights = np.exp(rows.reshape(-1, 4, bins))
    total = np.zeros(weights.shape[:2], np.float32)
    for index in range(bins):
        total += weights[:, :, index]
    sides = np.zeros_like(total)
    for index in range(bins):
        sides += weights[:, :, index] / total * _f32(index)
    return sides


def candidates(level: Level, num_classes: int, height: int, width: int) -> NDArray[np.float32]:
    """Boxes of one stride above the score threshold, in scanning order.

    Returns [n, 6] float32: x, y, w, h as fractions of the input, score, class. Of
    equal class scores the later class wins, as in the camera's loop.
    """
    _, channels, grid_h, grid_w = level.scores.shape
    cells = grid_h * grid_w
    raw = level.scores.reshape(channels, cells)[:num_classes]
    best = num_classes - 1 - np.argmax(raw[::-1], axis=0)
    top = _dequantize(raw[best, np.arange(cells)], level.score_scale)
    chosen = np.flatnonzero(top > inverse_sigmoid(SCORE_THRESHOLD))

    rows = level.boxes.reshape(level.boxes.shape[1], cells)[:, chosen].T
    sides = _distances(_dequantize(rows, level.box_scale))
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
    found[:, 4] = _f32(1.0) / (_f32(1.0) + np.exp(-top[chosen]))
    found[:, 5] = best[chosen]
    return found


def overlaps(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """The camera's IoU: it takes (x, y) for a corner although it is the centre."""
    left = np.maximum(box[0], others[:, 0])
    top = np.maximum(box[1], others[:, 1])
    right = np.minimum(box[0] + box[2], others[:, 0] + others[:, 2])
    bottom = np.minimum(box[1] + box[3], others[:, 1] + others[:, 3])
    inter = np.maximum(_f32(0), right - left) * np.maximum(_f32(0), bottom - top)
    union = box[2] * box[3] + others[:, 2] * others[:, 3] - inter
    tiny = np.abs(union) < np.finfo(np.float32).eps
    result: NDArray[np.float32] = np.where(tiny, _f32(0), inter / np.where(tiny, _f32(1), union))
    return result


def suppress(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """Non-maximum suppression over all classes together, best score first."""
    rest = found[np.argsort(-found[:, 4], kind="stable")]
    kept = []
    while len(rest):
        kept.append(rest[0])
        rest = rest[1:][overlaps(rest[0], rest[1:]) <= _f32(IOU_THRESHOLD)]
    return np.array(kept, np.float32).reshape(-1, 6)


def decode(levels: Sequence[Level], num_classes: int, height: int, width: int) -> list[Box]:
    """Detections sorted by x, as the camera lists them."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        scanned = [candidates(level, num_classes, height, width) for level in levels]
        # The camera pushes each find to the front of its list.
        kept = suppress(np.concatenate(scanned)[::-1])
    ordered = kept[np.argsort(kept[:, 0], kind="stable")]
    return [
        Box(float(x), float(y), float(w), float(h), float(score), int(target))
        for x, y, w, h, score, target in ordered
    ]
