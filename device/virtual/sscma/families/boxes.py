"""Arithmetic common to the camera's detectors: reading, scores, suppression, order.

Sources: SSCMA-Micro ``ma_model_detector.cpp``, ``ma_model_pose_detector.cpp`` and
``ma_model_segmentor.cpp`` (thresholds), ``math/ma_math_scalars.h``,
``utils/ma_nms.h`` and ``ma_nms.cpp``.

A table of finds is [n, 6] float32: x, y, w, h as fractions of the input, score, class;
its rows stand in the order in which the camera scans the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arithmetic import exp, fused, log
from ..results import Box
from .sorting import order_by

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_f32 = np.float32
EPSILON = np.finfo(np.float32).eps

quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")
"""For decoders: what overflows, or is not a number, is shown as the camera shows it."""


@dataclass(frozen=True)
class Thresholds:
    """The least score of a find, and the overlap (IoU) above which the weaker of two goes.

    The defaults are those of the camera's decoders; its model node sets others.
    """

    score: float = 0.25
    iou: float = 0.45


STANDARD = Thresholds()


def inverse_sigmoid(probability: float) -> np.float32:
    """Compute the logit of a probability.

    Of 1 it is 15.94, as the camera divides by no less than the smallest step of 1.
    """
    p = _f32(probability)
    rest = _f32(1.0) - p
    odds = p / (EPSILON if abs(rest) < EPSILON else rest)
    logit: np.float32 = np.float32(log(float(odds)))
    return logit


def sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = _f32(1.0) / (_f32(1.0) + exp(-values))
    return result


def dequantize(values: NDArray[Any], scale: float, zero_point: int) -> NDArray[np.float32]:
    result: NDArray[np.float32] = (values.astype(np.int32) - zero_point).astype(np.float32)
    result *= _f32(scale)
    return result


def read(array: NDArray[Any], dtype: DTypeLike, *shape: int) -> NDArray[Any]:
    """Read a tensor's first bytes as values of a type, in a shape, as the camera's pointers do.

    A decoder reads every output as the type that it expects, whatever the output's own is. Where
    it reads past the tensor it finds whatever memory follows; here zeros.
    """
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    wanted = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if len(raw) < wanted:
        raw = np.concatenate([raw, np.zeros(wanted - len(raw), np.uint8)])
    return raw[:wanted].view(dtype).reshape(shape)


def best_classes(
    scores: NDArray[Any],
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Find the class of each cell, and its score: [classes, cells] to two of [cells].

    Of equal scores the later class wins. The camera's loop skips a score that is less than the
    best so far, and nothing is less than NaN or more: it takes NaN, then whatever comes after it.
    """
    classes, cells = scores.shape
    last_nan = np.full(cells, -1)
    if scores.dtype.kind == "f":
        index = np.arange(classes)[:, None]
        is_nan = np.isnan(scores)
        last_nan = np.where(is_nan, index, -1).max(axis=0, initial=-1)
        scores = np.where(index <= last_nan, _f32(-np.inf), scores)
    best = classes - 1 - np.argmax(scores[::-1], axis=0)
    top = scores[best, np.arange(cells)]
    if scores.dtype.kind == "f":
        top = np.where(last_nan == classes - 1, _f32(np.nan), top)
    return best, top


def overlaps(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the camera's IoU, which takes (x, y) for a corner although it is the centre.

    Of two numbers its maximum and minimum keep the first where one is NaN, and the sum of the
    areas is rounded once with the product of the first.
    """
    x, y, w, h = others[:, 0], others[:, 1], others[:, 2], others[:, 3]
    left = np.where(box[0] < x, x, box[0])
    top = np.where(box[1] < y, y, box[1])
    right = np.where(x + w < box[0] + box[2], x + w, box[0] + box[2])
    bottom = np.where(y + h < box[1] + box[3], y + h, box[1] + box[3])
    inter = _positive(right - left) * _positive(bottom - top)
    area = w * h
    # Most boxes share nothing: their IoU is 0 unless the union is no number.
    hit = np.flatnonzero((inter != 0) | ~np.isfinite(area + box[2] * box[3]))
    union = fused(box[2], box[3], area[hit]) - inter[hit]
    result: NDArray[np.float32] = np.zeros_like(inter)
    result[hit] = np.where(np.abs(union) < EPSILON, _f32(0), inter[hit] / union)
    return result


def _positive(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(values > 0, values, _f32(0))


def suppress(
    found: NDArray[np.float32], iou: float, *, per_class: bool = False
) -> NDArray[np.intp]:
    """Suppress by non-maximum suppression: the rows kept, best score first.

    The camera pushes each find to the front of its list, so of equal scores the one
    found later comes first; and it marks what it drops with a score of zero, so a find
    that scores zero is dropped too.
    """
    backwards = np.arange(len(found))[::-1]
    order = backwards[order_by(found[backwards, 4], descending=True)]
    order = order[found[order, 4] != 0]
    kept = []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(first)
        hidden = overlaps(found[first], found[rest]) > _f32(iou)
        if per_class:
            hidden &= found[rest, 5] == found[first, 5]
        order = rest[~hidden]
    return np.array(kept, np.intp)


def box(row: NDArray[np.float32]) -> Box:
    x, y, w, h, score, target = row.tolist()
    return Box(x, y, w, h, score, int(target))


def by_x(found: NDArray[np.float32], iou: float, *, per_class: bool = False) -> list[Box]:
    """Suppress, over all classes together unless `per_class`, then sort by x: a detector's list."""
    kept = found[suppress(found, iou, per_class=per_class)]
    return [box(row) for row in kept[order_by(kept[:, 0])]]


def fractions(pixels: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Convert x, y, w, h in pixels [4, n] to fractions of the input [n, 4]."""
    result: NDArray[np.float32] = pixels.T / np.array([width, height] * 2, np.float32)
    return result
