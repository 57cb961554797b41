"""YOLO11 and YOLOv8 segmentation, uncut: rows [1, 4 + nc + 32, N] of box, class scores
and mask coefficients, and 32 prototype masks [1, 32, W/4, W/4].

Source: SSCMA-Micro ``ma_model_yolo11_seg.cpp``. A mask is the sum of the prototypes by
the object's coefficients, cut at 0.5 with no sigmoid before it, inside the object's box.
Only float32 rows are decoded; the prototypes are read as float32 whatever they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..results import Box, Segment
from ..tensors import UnsupportedTypeError
from . import boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..tensors import Model

PROTOTYPES = 32
MASK_THRESHOLD = 0.5


def _mask(
    box: Box, coefficients: NDArray[np.float32], prototypes: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Whole cells of the mask's grid: edges are cut to integers, the far ones excluded."""
    total: NDArray[np.float32] = np.zeros_like(prototypes[0])
    for coefficient, prototype in zip(coefficients, prototypes, strict=True):
        total += coefficient * prototype
    height, width = total.shape
    left, right = (np.float32(box.x) + np.float32(side * box.w / 2) for side in (-1, 1))
    upper, lower = (np.float32(box.y) + np.float32(side * box.h / 2) for side in (-1, 1))
    columns, rows = np.arange(width), np.arange(height)
    across = (columns >= np.trunc(left * np.float32(width))) & (
        columns < np.trunc(right * np.float32(width))
    )
    down = (rows >= np.trunc(upper * np.float32(height))) & (
        rows < np.trunc(lower * np.float32(height))
    )
    inside: NDArray[np.bool_] = down[:, None] & across & (total > MASK_THRESHOLD)
    return inside


def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Segment]:
    """Segments, the least certain first, as the camera lists them. UnsupportedTypeError when the
    rows are not float32."""
    del mended
    rows, masks = model.outputs
    if rows.dtype != "float32":
        raise UnsupportedTypeError(f"an output of type {rows.dtype}")
    values = boxes.leading(arrays[0], rows.shape[1], rows.shape[2])
    shape = masks.shape[1:]
    raw = arrays[1].reshape(-1).view(np.uint8)
    prototypes = boxes.leading(raw, 4 * int(np.prod(shape))).view(np.float32).reshape(shape)
    num_classes = rows.shape[1] - 4 - PROTOTYPES

    scores = values[4 : 4 + num_classes]
    # Of equal class scores the later class wins; the threshold itself passes.
    best = num_classes - 1 - np.argmax(scores[::-1], axis=0)
    top = scores[best, np.arange(scores.shape[1])]
    chosen = np.flatnonzero(top >= np.float32(thresholds.score))
    found = np.empty((len(chosen), 6), np.float32)
    found[:, :4] = boxes.fractions(values[:4, chosen], model.width, model.height)
    found[:, 4] = top[chosen]
    found[:, 5] = best[chosen]
    segments = []
    with np.errstate(over="ignore", invalid="ignore"):
        for row in boxes.suppress(found, thresholds.iou, per_class=True)[::-1]:
            box = boxes.box(found[row])
            coefficients = values[4 + num_classes :, chosen[row]]
            segments.append(Segment(box, _mask(box, coefficients, prototypes)))
    return segments
