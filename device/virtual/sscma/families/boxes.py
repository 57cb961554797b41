"""Arithmetic common to the camera's detectors: scores, suppression, order. Single
precision where the camera's is.

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

from ..results import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

_f32 = np.float32


@dataclass(frozen=True)
class Thresholds:
    """The least score of a find, and the overlap (IoU) above which the weaker of two goes.
    The defaults are those of the camera's decoders; its model node sets others."""

    score: float = 0.25
    iou: float = 0.45


STANDARD = Thresholds()


def inverse_sigmoid(probability: float) -> np.float32:
    p = _f32(probability)
    result: np.float32 = np.log(p / (_f32(1.0) - p))
    return result


def sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = _f32(1.0) / (_f32(1.0) + np.exp(-values))
    return result


def dequantize(values: NDArray[Any], scale: float, zero_point: int) -> NDArray[np.float32]:
    result: NDArray[np.float32] = (values.astype(np.int32) - zero_point).astype(np.float32)
    result *= _f32(scale)
    return result


def leading(array: NDArray[Any], *shape: int) -> NDArray[Any]:
    """The first values of a tensor in another shape, as the camera's indexing has it.
    Where it reads past the tensor it finds whatever memory follows; here zeros."""
    flat = array.reshape(-1)
    wanted = int(np.prod(shape))
    if len(flat) < wanted:
        flat = np.concatenate([flat, np.zeros(wanted - len(flat), flat.dtype)])
    return flat[:wanted].reshape(shape)


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


def suppress(
    found: NDArray[np.float32], iou: float, *, per_class: bool = False
) -> NDArray[np.intp]:
    """Non-maximum suppression: the rows kept, best score first.

    The camera pushes each find to the front of its list, so of equal scores the one
    found later comes first; and it marks what it drops with a score of zero, so a find
    that scores zero is dropped too.
    """
    backwards = np.arange(len(found))[::-1]
    order = backwards[np.argsort(-found[backwards, 4], kind="stable")]
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


def by_x(found: NDArray[np.float32], iou: float) -> list[Box]:
    """Suppressed over all classes together, then sorted by x, as detectors list them."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        kept = found[suppress(found, iou)]
    return [box(row) for row in kept[np.argsort(kept[:, 0], kind="stable")]]


def fractions(pixels: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """x, y, w, h in pixels [4, n] to fractions of the input [n, 4]."""
    result: NDArray[np.float32] = pixels.T / np.array([width, height] * 2, np.float32)
    return result
