"""Write the `model.json` beside a model on the camera; compute the id of both files.

Its fields, with the spelling of `ai_framwork`, are those of the camera's own presets
(sscma-example-sg200x, solutions/supervisor/rootfs/usr/share/supervisor/models).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ..artifact import Artifact
from ..documents import parse_json
from ..measured import Measured

AUTHOR = "recam-deploy"
REJECTED = "rejected"
"""The word of the description by which a rollback knows a model that failed its check."""
_SERVICE_PATH = "/userdata/Models/model.cvimodel"
"""The active model, as the camera's own services name it."""


def model_info(artifact: Artifact) -> dict[str, Any]:
    """Build the `model.json` of an artifact; `checksum` is the md5 of the cvimodel.

    The description says what an evaluation has measured. Bytes of a name that are not Unicode
    become `?`, since JSON cannot hold them.
    Raises InputError when the cvimodel cannot be read.
    """
    accuracy = Measured.from_manifest(artifact.provenance)
    return {
        "model_id": f"recam-{artifact.sha256[:12]}",
        "version": "1.0.0",
        "model_name": _as_unicode(artifact.name),
        "model_format": "cvimodel",
        "ai_framwork": "6",
        "author": AUTHOR,
        "description": " ".join(
            word
            for word in (
                artifact.family,
                artifact.quantization,
                artifact.chip,
                REJECTED if artifact.rejected else "",
                accuracy.words() if accuracy else "",
            )
            if word
        ),
        "pic_url": "",
        # Firmware 0.2.2 and newer lets the editor change class names only where this is set
        # (sscma-example-sg200x, solutions/supervisor, uploadModel).
        "file": _SERVICE_PATH,
        "classes": [_as_unicode(label) for label in artifact.labels],
        "checksum": artifact.read().md5,
    }


def _as_unicode(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8")


def info_text(artifact: Artifact) -> str:
    """Format `model_info` as the file's text. Raises InputError as it does."""
    return json.dumps(model_info(artifact), indent=4, ensure_ascii=False) + "\n"


def same_info(text: str | None, wanted: str) -> bool:
    """Return whether the JSON of `text` equals that of `wanted`; False for None."""
    try:
        return text is not None and bool(parse_json(text) == parse_json(wanted))
    except ValueError:
        return False


def entry_id(sha256: str, info_sha256: str | None) -> str:
    """Return the id of a model with its `model.json`: 12 hex digits, computed from both hashes."""
    return hashlib.sha256(f"{sha256} {info_sha256 or 'absent'}".encode()).hexdigest()[:12]
