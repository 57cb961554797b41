"""Read several cameras from one settings file: `[camera]` for all, `[camera.porch]` for one.

A secret in the file is refused, since settings files get copied, committed and pasted; it is
accepted only with `secrets_in_file = true` in a file that only its owner can read. Each camera may
have its own environment variables for secrets, which override all else: RECAM_PASSWORD_PORCH is the
password of `[camera.porch]`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from .camera import CameraSettings, overlay, with_host
from .file import SettingsFile, nearest

VARIABLE = "RECAM_CAMERA"
SECRETS = ("password", "node_red_password", "node_red_token", "node_red_basic_password")


@dataclass(frozen=True)
class ChosenCamera:
    """The settings of one camera in the file, each host's text taken apart.

    `values` are those of its table over those of `[camera]`, and `own` those of its table alone.
    `secrets` come from its own environment variables, by the names of their fields. `tables` are
    the values of every camera, by the names of their tables, for checks.
    """

    values: Mapping[str, Any]
    own: Mapping[str, Any]
    secrets: Mapping[str, str]
    tables: Mapping[str, Mapping[str, Any]]


def choose(
    table: Mapping[str, Any],
    file: SettingsFile,
    environment: Mapping[str, str],
    name: str | None,
    *,
    insisted: bool,
) -> ChosenCamera:
    """Choose a camera of the file's `[camera]` table by its name; None is `[camera]` itself.

    Raises SettingsError for an unknown camera (it names the nearest), for a secret in the file
    unless `insisted` and the file is private, for a host's text that is no address, and as
    `_own_secrets`.
    """
    fields = CameraSettings.model_fields
    given = {key: v for key, v in table.items() if isinstance(v, dict) and key not in fields}
    common = {key: value for key, value in table.items() if key not in given}
    _refuse_secrets(
        {"camera": common, **{f"camera.{n}": t for n, t in given.items()}}, file, insisted
    )
    if name is not None and name not in given:
        raise _unknown(name, given, file.path)
    secrets = _own_secrets(name, given, environment)
    common = with_host(common, "camera.{}".format)
    own = {
        key: with_host(values, functools.partial("{}.{}".format, f"camera.{key}"))
        for key, values in given.items()
    }
    cameras = {key: overlay(common, values) for key, values in own.items()}
    tables = {"camera": common, **{f"camera.{key}": values for key, values in cameras.items()}}
    if name is None:
        return ChosenCamera(common, {}, secrets, tables)
    return ChosenCamera(cameras[name], own[name], secrets, tables)


def _refuse_secrets(
    tables: Mapping[str, Mapping[str, Any]], file: SettingsFile, insisted: bool
) -> None:
    found = [f"{name}.{key}" for name, table in tables.items() for key in SECRETS if key in table]
    if found and not insisted:
        raise SettingsError(
            f"`{found[0]}` in {file.path} is a secret, which a settings file should not hold",
            "Set RECAM_PASSWORD (or RECAM_NODERED_PASSWORD, RECAM_NODERED_TOKEN; _PORCH added for "
            "the camera `porch` alone), use the system keyring (keyring = true), or allow it with "
            "`secrets_in_file = true` at the top of the file.",
        )
    if found and not file.private:
        raise SettingsError(
            f"{file.path} holds the secret `{found[0]}`, and others can read the file",
            f"Run: chmod 600 {file.path}",
        )


def _own_secrets(
    name: str | None, cameras: Iterable[str], environment: Mapping[str, str]
) -> dict[str, str]:
    """Read one camera's own secrets from the environment, by the names of their fields.

    Node-RED's variables may begin with RECAM_NODERED_, as elsewhere. Raises SettingsError for a
    variable that fits another camera too.
    """
    found: dict[str, str] = {}
    for field in SECRETS if name else ():
        for general in (field.upper(), field.upper().replace("NODE_RED", "NODERED")):
            variable = f"RECAM_{general}_{_suffix(str(name))}"
            if environment.get(variable) and field not in found:
                _refuse_shared(variable, str(name), cameras)
                found[field] = environment[variable]
    return found


def _suffix(name: str) -> str:
    """Convert a camera's name to the end of its variables' names."""
    return re.sub("[^A-Z0-9]", "_", name.upper())


def _refuse_shared(variable: str, name: str, cameras: Iterable[str]) -> None:
    others = [other for other in cameras if other != name and _suffix(other) == _suffix(name)]
    if others:
        raise SettingsError(
            f"{variable} is for the camera {name!r} and for {others[0]!r}",
            "Rename one of them in recam.toml, so that no secret goes to the wrong camera.",
        )


def _unknown(name: str, cameras: Mapping[str, Any], path: Path | None) -> SettingsError:
    near = nearest(name, cameras.keys())
    if near is None:
        where = f"{path} names no cameras" if path else "there is no settings file"
        return SettingsError(
            f"there is no camera {name!r}: {where}",
            f'Write a table [camera.{name}] with its host = "…" into recam.toml.'
            if name.isidentifier()
            else "Write a table [camera.NAME] for each camera into recam.toml.",
        )
    return SettingsError(
        f"there is no camera {name!r} in {path}", f"The nearest known one is `{near}`."
    )
