"""Node-RED's folder in the virtual camera: its settings file, its flows, its nodes."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt

from ..layout import HOST, SetupError, write_private

HERE = Path(__file__).resolve().parent
STAND_INS = HERE / "nodes"
FACTORY_FLOWS = HERE / "flows.json"
SEEED_PACKAGE = "node-red-contrib-sscma"


@dataclass(frozen=True)
class Login:
    """Who may use the editor and the Admin API; without one, anybody, as on a new camera."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Folder:
    """Where Node-RED keeps everything: its ``userDir``."""

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
        """The port of the last run; 0 when there was none."""
        with contextlib.suppress(OSError, ValueError):
            return int(self.port.read_text(encoding="utf-8"))
        return 0

    def prepare(self, factory_flows: Path) -> None:
        """Make it, with the flows of a new camera. Flows that are there stay."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.flows.exists():
            shutil.copyfile(factory_flows, self.flows)

    def write_settings(self, port: int, nodes: Path, login: Login | None) -> None:
        text = f"module.exports = {json.dumps(_settings(port, nodes, login), indent=4)};\n"
        write_private(self.settings, text)


def nodes_package(folder: Path | None) -> Path:
    """The package of nodes to load: our stand-ins, or Seeed's in ``folder`` or a clone of theirs.

    Raises SetupError when there is no such package.
    """
    if folder is None:
        return STAND_INS
    for package in (folder, folder / SEEED_PACKAGE):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            document = json.loads((package / "package.json").read_text(encoding="utf-8"))
            if {"sscma", "camera", "model"} <= set(document["node-red"]["nodes"]):
                return package.resolve()
    raise SetupError(
        f"{folder} holds no package with the nodes sscma, camera and model; "
        f"give a clone of the repository Seeed-Studio/{SEEED_PACKAGE}"
    )


def _settings(port: int, nodes: Path, login: Login | None) -> dict[str, Any]:
    """As on the camera where a client can tell, and with nothing that asks the internet."""
    forbidden = {"allowInstall": False, "allowUpload": False, "allowUpdate": False}
    settings: dict[str, Any] = {
        "uiHost": HOST,
        "uiPort": port,
        "flowFile": "flows.json",
        "lang": "en-US",  # of its log, which is read; the editor follows the browser
        "nodesDir": [str(nodes)],
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
