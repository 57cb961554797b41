"""Decoders by family name. A family the camera knows and no decoder here plays is
recognised by the factory and then refused with a line saying so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from ..tensors import Box, Model
from . import yolo11, yolov8

Decoder = Callable[[Model, Sequence[NDArray[Any]], bool], list[Box]]
"""(model, output arrays in model order, firmware mended?) -> boxes as the camera sorts them."""

DECODERS: dict[str, Decoder] = {
    "YOLOv8": yolov8.decode,
    "YOLO11": yolo11.decode,
}
