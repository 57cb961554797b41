"""Count the classes of a cvimodel, by its family and its outputs' shapes."""

from __future__ import annotations

from .model import CviModel

_BOX = 4
_MASKS = 32
_POSE = ("yolov8-pose", "yolo11-pose")


def class_count(model: CviModel) -> int | None:
    """Return the number of classes; None where the family does not define it.

    Each family's place for it is that of the camera's decoder: SSCMA-Micro
    `sscma/core/model/ma_model_*.cpp`.
    """
    shapes = [tensor.shape for tensor in model.outputs]
    family = model.family
    if family in _POSE:
        return 1
    if family == "classify":
        return shapes[0][1]
    if family == "yolov5-detect":
        return shapes[0][2] - _BOX - 1
    if family == "yolo11-seg":
        return shapes[0][1] - _BOX - _MASKS
    if family == "yolo11-detect":
        return shapes[1][1]
    if family == "yolov8-detect":
        return shapes[3][1]
    if family == "yolo26-detect":
        # Box and class maps alternate, or the three box maps come first.
        alternate = all(shape[1] == _BOX for shape in shapes[0:6:2])
        return shapes[1][1] if alternate else shapes[3][1]
    return None
