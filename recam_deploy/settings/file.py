"""Find and read recam.toml; `schema` defines its keys."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..documents import parse_toml
from ..errors import SettingsError
from ..files import decode_text
from ..folders import NoHomeError, expanded, user_config

FILE_NAME = "recam.toml"
SIZE_LIMIT = 1 << 20
_OF_OTHERS = 0o077


@dataclass(frozen=True)
class SettingsFile:
    """A TOML document; `private` when only its owner may read or write the file."""

    path: Path | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    private: bool = True


def find_file(environment: Mapping[str, str]) -> Path | None:
    """Return the settings file to use; None where there is none.

    Raises SettingsError when RECAM_SETTINGS names a file that does not exist.
    """
    named = environment.get("RECAM_SETTINGS")
    if named:
        path = expanded(Path(named))
        if not path.is_file():
            raise SettingsError(
                f"the settings file {path} does not exist", "Check RECAM_SETTINGS, or unset it."
            )
        return path
    places = [Path()]
    with contextlib.suppress(NoHomeError):  # then there is no file of the user's own
        places.append(user_config())
    found = (place / FILE_NAME for place in places)
    return next((path.absolute() for path in found if path.is_file()), None)


def is_local(path: Path, environment: Mapping[str, str]) -> bool:
    """Say whether the file was found in the working folder, so that nobody has named it."""
    if environment.get("RECAM_SETTINGS"):
        return False
    with contextlib.suppress(NoHomeError):  # then there is no file of the user's own
        own = user_config() / FILE_NAME
        return not (own.is_file() and own.samefile(path))
    return True


def read_file(path: Path) -> SettingsFile:
    """Read a settings file. Raises SettingsError when it cannot be read, or is no TOML."""
    try:
        with path.open("rb") as file:
            private = os.name != "posix" or not os.fstat(file.fileno()).st_mode & _OF_OTHERS
            data = file.read(SIZE_LIMIT + 1)
        if len(data) > SIZE_LIMIT:
            raise ValueError(f"it is larger than {SIZE_LIMIT} bytes")
        text = decode_text(data, f"{path} cannot be read", path, error=SettingsError)
        document = parse_toml(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(
            f"{path} cannot be read: {reason}", "It must be a TOML file."
        ) from error
    return SettingsFile(path, document, private)


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the known name most similar to `name`; None where none is known."""
    found = difflib.get_close_matches(name[:100], sorted(known), n=1, cutoff=0.0)
    return found[0] if found else None
