"""Explain what the operating system refuses: full disks, missing rights, missing locks.

`explain` is the one place that decides which `OSError` is an expected failure, and which a bug.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from .errors import RecamError

# What an operating system refuses even where no file is named. Not there: "no such file".
_REFUSALS = frozenset(
    getattr(errno, name)
    for name in (
        *(
            "EACCES",
            "EDQUOT",
            "EEXIST",
            "EFBIG",
            "EIO",
            "EISDIR",
            "ELOOP",
            "EMFILE",
            "ENAMETOOLONG",
        ),
        *("ENFILE", "ENOLCK", "ENOMEM", "ENOSPC", "ENOSYS", "ENOTDIR", "ENOTSUP", "EPERM", "EROFS"),
        "ESTALE",
    )
    if hasattr(errno, name)
)
_CHECK = "Check the path, its permissions and the free space; RECAM_CACHE_DIR names the cache."


class SystemRefusedError(RecamError):
    """The operating system refused what recam asked for."""

    kind = "system"


class NoLocksError(SystemRefusedError):
    """The file system has no locks, as some network file systems."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"the file system of {folder} has no locks: {error.strerror or error}",
            "Let RECAM_CACHE_DIR name a folder on a local disk.",
        )


def explain(error: Exception) -> RecamError | None:
    """Return what the operating system refused as an expected failure; None for a bug."""
    if isinstance(error, UnicodeEncodeError) and _names_files(error.encoding):
        # A file name from a settings file, for instance.
        return SystemRefusedError(
            f"this system's encoding {error.encoding} cannot name the file {error.object}",
            "Set the locale to UTF-8, for instance LC_ALL=C.UTF-8, or rename the file.",
        )
    if not isinstance(error, OSError):
        return None
    if isinstance(error, FileNotFoundError):
        return _missing_place(error)
    if isinstance(error, PermissionError) and isinstance(error.filename, str):
        return _denied(Path(error.filename), error)
    # Where a file is named, it is its file system that refuses.
    if error.errno not in _REFUSALS and error.filename is None:
        return None
    where = f"{error.filename}: " if error.filename else ""
    return SystemRefusedError(f"{where}{error.strerror or error}", _CHECK)


def is_refused(error: OSError) -> bool:
    """Say whether a file or folder may only be read: another user's, or on a read-only disk."""
    return error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)


@contextlib.contextmanager
def unless_refused() -> Iterator[None]:
    """Leave the block where a file may only be read; for what a run can do without."""
    try:
        yield
    except OSError as error:
        if not is_refused(error):
            raise


def _names_files(encoding: str) -> bool:
    return codecs.lookup(encoding) == codecs.lookup(sys.getfilesystemencoding())


def _missing_place(error: FileNotFoundError) -> RecamError | None:
    """Return the failure where the working folder or that for temporary files is missing."""
    if "No usable temporary directory" in str(error):
        return SystemRefusedError(
            "there is no folder for temporary files that can be written to",
            "Set TMPDIR to one, and check the free space.",
        )
    try:
        Path.cwd()
    except OSError:
        return SystemRefusedError(
            "the working folder does not exist any more", "Change to another folder (cd)."
        )
    return None


def _denied(path: Path, error: PermissionError) -> RecamError:
    """Name the file, or the folder that would hold it, its owner and its mode."""
    at = next((p for p in (path, *path.absolute().parents) if _exists(p)), None)
    if at is None or os.name != "posix":
        return SystemRefusedError(f"{path}: {error.strerror}", _CHECK)
    facts = at.lstat()
    which = "it" if at == path else str(at)
    return SystemRefusedError(
        f"{path}: {error.strerror}: {which} belongs to {_user(facts.st_uid)} with mode "
        f"{stat.filemode(facts.st_mode)}, and you are {_user(os.geteuid())}",
        "Where several people share a cache, its folder needs their group and `chmod -R g+rwX,g+s`,"
        f" and each of them `umask 002` (yours is {_umask():03o}). Or let RECAM_CACHE_DIR name a "
        "folder of your own.",
    )


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _user(number: int) -> str:
    """Return a user's name; the number where the system knows none."""
    try:
        import pwd

        return pwd.getpwuid(number).pw_name
    except (ImportError, KeyError):
        return f"user {number}"


def _umask() -> int:
    present = os.umask(0o077)
    os.umask(present)
    return present
