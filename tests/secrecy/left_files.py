"""Looking for secrets in the files that a run of the tests left behind."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from planted import found_in, is_lawful

LIMIT = 64 << 20
"""Bytes. Larger files are models and archives."""

MASK = b"***"
"""What the virtual camera writes in its log for its password in a command."""


def files_below(place: Path, since: float, leave_out: frozenset[str]) -> Iterator[Path]:
    """Regular files that were written after `since`: this one, or those below this folder.

    Links are not followed; nor are sockets and pipes opened, which would never end.
    """
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name not in leave_out]
        yield from (path for name in names if _is_new(path := Path(folder) / name, since))
    if _is_new(place, since):
        yield place


def _is_new(path: Path, since: float) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_mtime >= since


def secret_in(path: Path) -> str | None:
    """The secret that lies in a file where none may; a file that cannot be read has none."""
    try:
        if path.stat().st_size > LIMIT:
            return None
        data = path.read_bytes()
    except OSError:
        return None
    found = found_in(data)
    if not found and path.name == "virtual.log" and MASK in data:
        found = "the camera's password, in a command that it was sent"
    return None if found and is_lawful(path) else found
