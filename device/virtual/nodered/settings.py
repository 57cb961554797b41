"""Node-RED's folder in the virtual camera: its settings file, its flows, its nodes."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt

from ..layout import SetupError, write_private

HERE = Path(__file__).resolve().parent
STAND_INS = HERE / "nodes"
HARDWARE = STAND_INS / "recamera"
FACTORY_FLOWS = HERE / "flows.json"
SEEED_PACKAGE = "node-red-contrib-sscma"
VERSIONS = ("0.2.7", "0.3.6")
"""Of Seeed's nodes, those that there are stand-ins for: on firmware before 0.2.1, and since."""
NEWEST = VERSIONS[-1]


@dataclass(frozen=True)
class Login:
    """A user of the editor and the Admin API; without one, as on a new camera, anybody is."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Place:
    """The address at which Node-RED listens, and those of the two websockets for a browser."""

    host: str
    port: int
    video_port: int
    preview_port: int


@dataclass(frozen=True)
class Folder:
    """The folder in which Node-RED keeps everything: its ``userDir``."""

    path: Path

    @property
    def flows(self) -> Path:
        return self.path / "flows.json"

    @property
    def settings(self) -> Path:
        return self.path / "settings.js"

    @property
    def port(self) -> Path:
        return self.path / "port"

    @property
    def log(self) -> Path:
        return self.path / "node-red.log"

    def remembered_port(self) -> int:
        """Return the port of the last run; 0 when there was none."""
        with contextlib.suppress(OSError, ValueError):
            return int(self.port.read_text(encoding="utf-8"))
        return 0

    def prepare(self, factory_flows: Path) -> None:
        """Make it, with the flows of a new camera. Flows that are there stay."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.flows.exists():
            shutil.copyfile(factory_flows, self.flows)

    def write_settings(self, place: Place, nodes: Sequence[Path], login: Login | None) -> None:
        """Write what Node-RED is to be: where it listens, what it loads, who may use it."""
        text = f"module.exports = {json.dumps(_settings(place, nodes, login), indent=4)};\n"
        write_private(self.settings, text)


def nodes_packages(clone: Path | None, version: str = NEWEST) -> tuple[Path, ...]:
    """Name the packages of nodes to load: stand-ins of a version, or Seeed's own.

    ``clone`` holds Seeed's package, or is a clone of their repository. The lamp and the motors are
    stand-ins always: Seeed's need the hardware. Raises SetupError when there is no such package.
    """
    if clone is None:
        return STAND_INS / "common", STAND_INS / version, HARDWARE
    for package in (clone, clone / SEEED_PACKAGE):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            document = json.loads((package / "package.json").read_text(encoding="utf-8"))
            kinds = set(document["node-red"]["nodes"])
            if {"sscma", "camera", "model"} <= kinds:
                # Before 0.3, `light` was in this package.
                more = () if "light" in kinds else (HARDWARE,)
                return package.resolve(), *more
    raise SetupError(
        f"{clone} holds no package with the nodes sscma, camera and model; "
        "give a clone of the repository Seeed-Studio/node-red-contrib-nodes"
    )


def _settings(place: Place, nodes: Sequence[Path], login: Login | None) -> dict[str, Any]:
    """As on the camera where a client can tell, and with nothing that asks the internet."""
    forbidden = {"allowInstall": False, "allowUpload": False, "allowUpdate": False}
    settings: dict[str, Any] = {
        "uiHost": place.host,
        "uiPort": place.port,
        "flowFile": "flows.json",
        "lang": "en-US",  # of its log, which is read; the editor follows the browser
        "nodesDir": [str(package) for package in nodes],
        # Where the browser finds what the stand-ins' previews show (preview.js of 0.3.6).
        "previewCameraPort": place.video_port,
        "previewModelPort": place.preview_port,
        "runtimeState": {"enabled": True, "ui": True},
        "externalModules": {"autoInstall": False, "palette": forbidden, "modules": forbidden},
        "telemetry": {"enabled": False, "updateNotification": False},
        "logging": {"console": {"level": "info", "metrics": False, "audit": False}},
        "editorTheme": {
            "header": {"title": "Virtual reCamera"},
            "page": {"title": "Virtual reCamera"},
            "palette": {"catalogues": []},
            "projects": {"enabled": False},
            "tours": False,
        },
    }
    if login:
        # Node-RED takes bcrypt hashes only; few rounds, for a password that guards a toy.
        hashed = bcrypt.hashpw(login.password.encode(), bcrypt.gensalt(rounds=6)).decode()
        user = {"username": login.user, "password": hashed, "permissions": "*"}
        settings["adminAuth"] = {"type": "credentials", "users": [user]}
    return settings
