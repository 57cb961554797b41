"""Run both models as a worker of a cluster: files are placed by their hash, then used."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import EvaluationError, InputError
from ..files import write_atomically
from ..version import __version__
from .detecting import Models, Result, detect

Files = Mapping[str, bytes]
"""The bytes of files by their sha256."""


@dataclass(frozen=True)
class SentPicture:
    """A picture that a worker reads from `path` while its bytes there have the hash `sha256`.

    `data` are its bytes where they are sent; `error` says why the client itself cannot read it.
    """

    path: Path
    sha256: str = ""
    data: bytes | None = None
    error: InputError | None = None


@dataclass(frozen=True)
class Missing:
    """The answer of a worker that cannot read the pictures from the paths of the client."""


def digest(data: bytes) -> str:
    """Return the sha256 of bytes, as SentPicture holds it."""
    return hashlib.sha256(data).hexdigest()


def detect_sent(
    version: str, folder: Path, models: Models, files: Files, pictures: Sequence[SentPicture]
) -> list[Result] | Missing:
    """Run both models, whose paths are names in `files`, on pictures. `folder` is the worker's own.

    Raises EvaluationError where this is not the client's `version`, and as `detect`.
    """
    if version != __version__:
        raise EvaluationError(
            f"a worker has recam-deploy {__version__}, and this is {version}",
            "Install the same recam-deploy where the workers run, and start them again.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    here = replace(
        models,
        prepared=_placed(folder, models.prepared, files),
        emulated=_placed(folder, models.emulated, files),
    )
    with tempfile.TemporaryDirectory(dir=folder) as name:
        places: dict[int, Path] = {}
        for number, picture in enumerate(pictures):
            if picture.error:
                continue
            if picture.data is None:
                if not _is_there(picture):
                    return Missing()
                places[number] = picture.path
                continue
            places[number] = Path(name) / str(number) / picture.path.name
            places[number].parent.mkdir()
            places[number].write_bytes(picture.data)
        found = dict(zip(places, detect(here, list(places.values())), strict=True))
    return [
        picture.error or _named(found[number], places[number], picture.path)
        for number, picture in enumerate(pictures)
    ]


def _placed(folder: Path, name: Path | None, files: Files) -> Path | None:
    """Return the file of a model, which is written at its first use."""
    if name is None:
        return None
    path = folder / f"{name}.onnx"
    if not path.exists():
        write_atomically(path, files[str(name)])
    return path


def _is_there(picture: SentPicture) -> bool:
    try:
        return digest(picture.path.read_bytes()) == picture.sha256
    except OSError:
        return False


def _named(result: Result, here: Path, there: Path) -> Result:
    """Return a result in which an error names the picture by the client's path."""
    if not isinstance(result, InputError) or here == there:
        return result
    return type(result)(result.message.replace(str(here), str(there)), result.hint)
