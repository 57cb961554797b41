"""Name the folders and files on the camera.

The defaults come from the settings and are those of reCamera's own system: the active model is
`/userdata/Models/model.cvimodel` with its `model.json` (sscma-example-sg200x,
solutions/sscma-node/main/node/model.cpp). Temporary files begin with `.recam-`, so that those of an
interrupted run can be recognised and removed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import SettingsError
from ..settings import CameraSettings

OWN_PREFIX = ".recam-"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class CameraPaths:
    """The camera's folders and files; every path is absolute and has been checked."""

    models: PurePosixPath
    work: PurePosixPath
    runner: PurePosixPath
    library_path: str
    system: PurePosixPath

    @classmethod
    def from_settings(cls, camera: CameraSettings) -> CameraPaths:
        """Check the paths of the settings. Raises SettingsError for one that is refused."""
        if _CONTROL.search(camera.library_path):
            raise SettingsError(
                "setting `camera.library_path` holds a control character",
                "Write folders separated by colons.",
            )
        return cls(
            models=checked_path(camera.models, "models"),
            work=checked_path(camera.work, "work"),
            runner=checked_path(camera.runner, "runner"),
            library_path=camera.library_path,
            system=checked_path(camera.system, "system", may_be_root=True),
        )

    @property
    def system_prefix(self) -> str:
        """Return what goes before `/proc`, `/etc`, ...: nothing on a real camera."""
        return str(self.system).rstrip("/")

    @property
    def active_model(self) -> PurePosixPath:
        """The cvimodel that the camera's flow loads."""
        return self.models / "model.cvimodel"

    @property
    def active_info(self) -> PurePosixPath:
        """The JSON beside it, with the class names."""
        return self.models / "model.json"

    @property
    def history(self) -> PurePosixPath:
        """The folder of the models that were active before, and of the record of the one now."""
        return self.work / "history"

    def staged_model(self, sha256: str) -> PurePosixPath:
        """Return where a new model is written before it is renamed.

        The folder is that of the active model, for a rename needs the same file system. It ends in
        `.cvimodel`, for the trial loads it under this name.
        """
        return self.models / f"{OWN_PREFIX}{_short(sha256)}.cvimodel"

    @property
    def staged_info(self) -> PurePosixPath:
        """Where a new `model.json` is written before it is renamed."""
        return self.models / f"{OWN_PREFIX}model.json"

    def staged_runner(self, sha256: str) -> PurePosixPath:
        """Return where a new test binary is written before it is renamed."""
        return self.runner.with_name(f"{OWN_PREFIX}{_short(sha256)}.runner.part")

    @property
    def flows(self) -> PurePosixPath:
        """The folder of the backups of Node-RED's flows."""
        return self.work / "flows"

    def staged_flow(self, sha256: str) -> PurePosixPath:
        """Return where a backup is written before it is renamed."""
        return self.work / f"{OWN_PREFIX}{_short(sha256)}.flow.part"

    def run_folder(self, token: str) -> PurePosixPath:
        """Return the folder of one test run; `token` is lower-case hex, new for every run."""
        if not _TOKEN.fullmatch(token):
            raise ValueError(f"not a run token: {token!r}")
        return self.work / f"{OWN_PREFIX}run-{token}"

    def run_model(self, token: str, sha256: str) -> PurePosixPath:
        """Return where a model is written for one test run; its name holds the hash."""
        return self.run_folder(token) / f"{_short(sha256)}.cvimodel"


def checked_path(path: PurePosixPath, setting: str, may_be_root: bool = False) -> PurePosixPath:
    """Return `path` if it is absolute, without `..` and without control characters.

    Raises SettingsError, which names the setting, otherwise.
    """
    wrong = ""
    if _CONTROL.search(str(path)):
        wrong = "holds a control character"
    elif not path.is_absolute():
        wrong = "is not an absolute path"
    elif ".." in path.parts:
        wrong = "must not contain `..`"
    elif not path.name and not may_be_root:
        wrong = "must not be the root folder"
    if wrong:
        raise SettingsError(
            f"setting `camera.{setting}` {wrong}: {str(path)!r}",
            "Write the path on the camera, such as /userdata/Models.",
        )
    return path


def _short(sha256: str) -> str:
    if not _TOKEN.fullmatch(sha256):
        raise ValueError(f"not a hash: {sha256!r}")
    return sha256[:12]
