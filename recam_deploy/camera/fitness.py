"""Whether a camera can take a model at all; found out before anything is written."""

from __future__ import annotations

from .. import cvimodel
from ..artifact import Artifact
from ..errors import DeploymentError
from .facts import CameraFacts
from .layout import CameraLayout

RESERVE_BYTES = 50_000_000  # kept free: a full /userdata breaks the camera's own system


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


def refuse_unfit(facts: CameraFacts, layout: CameraLayout) -> None:
    """Raises DeploymentError for folders that are links or read-only, a folder in the place of
    the model, and programs that are missing."""
    for path, folder in (
        (layout.models, facts.models),
        (layout.work, facts.work),
        (layout.history, facts.history),
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
            f"{layout.active_model} on the camera is a folder", "Move it away, and deploy again."
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
