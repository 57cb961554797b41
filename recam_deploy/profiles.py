"""Several cameras in one settings file: `[camera]` holds what all share, `[camera.porch]` one.

A secret in the file is refused unless the file says that it is meant, with `secrets_in_file`, and
only its owner can read it: settings files get copied, committed and pasted into questions.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import SettingsError
from .settings_file import SettingsFile, nearest

VARIABLE = "RECAM_CAMERA"
SECRETS = ("password", "node_red_password", "node_red_token")


@dataclass(frozen=True)
class CameraTables:
    """The file's `[camera]` without its sub-tables, and those, by the names of the cameras."""

    common: Any
    cameras: Mapping[str, Mapping[str, Any]]

    def table(self, name: str | None, path: Path | None = None) -> Any:
        """What the file says of one camera; of none in particular for None.

        Raises SettingsError, naming the nearest one, for a camera that the file does not know.
        """
        if name is None:
            return self.common
        if name not in self.cameras:
            raise _unknown(name, self.cameras, path)
        return {**self.common, **self.cameras[name]}


def split(table: Any, fields: Container[str]) -> CameraTables:
    """Tell the cameras of a `[camera]` table from its settings, whose names are `fields`."""
    if not isinstance(table, dict):
        return CameraTables(table, {})
    cameras = {
        key: value for key, value in table.items() if isinstance(value, dict) and key not in fields
    }
    common = {key: value for key, value in table.items() if key not in cameras}
    return CameraTables(common, cameras)


def refuse_secrets(tables: CameraTables, file: SettingsFile, *, insisted: bool) -> None:
    """Raise SettingsError when the file holds a secret that it must not hold."""
    places = {"camera": tables.common, **{f"camera.{n}": t for n, t in tables.cameras.items()}}
    found = [f"{place}.{key}" for place, table in places.items() for key in SECRETS if key in table]
    if found and not insisted:
        raise SettingsError(
            f"`{found[0]}` in {file.path} is a secret, which does not belong in a settings file",
            "Set RECAM_PASSWORD (or RECAM_NODERED_PASSWORD, RECAM_NODERED_TOKEN), use the system "
            "keyring (keyring = true), or insist with `secrets_in_file = true` at the top of it.",
        )
    if found and not file.private:
        raise SettingsError(
            f"{file.path} holds the secret `{found[0]}`, and others can read the file",
            f"Run: chmod 600 {file.path}",
        )


def _unknown(name: str, cameras: Mapping[str, Any], path: Path | None) -> SettingsError:
    near = nearest(name, cameras.keys())
    if near is None:
        where = f"{path} names no cameras" if path else "there is no settings file"
        return SettingsError(
            f"there is no camera {name!r}: {where}",
            f'Write a table [camera.{name}] with its host = "…" into recam.toml.'
            if name.isidentifier()
            else "Write a table [camera.NAME] for each into recam.toml.",
        )
    return SettingsError(
        f"there is no camera {name!r} in {path}", f"The nearest known one is `{near}`."
    )
