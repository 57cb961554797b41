"""Back up flow documents on this machine, before they are replaced.

Each is a file `<number>-<short hash>.json` in the camera's folder. The number grows, so the order
does not depend on a clock. A document equal to the last backup is not written again. Files have
mode 0600, for a flow may hold passwords. A file `….credentials` beside it lists the ids of the
nodes that had credentials, which Node-RED does not give out.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FlowError
from ..files import write_atomically
from ..folders import expanded
from ..settings import CameraSettings, default_flow_backups
from .document import FlowDocument, read_document

_NAME = re.compile(r"(\d{4,})-([0-9a-f]{12})\.json")
_KEPT = 50


@dataclass(frozen=True)
class Backup:
    """A backup: its number, its file, its local time of writing, and its number of nodes."""

    number: int
    path: Path
    written: str
    nodes: int

    @property
    def name(self) -> str:
        """Its name for `recam flow restore`."""
        return self.path.stem

    def as_json(self) -> dict[str, Any]:
        """Return its object in `flow backups --json`."""
        return {
            "name": self.name,
            "path": str(self.path),
            "written": self.written,
            "nodes": self.nodes,
        }


class Backups:
    """The backups of one camera's Node-RED."""

    @classmethod
    def from_settings(cls, camera: CameraSettings) -> Backups:
        """Open the backups of the camera in the settings."""
        root = camera.flow_backups or default_flow_backups()
        return cls(f"{camera.host}{camera.node_red_root}", camera.node_red_port, root)

    def __init__(self, host: str, port: int, root: Path) -> None:
        plain = re.sub(r"[^A-Za-z0-9.-]", "_", host).strip(".") or "_"
        digest = hashlib.sha256(host.encode()).hexdigest()[:8]
        self.folder = expanded(root) / f"{plain[:60]}-{digest}-{port}"

    def keep(self, document: FlowDocument) -> Path:
        """Write a backup; return its file. The oldest over 50 are removed."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256(document.canonical).hexdigest()[:12]
        present = self._numbered()
        if present and present[-1][1].stem.endswith(f"-{digest}"):
            _remember_credentials(present[-1][1], document)
            return present[-1][1]
        number = present[-1][0] + 1 if present else 1
        path = self.folder / f"{number:04d}-{digest}.json"
        write_atomically(path, content(document), 0o600)
        for _, old in present[: max(0, len(present) + 1 - _KEPT)]:
            old.unlink(missing_ok=True)
            _beside(old).unlink(missing_ok=True)
        _remember_credentials(path, document)
        return path

    def all(self) -> tuple[Backup, ...]:
        """List all backups, the newest first."""
        return tuple(_backup(n, path) for n, path in reversed(self._numbered()))

    def newest(self) -> Backup | None:
        """Return the newest backup that holds any nodes; None without one."""
        return next((one for one in self.all() if one.nodes), None)

    def read(self, name: str | None = None) -> tuple[Path, FlowDocument]:
        """Read the backup of that name, number or path; by default the newest.

        Raises FlowError when there is none, or its hash differs from its name.
        """
        path = self._find(name)
        document = FlowDocument(read_document(path))
        matched = _NAME.fullmatch(path.name)
        digest = hashlib.sha256(document.canonical).hexdigest()[:12]
        if matched and matched[2] != digest:
            raise FlowError(
                f"the backup {path} was changed: its hash differs", "Choose another backup."
            )
        return path, FlowDocument(document.nodes, credentials=_known_credentials(path))

    def _find(self, name: str | None) -> Path:
        kept = self._numbered()
        if name is None:
            if kept:
                return kept[-1][1]
            raise FlowError(
                f"there is no backup of this camera's flows in {self.folder}",
                "Backups are made by pushing; `recam flow pull` saves the present flows.",
            )
        for number, path in kept:
            if name in (path.stem, path.name, str(number), f"{number:04d}"):
                return path
        given = expanded(Path(name))
        if given.is_file():
            return given
        raise FlowError(f"there is no backup {name[:80]!r}", "`recam flow backups` lists them.")

    def _numbered(self) -> list[tuple[int, Path]]:
        if not self.folder.is_dir():
            return []
        found = [(_NAME.fullmatch(path.name), path) for path in self.folder.iterdir()]
        return sorted((int(matched[1]), path) for matched, path in found if matched)


def _beside(path: Path) -> Path:
    return path.with_suffix(".credentials")


def _remember_credentials(path: Path, document: FlowDocument) -> None:
    """Write which nodes had credentials, together with those of the same document before."""
    if document.credentials is not None:
        known = document.credentials | (_known_credentials(path) or frozenset())
        write_atomically(_beside(path), json.dumps(sorted(known)).encode() + b"\n", 0o600)


def _known_credentials(path: Path) -> frozenset[str] | None:
    """Read which nodes had credentials; None for a backup that does not know."""
    try:
        value = json.loads(_beside(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(value, list):
        return None
    return frozenset(item for item in value if isinstance(item, str))


def content(document: FlowDocument) -> bytes:
    """Format a document as a file that Node-RED's editor imports: the list of nodes."""
    text = json.dumps(list(document.nodes), indent=4, ensure_ascii=False)
    return (text + "\n").encode("utf-8", "backslashreplace")


def _backup(number: int, path: Path) -> Backup:
    try:
        nodes = len(read_document(path))
    except FlowError:
        nodes = 0
    seconds = path.stat().st_mtime
    written = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    return Backup(number, path, written, nodes)
