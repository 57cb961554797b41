"""Find pictures in whatever a user names: a folder, a data set, a list, a picture."""

from __future__ import annotations

import stat
from pathlib import Path

from .. import data_yaml, file_kinds
from ..detection.pictures import suffixes_by_format
from ..errors import InputError
from ..file_kinds import recognise_foreign
from . import lists
from .data_set import find_in_data_set
from .folder import find_in_folder
from .found import FoundPictures

_HINT = "Give a folder of pictures, a data set's data.yaml, or a list of paths (.txt)."
_ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"})
_UNPACKED = "Unpack it, and give the folder: unzip, or tar -xf."


def find_pictures(source: Path) -> FoundPictures:
    """Find the pictures of a folder, of a data.yaml, of a list (.txt), or one picture.

    Raises InputError when there are none, or `source` is something else.
    """
    try:
        mode = source.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{source} is not a folder: {reason}", _HINT) from error
    if stat.S_ISDIR(mode):
        return find_in_folder(source)
    if not stat.S_ISREG(mode):
        raise InputError(f"{source} is not a folder", _HINT)
    suffix = source.suffix.lower()
    if suffix in data_yaml.SUFFIXES:
        return find_in_data_set(source)
    if suffix in lists.SUFFIXES:
        return read_picture_list(source)
    if suffix in suffixes_by_format():
        return FoundPictures(source, (source,))
    kind = recognise_foreign(source)
    if kind == file_kinds.PICTURE:
        return FoundPictures(source, (source,))
    if kind == file_kinds.TEXT:
        return read_picture_list(source)
    if suffix in _ARCHIVES or kind in (file_kinds.ZIP, file_kinds.TAR, file_kinds.GZIP):
        raise InputError(f"{source} is not a folder, but an archive", _UNPACKED)
    known = f", but {kind}" if kind else ""
    raise InputError(f"{source} is not a folder{known}", _HINT)


def read_picture_list(path: Path) -> FoundPictures:
    """Find the pictures that a list names, a path a line, in its order. Raises InputError."""
    return FoundPictures(path, lists.read_list(path))
