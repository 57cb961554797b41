"""YOLOv8 detection, grouped: three box maps, then three class maps.

Source: SSCMA-Micro ``ma_model_yolov8.cpp``, with its faults, which make this layout
unfit for use: the number of classes is read from output 1, a box map, so it is 64;
the float decoder takes boxes from the class map; the int8 one swaps the scales as
YOLO11's does. Where the camera reads past a class map's end it finds whatever memory
follows; here that memory is zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensors import UnsupportedTypeError
from . import boxes, dfl, grids
from .grids import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..results import Box
    from ..tensors import Model


def _overread(scores: NDArray[Any], channels: int) -> NDArray[Any]:
    """At least ``channels`` channels, those beyond the tensor's own being zero."""
    _, own, height, width = scores.shape
    if own >= channels:
        return scores
    return np.concatenate([scores, np.zeros((1, channels - own, height, width), scores.dtype)], 1)


def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Box]:
    """Detections from six maps. UnsupportedTypeError when they are neither float32 nor int8."""
    num_classes = model.outputs[3 if mended else 1].shape[1]
    dtype = model.outputs[0].dtype
    if dtype not in ("float32", "int8"):
        raise UnsupportedTypeError(f"outputs of type {dtype}")
    levels = []
    for index in range(3):
        sides, scores = model.outputs[index], model.outputs[index + 3]
        score_map = _overread(arrays[index + 3], num_classes)
        if dtype == "float32":
            box_map = arrays[index] if mended else _overread(score_map, 64)[:, :64]
            levels.append(Level(box_map, score_map))
            continue
        box_scale = (sides.scale, sides.zero_point)
        score_scale = (scores.scale, scores.zero_point)
        if not mended:
            box_scale, score_scale = score_scale, box_scale
        levels.append(Level(arrays[index], score_map, box_scale, score_scale))
    return grids.decode(levels, num_classes, model.height, model.width, dfl.distances, thresholds)
