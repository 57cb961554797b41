"""Which family the camera takes a model for: the first whose rule holds.

Source: SSCMA-Micro ``sscma/core/model/ma_model_factory.cpp`` (order) and
``ma_types.h`` (type numbers, which the program logs). YOLO26 pose and segmentation
have rules there that the default search never reaches.

The guide's prebuilt binary (jjjadand/yolov5_Test_reCamera) was built from an older
factory without RTMDet, YOLO11-pose, YOLO11-seg and YOLO26, and refuses such models as
"model not supported". The newest program is built with BiSeNetV2 (type 17) too, whose
source is not published at this commit; it is not played here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import rules
from .tensors import Model


@dataclass(frozen=True)
class Family:
    """A model family: the camera's number for it and its test."""

    name: str
    number: int
    is_valid: Callable[[Model], bool]


FAMILIES: tuple[Family, ...] = (
    Family("FOMO", 1, rules.fomo),
    Family("YOLOv5", 3, rules.yolov5),
    Family("classifier", 4, rules.classifier),
    Family("PFLD", 2, rules.pfld),
    Family("YOLOv8-pose", 5, rules.yolov8_pose),
    Family("YOLOv8", 6, rules.yolov8),
    Family("NvidiaDet", 7, rules.nvidia_det),
    Family("RTMDet", 13, rules.rtmdet),
    Family("YOLO-World", 8, rules.yolo_world),
    Family("YOLO11", 9, rules.yolo11),
    Family("YOLO11-pose", 10, rules.yolo11_pose),
    Family("YOLO11-seg", 11, rules.yolo11_seg),
    Family("YOLO26", 14, rules.yolo26),
)


def choose(model: Model) -> Family | None:
    """The family the camera would take this model for; None: "model not supported"."""
    return next((family for family in FAMILIES if family.is_valid(model)), None)
