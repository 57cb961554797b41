"""Refuse a deployment before anything is written: a wrong model, an unfit camera, a full disk.

Some cvimodels the camera would load and misread, told by their tensors alone. `recam convert` makes
none of these; others' do, and show nonsense with no error anywhere. The rules are those of
SSCMA-Micro `sscma/core/model/` (see `cvimodel.family`).
"""

from __future__ import annotations

from .. import cvimodel
from ..artifact import Artifact
from ..cvimodel import CviModel, read_model
from ..errors import DeploymentError, InputError, UnsupportedModelError
from .facts import CameraFacts
from .paths import CameraPaths

RESERVE_BYTES = 50_000_000  # kept free: a full /userdata breaks the camera's own system
_CONVERT = (
    "Convert the ONNX model with `recam convert`: it cuts it where the camera reads it right."
)


def check_artifact(artifact: Artifact) -> None:
    """Refuse, before connecting, what the camera could never run. Raises InputError."""
    if artifact.chip != cvimodel.CHIP:
        raise InputError(
            f"{artifact.cvimodel} is for the chip {artifact.chip or '(none named)'}; "
            f"a reCamera's is {cvimodel.CHIP}",
            f"Convert the model for {cvimodel.CHIP}: `recam convert` does.",
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


def refuse_too_large(artifact: Artifact, facts: CameraFacts) -> None:
    """Raises DeploymentError for a model that takes more memory than the TPU has in all."""
    if facts.ion_bytes is None:
        return
    needed = cvimodel.read_model(artifact.cvimodel).ion_bytes
    if needed > facts.ion_bytes:
        raise DeploymentError(
            f"the model needs {_mb(needed)} of the TPU's memory (ION), and the camera has "
            f"{_mb(facts.ion_bytes)} in all",
            "Use a smaller model or input, or INT8 instead of BF16.",
        )


def refuse_unfit(facts: CameraFacts, paths: CameraPaths) -> None:
    """Raises DeploymentError for folders that are links or read-only, a folder in the place of
    the model, and programs that are missing."""
    for path, folder in (
        (paths.models, facts.models),
        (paths.work, facts.work),
        (paths.history, facts.history),
    ):
        if folder.is_link:
            raise DeploymentError(
                f"{path} on the camera is a symbolic link, or lies behind one; recam does not "
                "write through it",
                "Set camera.models (or camera.work) to the folder itself.",
            )
        if folder.read_only:
            raise DeploymentError(
                f"{path} on the camera is on a read-only file system ({folder.mount})",
                "Restart the camera; if that does not help, its storage needs repair.",
            )
    if facts.active_is_folder:
        raise DeploymentError(
            f"{paths.active_model} on the camera is a folder", "Move it away, and deploy again."
        )
    if not facts.has_sha256sum and not facts.has_python3:
        raise DeploymentError(
            "the camera has neither sha256sum nor python3, so no upload could be checked",
            "Update the camera's firmware.",
        )
    if facts.missing:
        raise DeploymentError(
            f"the camera lacks programs that are needed: {', '.join(facts.missing)}",
            "Is this the right address? Every firmware of a reCamera has them.",
        )


def refuse_full(facts: CameraFacts, *, new: int, old: int) -> None:
    """Raises DeploymentError where `new` bytes beside the active model, and `old` ones in the
    history, would leave too little space free."""
    if facts.models.mount == facts.history.mount:
        places = [(facts.models, new + old)]
    else:
        places = [(facts.models, new), (facts.history, old)]
    for folder, bytes_here in places:
        free = folder.free + folder.leftover_bytes
        needed = bytes_here + RESERVE_BYTES
        if free < needed:
            raise DeploymentError(
                f"not enough space on the camera: {_mb(free)} free on {folder.mount}, "
                f"{_mb(needed)} needed ({_mb(RESERVE_BYTES)} of it to stay free)",
                "Remove recordings or old models there.",
            )


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
