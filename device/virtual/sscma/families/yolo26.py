"""YOLO26 detection by its one-to-one heads.

The outputs are box maps [1, 4, g, g] of distances in strides and class maps [1, nc, g, g] of
logits, three of each.

Source: SSCMA-Micro ``ma_model_yolo26.cpp``. It takes the outputs for grouped (three
boxes, then three classes) when output 1 has four channels, else for interleaved. So
interleaved maps of four classes are misread: class maps count as boxes, and class
values are read out of maps of another stride, beyond their end. Firmware with that
mended goes by the size of output 1. Unlike YOLO11's, the int8 decoder uses each
tensor's own scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..rules import GROUPED, INTERLEAVED
from . import boxes, grids
from .grids import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..results import Box
    from ..tensors import Model

SIDES = 4


def _distances(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows


@boxes.quiet
def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Box]:
    """List the detections of six maps.

    Raises UnsupportedTypeError when output 0 is neither float32 nor int8.
    """
    dtype = grids.type_of(model)
    second = model.outputs[1].shape
    grouped = second[2] != model.outputs[0].shape[2] if mended else second[1] == SIDES
    pairs = GROUPED if grouped else INTERLEAVED
    num_classes = model.outputs[pairs[0][1]].shape[1]
    levels = []
    for box_index, class_index in pairs:
        sides, scores = model.outputs[box_index], model.outputs[class_index]
        grid = sides.shape[2:]
        box_map = boxes.read(arrays[box_index], dtype, SIDES, *grid)
        score_map = boxes.read(arrays[class_index], dtype, num_classes, *grid)
        if dtype == "float32":
            levels.append(Level(box_map, score_map))
        else:
            scales = grids.scale_of(sides), grids.scale_of(scores)
            levels.append(Level(box_map, score_map, *scales))
    return grids.decode(levels, model, _distances, thresholds)
