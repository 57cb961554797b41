"""YOLO11 and YOLOv8 segmentation, uncut: rows, and masks that they weight.

The outputs are rows [1, 4 + nc + 32, N] of box, class scores and mask coefficients, and 32
prototype masks [1, 32, W/4, W/4].

Source: SSCMA-Micro ``ma_model_yolo11_seg.cpp``. A mask is the sum of the prototypes by
the object's coefficients, cut at 0.5 with no sigmoid before it, inside the object's box.
Only float32 rows are decoded; the prototypes are read as float32 whatever they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arithmetic import fused, int32
from ..results import Box, Segment
from ..tensors import UnsupportedTypeError
from . import bitmask, boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..tensors import Model

PROTOTYPES = 32
MASK_THRESHOLD = 0.5

_f32 = np.float32


def _mask(
    box: Box, coefficients: NDArray[np.float32], prototypes: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Fill whole cells of the mask's grid: edges are cut to integers, the far ones excluded."""
    total: NDArray[np.float32] = np.zeros_like(prototypes[0])
    for coefficient, prototype in zip(coefficients, prototypes, strict=True):
        total = fused(coefficient, prototype, total)
    height, width = total.shape
    x1, x2 = _edges(box.x, box.w, height)
    y1, y2 = _edges(box.y, box.h, width)
    columns, rows = np.arange(width), np.arange(height)
    inside = ((rows >= y1) & (rows < y2))[:, None] & (columns >= x1) & (columns < x2)
    return bitmask.through_bits(inside & (total > MASK_THRESHOLD))


def _edges(centre: float, size: float, cells: int) -> NDArray[np.int32]:
    """Compute the first cell of a box along one axis, and the first behind it."""
    half = _f32(size) * np.array([-0.5, 0.5], np.float32)
    return int32((_f32(centre) + half) * _f32(cells))


@boxes.quiet
def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Segment]:
    """List segments, the least certain first, as the camera lists them.

    Raises UnsupportedTypeError when the rows are not float32.
    """
    del mended
    rows, masks = model.outputs
    if rows.dtype != "float32":
        raise UnsupportedTypeError(f"an output of type {rows.dtype}")
    values = boxes.read(arrays[0], np.float32, rows.shape[1], rows.shape[2])
    prototypes = boxes.read(arrays[1], np.float32, *masks.shape[1:])
    num_classes = rows.shape[1] - 4 - PROTOTYPES

    best, top = boxes.best_classes(values[4 : 4 + num_classes])
    # The threshold itself passes, and what is not a number.
    chosen = np.flatnonzero(_passing(values[4 : 4 + num_classes], top, thresholds.score))
    found = np.empty((len(chosen), 6), np.float32)
    found[:, :4] = boxes.fractions(values[:4, chosen], model.width, model.height)
    found[:, 4] = top[chosen]
    found[:, 5] = best[chosen]
    segments = []
    for row in boxes.suppress(found, thresholds.iou, per_class=True)[::-1]:
        box = boxes.box(found[row])
        coefficients = values[4 + num_classes :, chosen[row]]
        segments.append(Segment(box, _mask(box, coefficients, prototypes)))
    return segments


def _passing(
    scores: NDArray[np.float32], top: NDArray[np.float32], threshold: float
) -> NDArray[np.bool_]:
    """Tell which cells count: with NaN among the scores even a best one below the threshold."""
    passing: NDArray[np.bool_] = np.isnan(scores).any(axis=0) | (top >= _f32(threshold))
    return passing
