"""The `model.json` beside a model on the camera, and the id of the two together.

Its fields, with the spelling of `ai_framwork`, are those of the camera's own presets
(sscma-example-sg200x, solutions/supervisor/rootfs/usr/share/supervisor/models).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..artifact import Artifact
from ..errors import InputError


def model_info(artifact: Artifact) -> dict[str, Any]:
    """The `model.json` of an artifact; `checksum` is the md5 of the cvimodel.

    What is not Unicode in a name, such as that of a file, becomes `?`: JSON could not hold it.
    Raises InputError when the cvimodel cannot be read.
    """
    checksum = hashlib.md5(read_model_file(artifact.cvimodel), usedforsecurity=False).hexdigest()
    return {
        "model_id": f"recam-{artifact.sha256[:12]}",
        "version": "1.0.0",
        "model_name": _as_unicode(artifact.name),
        "model_format": "cvimodel",
        "ai_framwork": "6",
        "author": "recam-deploy",
        "description": " ".join(
            word for word in (artifact.family, artifact.quantization, artifact.chip) if word
        ),
        "pic_url": "",
        "classes": [_as_unicode(label) for label in artifact.labels],
        "checksum": checksum,
    }


def _as_unicode(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8")


def info_text(artifact: Artifact) -> str:
    """The same as it is written. Raises InputError when the cvimodel cannot be read."""
    return json.dumps(model_info(artifact), indent=4, ensure_ascii=False) + "\n"


def same_info(text: str | None, wanted: str) -> bool:
    """Whether a `model.json` says what `wanted` does; None for one that is not there."""
    try:
        return text is not None and bool(json.loads(text) == json.loads(wanted))
    except (ValueError, RecursionError):
        return False


def read_model_file(path: Path) -> bytes:
    """The bytes of a cvimodel. Raises InputError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}", "Check the path."
        ) from error


def read_unchanged(path: Path, sha256: str) -> bytes:
    """The bytes of a cvimodel, if they still have that hash. Raises InputError."""
    model = read_model_file(path)
    if hashlib.sha256(model).hexdigest() != sha256:
        raise InputError(f"{path} has changed since it was read", "Deploy it again.")
    return model


def entry_id(sha256: str, info_sha256: str | None) -> str:
    """The id of a model with its `model.json`: the same two files have the same id everywhere."""
    return hashlib.sha256(f"{sha256} {info_sha256 or 'absent'}".encode()).hexdigest()[:12]
