"""YOLO11 detection, and YOLOv8 detection exported interleaved.

The outputs are box and class maps of stride 8, of stride 16, of stride 32.

Source: SSCMA-Micro ``ma_model_yolo11.cpp``. Its ``postProcessI8`` multiplies class
values with the box tensor's scale and box values with the class tensor's; firmware
with that mended uses each tensor's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import boxes, dfl, grids
from .grids import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..results import Box
    from ..tensors import Model


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
    channels, num_classes = model.outputs[0].shape[1], model.outputs[1].shape[1]
    levels = []
    for index in range(0, 6, 2):
        sides, scores = model.outputs[index], model.outputs[index + 1]
        grid = sides.shape[2:]
        box_map = boxes.read(arrays[index], dtype, channels, *grid)
        score_map = boxes.read(arrays[index + 1], dtype, num_classes, *grid)
        if dtype == "float32":
            levels.append(Level(box_map, score_map))
            continue
        scales = grids.scale_of(sides), grids.scale_of(scores)
        levels.append(Level(box_map, score_map, *(scales if mended else scales[::-1])))
    return grids.decode(levels, model, dfl.distances, thresholds)
