"""Find pictures in whatever a user names: a folder, a data set, a list, a picture."""

from __future__ import annotations

import stat
from pathlib import Path

from .. import data_yaml, file_kinds
from ..detection.picture_faults import known_fault
from ..detection.pictures import suffixes_by_format
from ..errors import InputError
from ..file_kinds import recognise_foreign
from . import lists
from .data_set import find_in_data_set
from .folder import find_in_folder
from .found import FoundPictures

_HINT = "Give a folder of pictures, a data set's data.yaml, or a list of paths (.txt)."
_ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"})
_MODELS = frozenset(
    {file_kinds.ONNX, file_kinds.TFLITE, file_kinds.PYTORCH, file_kinds.CVIMODEL, file_kinds.KERAS}
)
_UNPACKED = "Unpack it, and give the folder: unzip, or tar -xf."


def find_pictures(source: Path) -> FoundPictures:
    """Find the pictures of a folder, of a data.yaml, of a list (.txt), or one picture.

    Raises InputError when there are none, or `source` is something else.
    """
    try:
        mode = source.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{source} does not exist", _HINT) from error
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{source} cannot be read: {reason}", _HINT) from error
    if stat.S_ISDIR(mode):
        return find_in_folder(source)
    if not stat.S_ISREG(mode):
        raise InputError(f"{source} is not a folder", _HINT)
    return _find_by_file(source)


def _find_by_file(source: Path) -> FoundPictures:
    suffix = source.suffix.lower()
    if suffix in data_yaml.SUFFIXES:
        return find_in_data_set(source)
    if suffix in lists.SUFFIXES:
        return read_picture_list(source)
    if suffix in suffixes_by_format():
        return FoundPictures(source, (source,))
    head = _head(source)
    kind = recognise_foreign(head)
    if kind == file_kinds.PICTURE:
        return FoundPictures(source, (source,))
    if kind == file_kinds.TEXT:
        return read_picture_list(source)
    if suffix in _ARCHIVES or kind in (file_kinds.ZIP, file_kinds.TAR, file_kinds.GZIP):
        raise InputError(f"{source} is not a folder, but an archive", _UNPACKED)
    fault = known_fault(head)
    if fault:
        hint = _HINT if kind in _MODELS else fault[1]
        raise InputError(f"{source} is not a folder: {fault[0]}", hint)
    raise InputError(f"{source} is not a folder", _HINT)


def read_picture_list(path: Path) -> FoundPictures:
    """Find the pictures that a list names, a path a line, in its order. Raises InputError."""
    return FoundPictures(path, lists.read_list(path))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(1024)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", "Let your user read it."
        ) from error
