"""YOLO11 detection, and YOLOv8 detection exported interleaved: box and class maps of
stride 8, of stride 16, of stride 32.

Source: SSCMA-Micro ``ma_model_yolo11.cpp``. Its ``postProcessI8`` multiplies class
values with the box tensor's scale and box values with the class tensor's; firmware
with that mended uses each tensor's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..tensors import UnsupportedTypeError
from . import boxes, dfl, grids
from .grids import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..results import Box
    from ..tensors import Model


def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Box]:
    """Detections from six maps. UnsupportedTypeError when they are neither float32 nor int8."""
    levels = []
    for index in range(0, 6, 2):
        sides, scores = model.outputs[index], model.outputs[index + 1]
        if model.outputs[0].dtype == "float32":
            levels.append(Level(arrays[index], arrays[index + 1]))
            continue
        if model.outputs[0].dtype != "int8":
            raise UnsupportedTypeError(f"outputs of type {model.outputs[0].dtype}")
        box_scale = (sides.scale, sides.zero_point)
        score_scale = (scores.scale, scores.zero_point)
        if not mended:
            box_scale, score_scale = score_scale, box_scale
        levels.append(Level(arrays[index], arrays[index + 1], box_scale, score_scale))
    return grids.decode(
        levels, model.outputs[1].shape[1], model.height, model.width, dfl.distances, thresholds
    )
