"""Decoders by family name. A family the camera knows and no decoder here plays is
recognised by the factory and then refused with a line saying so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from ..results import Result
from ..tensors import Model
from . import (
    classifier,
    yolo11,
    yolo11_pose,
    yolo11_seg,
    yolo26,
    yolov5,
    yolov8,
    yolov8_pose,
)
from .boxes import Thresholds


class Decoder(Protocol):
    """Output arrays in model order to finds as the camera sorts them. With no thresholds given,
    those that ``sscma-model`` decodes with."""

    def __call__(
        self,
        model: Model,
        arrays: Sequence[NDArray[Any]],
        mended: bool,
        thresholds: Thresholds = ...,
        /,
    ) -> Sequence[Result]: ...


DECODERS: dict[str, Decoder] = {
    "YOLOv5": yolov5.decode,
    "classifier": classifier.decode,
    "YOLOv8-pose": yolov8_pose.decode,
    "YOLOv8": yolov8.decode,
    "YOLO11": yolo11.decode,
    "YOLO11-pose": yolo11_pose.decode,
    "YOLO11-seg": yolo11_seg.decode,
    "YOLO26": yolo26.decode,
}
