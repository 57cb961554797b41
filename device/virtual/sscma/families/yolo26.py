"""YOLO26 detection by its one-to-one heads: box maps [1, 4, g, g] of distances in
strides, class maps [1, nc, g, g] of logits, three of each.

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
from ..tensors import UnsupportedTypeError
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


def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Box]:
    """Detections from six maps. UnsupportedTypeError when they are neither float32 nor int8."""
    dtype = model.outputs[0].dtype
    if dtype not in ("float32", "int8"):
        raise UnsupportedTypeError(f"outputs of type {dtype}")
    second = model.outputs[1].shape
    grouped = second[2] != model.outputs[0].shape[2] if mended else second[1] == SIDES
    pairs = GROUPED if grouped else INTERLEAVED
    num_classes = model.outputs[pairs[0][1]].shape[1]
    levels = []
    for box_index, class_index in pairs:
        box, classes = model.outputs[box_index], model.outputs[class_index]
        grid = box.shape[2:]
        box_map = boxes.leading(arrays[box_index], 1, SIDES, *grid)
        score_map = boxes.leading(arrays[class_index], 1, num_classes, *grid)
        if dtype == "float32":
            levels.append(Level(box_map, score_map))
            continue
        box_scale = (box.scale, box.zero_point)
        levels.append(Level(box_map, score_map, box_scale, (classes.scale, classes.zero_point)))
    return grids.decode(levels, num_classes, model.height, model.width, _distances, thresholds)
