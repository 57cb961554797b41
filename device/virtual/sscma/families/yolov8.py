"""YOLOv8 detection, grouped: three box maps, then three class maps.

Source: SSCMA-Micro ``ma_model_yolov8.cpp``, with its faults, which make this layout
unfit for use: the number of classes is read from output 1, a box map, so it is 64;
the float decoder takes boxes from the class map; the int8 one swaps the scales as
YOLO11's does. Where the camera reads past a class map's end it finds whatever memory
follows; here that memory is zero.
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
    channels = model.outputs[0].shape[1]
    num_classes = model.outputs[3 if mended else 1].shape[1]
    levels = []
    for index in range(3):
        sides, scores = model.outputs[index], model.outputs[index + 3]
        grid = sides.shape[2:]
        score_map = boxes.read(arrays[index + 3], dtype, num_classes, *grid)
        boxes_in = index if mended or dtype == "int8" else index + 3
        box_map = boxes.read(arrays[boxes_in], dtype, channels, *grid)
        if dtype == "float32":
            levels.append(Level(box_map, score_map))
            continue
        scales = grids.scale_of(sides), grids.scale_of(scores)
        levels.append(Level(box_map, score_map, *(scales if mended else scales[::-1])))
    return grids.decode(levels, model, dfl.distances, thresholds)
