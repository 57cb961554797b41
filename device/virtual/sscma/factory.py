"""Choose the family that the camera takes a model for: the first whose rule holds.

Source: SSCMA-Micro ``sscma/core/model/ma_model_factory.cpp`` (order) and
``ma_types.h`` (type numbers, which the program logs). At 60e2ede the search ends with
YOLO26: YOLO26 pose and segmentation have rules that it reaches only when it is told to
begin there. At e830d54 it goes on to them, and they take nearly everything.

The guide's prebuilt binary (jjjadand/yolov5_Test_reCamera) was built from an older
factory without RTMDet, YOLO11-pose, YOLO11-seg and YOLO26, and refuses such models as
"model not supported".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..releases import CURRENT, NEXT, Release
from . import rules
from .tensors import Model


@dataclass(frozen=True)
class Family:
    """A model family: the camera's number for it, what its results are, and its test.

    ``output`` is the key that the results stand under in an event of ``sscma-node``; the points of
    PFLD are sent under none. ``int8_asks_picture``: its int8 decoder asks the picture for its size,
    and ``sscma-node`` hands over none.
    """

    name: str
    number: int
    output: str
    is_valid: Callable[[Model], bool]
    int8_asks_picture: bool = False


_BEFORE_YOLO26 = (
    Family("FOMO", 1, "boxes", rules.fomo, int8_asks_picture=True),
    Family("YOLOv5", 3, "boxes", rules.yolov5),
    Family("classifier", 4, "classes", rules.classifier),
    Family("PFLD", 2, "points", rules.pfld, int8_asks_picture=True),
    Family("YOLOv8-pose", 5, "keypoints", rules.yolov8_pose),
    Family("YOLOv8", 6, "boxes", rules.yolov8),
    Family("NvidiaDet", 7, "boxes", rules.nvidia_det),
    Family("RTMDet", 13, "boxes", rules.rtmdet),
    Family("YOLO-World", 8, "boxes", rules.yolo_world),
    Family("YOLO11", 9, "boxes", rules.yolo11),
    Family("YOLO11-pose", 10, "keypoints", rules.yolo11_pose),
    Family("YOLO11-seg", 11, "segments", rules.yolo11_seg),
)
_BISENET_V2 = Family("BiSeNetV2", 17, "segments", rules.bisenet_v2)
_YOLO26 = Family("YOLO26", 14, "boxes", rules.yolo26)
_YOLO26_POSE = Family("YOLO26-pose", 15, "keypoints", rules.yolo26_pose)
_YOLO26_SEG = Family("YOLO26-seg", 16, "segments", rules.yolo26_seg)

SEARCHES: dict[Release, tuple[tuple[Family, ...], ...]] = {
    CURRENT: ((*_BEFORE_YOLO26, _YOLO26), (_YOLO26_POSE,), (_YOLO26_SEG,)),
    NEXT: ((*_BEFORE_YOLO26, _BISENET_V2, _YOLO26, _YOLO26_POSE, _YOLO26_SEG),),
}
"""Of each release the families in the order in which a search asks them. One that begins in a row
ends with it."""


def choose(model: Model, release: Release = CURRENT, algorithm: int = 0) -> Family | None:
    """Choose the family the camera would take this model for; None: "model not supported".

    ``algorithm`` is the number of the family that the search begins with; 0 is the first.
    """
    for row in SEARCHES[release]:
        numbers = [family.number for family in row]
        if algorithm == 0 or algorithm in numbers:
            asked = row[numbers.index(algorithm) :] if algorithm else row
            return next((family for family in asked if family.is_valid(model)), None)
    return None


def families() -> dict[str, Family]:
    """List every family of any release, by name."""
    rows = (row for search in SEARCHES.values() for row in search)
    return {family.name: family for row in rows for family in row}
