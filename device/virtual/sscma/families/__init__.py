"""Decoders by family name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from ..results import Result
from ..tensors import Model
from . import (
    bisenet_v2,
    classifier,
    fomo,
    nvidia_det,
    rtmdet,
    yolo11,
    yolo11_pose,
    yolo11_seg,
    yolo26,
    yolo26_pose,
    yolo_world,
    yolov5,
    yolov8,
    yolov8_pose,
)
from .boxes import STANDARD, Thresholds


class Decoder(Protocol):
    """Turns output arrays in model order into finds as the camera sorts them.

    With no thresholds given, those that ``sscma-model`` decodes with are used.
    """

    def __call__(
        self,
        model: Model,
        arrays: Sequence[NDArray[Any]],
        mended: bool,
        thresholds: Thresholds = ...,
        /,
    ) -> Sequence[Result]: ...


def _nothing(
    model: Model, arrays: Sequence[NDArray[Any]], mended: bool, thresholds: Thresholds = STANDARD
) -> list[Result]:
    """Find nothing: YOLO26-seg decodes nothing, and no program runs PFLD, which finds points."""
    del model, arrays, mended, thresholds
    return []


DECODERS: dict[str, Decoder] = {
    "FOMO": fomo.decode,
    "YOLOv5": yolov5.decode,
    "classifier": classifier.decode,
    "PFLD": _nothing,
    "YOLOv8-pose": yolov8_pose.decode,
    "YOLOv8": yolov8.decode,
    "NvidiaDet": nvidia_det.decode,
    "RTMDet": rtmdet.decode,
    "YOLO-World": yolo_world.decode,
    "YOLO11": yolo11.decode,
    "YOLO11-pose": yolo11_pose.decode,
    "YOLO11-seg": yolo11_seg.decode,
    "BiSeNetV2": bisenet_v2.decode,
    "YOLO26": yolo26.decode,
    "YOLO26-pose": yolo26_pose.decode,
    "YOLO26-seg": _nothing,
}
