"""Record facts of a camera that recam assumes from sources, never seen on a real one.

The record is a JSON file that a person can read, compare and attach to a report. It holds versions,
programs, file systems and ports of the camera; no password, no address, no serial number, and no
file names but those of the active model. `tests/hardware/README.md` says which assumption each
entry tests.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..camera.facts import named_values
from ..camera.paths import CameraPaths
from ..camera.web_api import DeviceInfo
from ..errors import CameraError
from ..files import write_atomically
from ..flows.client import NodeRedFacts
from ..redaction import redact
from ..ssh.command import RemoteCommand, Script, load
from ..ssh.connection import Connection
from ..version import __version__

_SECONDS = 60


@dataclass
class Record:
    """The recorded facts; an entry is None where it could not be read."""

    system: Mapping[str, str] | None = None
    root: Mapping[str, str] | None = None
    ssh_server: str | None = None
    web: DeviceInfo | None = None
    services: Mapping[str, int] = field(default_factory=dict)
    node_red: NodeRedFacts | None = None
    ports: Mapping[str, str] = field(default_factory=dict)

    def look_inside(self, connection: Connection, paths: CameraPaths, *, may_sudo: bool) -> None:
        """Run the scripts that print the facts. Raises CameraError when one cannot print them."""
        self.ssh_server = connection.server_version
        system = paths.system_prefix
        arguments = (system, str(paths.models), paths.library_path)
        self.system = _facts_of(connection, load("record"), *arguments, sudo=False)
        if may_sudo:
            self.root = _facts_of(connection, load("record_root"), system, sudo=True)

    def as_json(self) -> dict[str, Any]:
        """Build the document that `write` writes."""
        server = self.node_red
        return {
            "recam": __version__,
            "recorded_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "system": self.system,
            "root": self.root,
            "ssh_server": self.ssh_server,
            "web": {"system": self.web.system, "version": self.web.version} if self.web else None,
            "services": dict(self.services),
            "node_red": server
            and {
                "version": server.version,
                "modules": dict(sorted(server.modules.items())),
                "types": sorted(server.types),
            },
            "ports": dict(self.ports),
        }

    def write(self, path: Path) -> None:
        """Write the record as a JSON file, replacing it in one step. Raises OSError."""
        text = json.dumps(self.as_json(), indent=2, ensure_ascii=False)
        write_atomically(path, f"{redact(text)}\n".encode())


def _facts_of(
    connection: Connection, script: Script, *arguments: str, sudo: bool
) -> dict[str, str]:
    """Run a script that prints one line a fact. Raises CameraError when its end is missing."""
    nonce = f"recam-{secrets.token_hex(8)}"
    command = RemoteCommand.shell(script, nonce, *arguments)
    run = connection.sudo if sudo else connection.run
    found = named_values(run(command, timeout=_SECONDS, check=False).stdout, nonce)
    if found.pop("end", "") != "yes":
        raise CameraError(
            "the camera's facts could not be recorded: its answer is incomplete",
            "Run the command again.",
        )
    return found
