"""Take models, tell about them, and hand them out.

Source: ``api_device.cpp``. A file is written beside its target as ``.tmp`` and renamed; no
checksum is asked for or compared.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .replies import CallError

if TYPE_CHECKING:
    from ..layout import Layout

MODEL = "/userdata/Models/model.cvimodel"
CARD = "/userdata/Models/model.json"
PRESETS = "/usr/share/supervisor/models"


@dataclass(frozen=True)
class Part:
    """One part of a multipart form."""

    name: str
    data: bytes


class Models:
    """The camera's active model and its presets."""

    def __init__(self, layout: Layout) -> None:
        self._root = layout.root

    @property
    def model(self) -> Path:
        return self._host(MODEL)

    def card(self) -> dict[str, Any]:
        """Answer ``getModelInfo``: the text of model.json, empty when there is none."""
        with contextlib.suppress(FileNotFoundError):
            return {"model_info": self._host(CARD).read_text("utf-8", "replace")}
        return {"model_info": ""}

    def presets(self) -> dict[str, Any]:
        """Answer ``getModelList``: the presets' cards and files; no list at all without any."""
        found = [
            card
            | {
                "file": file,
                "id": card.get("model_id", ""),
                "name": card.get("model_name", ""),
                "md5": card.get("checksum", ""),
            }
            for file, card in self._presets()
        ]
        return {"list": found} if found else {}

    def upload(self, parts: Sequence[Part]) -> dict[str, Any]:
        """Answer ``uploadModel``: a model, a card or both, or one chunk of a model.

        Raises CallError.
        """
        offset, total = _number(parts, "offset"), _number(parts, "size")
        chunk = offset if offset is not None and offset >= 0 and (total or 0) > 0 else None
        data: dict[str, Any] = {}
        written: dict[str, str] = {}
        for part in parts:
            if not part.data or part.name not in ("model_file", "model_info"):
                continue
            if part.name == "model_file" and chunk is not None:
                received = self._write_chunk(part.data, chunk)
                data |= {"offset": received, "received": received}
                if received < (total or 0):
                    return data
            else:
                target = MODEL if part.name == "model_file" else CARD
                try:
                    _partial(self._host(target)).write_bytes(part.data)
                except OSError:
                    continue
            written[part.name] = MODEL if part.name == "model_file" else CARD
            data.setdefault("list", []).append({part.name: written[part.name]})
        if not written:
            raise CallError("No model file or model info provided.")
        try:
            self._put_in_place(written)
        except OSError as error:
            raise CallError(f"Upload model failed. {error}") from error
        return data

    def _write_chunk(self, data: bytes, offset: int) -> int:
        """Write to the partial file, made anew by the first chunk; return its bytes by now."""
        try:
            stream = _partial(self.model).open("wb" if offset == 0 else "r+b")
        except OSError as error:
            raise CallError("Failed to open model file for writing.") from error
        try:
            with stream:
                stream.seek(offset)
                stream.write(data)
        except OSError as error:
            raise CallError("Failed to write chunk data.") from error
        return offset + len(data)

    def _put_in_place(self, written: dict[str, str]) -> None:
        """Rename what was written. A card alone brings the preset that it names along."""
        card = self._host(CARD)
        if "model_file" in written:
            _partial(self.model).replace(self.model)
        else:
            described = _read_object(_partial(card))
            if not described.get("file"):
                preset = self._preset_of(described.get("model_id"))
                if preset is None:
                    _partial(card).unlink()
                    raise CallError("Model file is missing in model info.")
                shutil.copyfile(preset, self.model)
        if "model_info" in written:
            _partial(card).replace(card)

    def _presets(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the camera's name of each preset's file, and its card."""
        found = []
        for card in sorted(self._host(PRESETS).glob("*.json")):
            model = card.with_suffix(".cvimodel")
            if model.exists():
                found.append((f"{PRESETS}/{model.name}", _read_object(card)))
        return found

    def _preset_of(self, model_id: object) -> Path | None:
        for file, card in self._presets():
            if model_id and card.get("model_id") == model_id:
                return self._host(file)
        return None

    def _host(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".tmp")


def _number(parts: Sequence[Part], name: str) -> int | None:
    """Read a field's number; None when it is missing or begins with none."""
    found = None
    for part in parts:
        if part.name == name:
            digits = part.data.strip()
            with contextlib.suppress(ValueError):
                found = int(digits)
    return found


def _read_object(file: Path) -> dict[str, Any]:
    """Read a JSON object; empty for anything else."""
    with contextlib.suppress(OSError, ValueError):
        document = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(document, dict):
            return document
    return {}
