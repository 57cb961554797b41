"""BiSeNetV2: one map of class scores a pixel, [1, C, H, W] or [C, H, W].

Source: SSCMA-Micro ``ma_model_bisenetv2.cpp`` at e830d54. Each class that is the best of some pixel
is one segment: the box round all its pixels, and its share of the picture for a score. There is no
threshold. A pixel's class is kept in a byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..results import Box, Segment
from ..tensors import UnsupportedTypeError
from . import bitmask, boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..tensors import Model

_f32 = np.float32


@boxes.quiet
def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Segment]:
    """List segments, the last class first.

    Raises UnsupportedTypeError when the output is neither float32 nor int8.
    """
    del mended, thresholds
    tensor = model.outputs[0]
    if tensor.dtype not in ("float32", "int8"):
        raise UnsupportedTypeError(f"an output of type {tensor.dtype}")
    scores = boxes.read(arrays[0], tensor.dtype, *tensor.shape[-3:])
    classes = _best_classes(scores)
    present = [target for target in range(len(scores)) if (classes == target).any()]
    return [_segment(classes == target, target) for target in reversed(present)]


def _best_classes(scores: NDArray[Any]) -> NDArray[np.uint8]:
    """Find the first best class of each pixel; only a greater score takes another's place."""
    best = np.zeros(scores.shape[1:], np.uint8)
    top = scores[0].copy()
    for target, channel in enumerate(scores):
        greater = channel > top
        best[greater] = target & 0xFF
        top[greater] = channel[greater]
    return best


def _segment(mask: NDArray[np.bool_], target: int) -> Segment:
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, w = _extent(int(columns[0]), int(columns[-1]), width)
    y, h = _extent(int(rows[0]), int(rows[-1]), height)
    share = _f32(np.count_nonzero(mask)) / _f32(mask.size)
    return Segment(Box(x, y, w, h, float(share), target), bitmask.through_bits(mask))


def _extent(first: int, last: int, size: int) -> tuple[float, float]:
    """Compute centre and length along one axis, as fractions of the map."""
    middle = _f32(first + last + 1) / _f32(2) / _f32(size)
    return float(middle), float(_f32(last - first + 1) / _f32(size))
