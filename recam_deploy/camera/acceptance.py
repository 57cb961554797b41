"""Cvimodels that the camera would load and misread, told by their tensors alone.

`recam convert` makes none of these; others' do, and show nonsense with no error anywhere. The rules
are those of SSCMA-Micro `sscma/core/model/` (see `cvimodel.family`).
"""

from __future__ import annotations

from ..artifact import Artifact
from ..cvimodel import CviModel, read_model
from ..errors import UnsupportedModelError

_CONVERT = (
    "Convert the ONNX model with `recam convert`: it cuts it where the camera reads it right."
)


def check_read_right(artifact: Artifact) -> None:
    """Refuse a cvimodel that the camera takes for another kind of model than it is.

    Raises UnsupportedModelError; InputError when the file is damaged.
    """
    reason = misreading(read_model(artifact.cvimodel), artifact.labels)
    if reason:
        raise UnsupportedModelError(f"{artifact.cvimodel.name}: {reason}", _CONVERT)


def misreading(model: CviModel, labels: tuple[str, ...]) -> str | None:
    """Why the camera would misread a model with these class names; None when it would not."""
    if model.family == "yolo11-pose" and len(labels) > 1:
        shape = "×".join(map(str, model.outputs[0].shape))
        return (
            f"the camera would take the output {shape} for that of a pose model, which has one "
            f"class, and there are {len(labels)} class names: a detector that keeps its decoding "
            "looks so when it has 4, 7, 10, … classes"
        )
    if model.family == "yolov8-detect" and model.outputs[0].dtype == "float32":
        return (
            "its outputs are grouped, three boxes and then three classes, which the camera decodes "
            "by its YOLOv8 class, and that reads float boxes from a class tensor"
        )
    return None
