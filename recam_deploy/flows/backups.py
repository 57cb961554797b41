"""Flow documents that were there before, kept on this machine.

One file each, `<number>-<short hash>.json`, in a folder for the camera; the number grows, so the
order never hangs on a clock. The same document is not kept twice in a row. Files are for their
owner only: a flow may hold passwords.
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
from ..settings import CameraSettings, default_flow_backups
from .document import FlowDocument, read_document

_NAME = re.compile(r"(\d{4,})-([0-9a-f]{12})\.json")
_KEPT = 50


@dataclass(frozen=True)
class Backup:
    """A kept document: its number, its file, and when that was written by this clock."""

    number: int
    path: Path
    written: str
    nodes: int

    @property
    def name(self) -> str:
        """How `restore` takes it."""
        return self.path.stem

    def as_json(self) -> dict[str, Any]:
        """As `flow backups --json` shows it."""
        return {
            "name": self.name,
            "path": str(self.path),
            "written": self.written,
            "nodes": self.nodes,
        }


class Backups:
    """The documents kept of one camera's Node-RED."""

    @classmethod
    def from_settings(cls, camera: CameraSettings) -> Backups:
        """Those of the camera that the settings name."""
        root = camera.flow_backups or default_flow_backups()
        return cls(str(camera.host), camera.node_red_port, root)

    def __init__(self, host: str, port: int, root: Path) -> None:
        plain = re.sub(r"[^A-Za-z0-9.-]", "_", host).strip(".") or "_"
        told_apart = hashlib.sha256(host.encode()).hexdigest()[:8]
        self.folder = root.expanduser() / f"{plain[:60]}-{told_apart}-{port}"

    def keep(self, document: FlowDocument) -> Path:
        """Keep a document; returns its file. The oldest ones beyond fifty are removed."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256(document.canonical).hexdigest()[:12]
        there = self._numbered()
        if there and there[-1][1].stem.endswith(f"-{digest}"):
            return there[-1][1]
        number = there[-1][0] + 1 if there else 1
        path = self.folder / f"{number:04d}-{digest}.json"
        write_atomically(path, content(document), 0o600)
        for _, old in there[: max(0, len(there) + 1 - _KEPT)]:
            old.unlink(missing_ok=True)
        return path

    def all(self) -> tuple[Backup, ...]:
        """All that are kept, the newest first."""
        return tuple(_described(n, path) for n, path in reversed(self._numbered()))

    def read(self, name: str | None = None) -> tuple[Path, FlowDocument]:
        """A kept document: the one of that name, number or path, else the newest.

        Raises FlowError when there is none, or its file was changed.
        """
        path = self._find(name)
        document = FlowDocument(read_document(path))
        matched = _NAME.fullmatch(path.name)
        whole = hashlib.sha256(document.canonical).hexdigest()[:12]
        if matched and matched[2] != whole:
            raise FlowError(
                f"{path} is not what was kept: its hash differs", "Choose another backup."
            )
        return path, document

    def _find(self, name: str | None) -> Path:
        kept = self._numbered()
        if name is None:
            if kept:
                return kept[-1][1]
            raise FlowError(
                f"no flows of this camera are kept in {self.folder}",
                "They are when something is pushed; `recam flow pull` saves what is there now.",
            )
        for number, path in kept:
            if name in (path.stem, path.name, str(number), f"{number:04d}"):
                return path
        given = Path(name).expanduser()
        if given.is_file():
            return given
        raise FlowError(f"there is no backup {name[:80]!r}", "`recam flow backups` lists them.")

    def _numbered(self) -> list[tuple[int, Path]]:
        if not self.folder.is_dir():
            return []
        found = [(_NAME.fullmatch(path.name), path) for path in self.folder.iterdir()]
        return sorted((int(matched[1]), path) for matched, path in found if matched)


def content(document: FlowDocument) -> bytes:
    """A document as a file that the editor imports: the list of nodes."""
    text = json.dumps(list(document.nodes), indent=4, ensure_ascii=False)
    return (text + "\n").encode("utf-8", "backslashreplace")


def _described(number: int, path: Path) -> Backup:
    try:
        nodes = len(read_document(path))
    except FlowError:
        nodes = 0
    seconds = path.stat().st_mtime
    written = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    return Backup(number, path, written, nodes)
