"""Find the user's folders, also where there is no home: in containers, services and CI.

The libraries for this fail, or make a folder `~` in the working folder, where HOME is missing,
empty or relative and the system does not know the user.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from .errors import SettingsError

_APPLICATION = "recam"


class NoHomeError(SettingsError):
    """The user has no home folder, or one that is no absolute path."""


def home() -> Path:
    """Return the user's home folder, which need not exist. Raises NoHomeError."""
    return _absolute(Path.home, "")


def user_cache() -> Path:
    """Return the default folder of the cache. Raises NoHomeError."""
    return _absolute(
        lambda: platformdirs.user_cache_path(_APPLICATION), "RECAM_CACHE_DIR to a folder"
    )


def user_config() -> Path:
    """Return the folder of the user's own settings and known host keys. Raises NoHomeError."""
    return _absolute(
        lambda: platformdirs.user_config_path(_APPLICATION), "RECAM_KNOWN_HOSTS to a file"
    )


def user_data() -> Path:
    """Return the folder of what must be kept: backups of flows. Raises NoHomeError."""
    return _absolute(
        lambda: platformdirs.user_data_path(_APPLICATION), "RECAM_FLOW_BACKUPS to a folder"
    )


def user_log() -> Path:
    """Return the folder of reports about bugs. Raises NoHomeError."""
    return _absolute(lambda: platformdirs.user_log_path(_APPLICATION), "")


def user_state() -> Path:
    """Return the folder of what recam remembers between runs. Raises NoHomeError."""
    return _absolute(lambda: platformdirs.user_state_path(_APPLICATION), "")


def expanded(path: Path) -> Path:
    """Replace a leading `~` or `~user` by that home folder.

    Raises NoHomeError where it is not known.
    """
    if not path.parts or not path.parts[0].startswith("~"):
        return path
    try:
        found = path.expanduser()
    except (RuntimeError, ValueError) as error:  # no such user, or a NUL in the name
        raise _no_home(f"{path.parts[0]} in {path} is no home folder", "") from error
    if not found.is_absolute():
        raise _no_home(f"{path.parts[0]} in {path} is no absolute path", "")
    return found


def expanded_if_known(path: Path) -> Path:
    """Replace a leading `~` or `~user` as `expanded`; return the path as it is where that fails."""
    try:
        return expanded(path)
    except NoHomeError:
        return path


def _absolute(find: Callable[[], Path], instead: str) -> Path:
    """Return what `find` finds; `instead` says which variable names the place without a home."""
    try:
        # `~` became / where HOME is empty.
        found = find() if os.environ.get("HOME") != "" else None
    except RuntimeError:
        found = None
    if found is None or not found.is_absolute():
        raise _no_home(_why(), instead)
    return found


def _why() -> str:
    named = os.environ.get("HOME")
    if named:
        return f"HOME is {named}, which is no absolute path"
    state = "not set" if named is None else "empty"
    return f"this user has no home folder: HOME is {state}"


def _no_home(reason: str, instead: str) -> NoHomeError:
    named = f", or {instead}" if instead else ""
    return NoHomeError(reason, f"Set HOME to a folder that you may write to{named}.")
