"""Forget a camera's host keys, so that the next login asks whether to trust the new one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..settings import CameraSettings
from ..ssh.forgetting import Forgotten, forget
from ..ssh.known_hosts import known_hosts_files, label


@dataclass(frozen=True)
class ForgetResult:
    """The keys of one host, by file. `users_own` are files that ssh uses too."""

    host: str
    files: tuple[Forgotten, ...]
    users_own: tuple[Path, ...]
    dry_run: bool

    @property
    def count(self) -> int:
        """Count the keys."""
        return sum(len(file.keys) for file in self.files)

    def as_json(self) -> dict[str, Any]:
        """Return the document of `forget-host --json`."""
        files = [file.as_json() for file in self.files]
        return {"host": self.host, "dry_run": self.dry_run, "files": files}


def forget_host(camera: CameraSettings, *, dry_run: bool = False) -> ForgetResult:
    """Remove the host's keys from the known-hosts files in use; with `dry_run`, find them.

    Raises HostKeyError when a file cannot be read or written.
    """
    # By this name ssh's config lets the host be known, and then without a port.
    host, port = camera.ssh.host_key_alias or str(camera.host), camera.port
    if camera.ssh.host_key_alias:
        port = 22
    files = tuple(
        forget(path, host, port, dry_run=dry_run)
        for path in known_hosts_files(camera)
        if path.is_file()
    )
    home = Path(os.environ.get("HOME") or "/nonexistent")
    own = tuple(f.path for f in files if f.keys and f.path.parent == home / ".ssh")
    return ForgetResult(label(host, port), files, own, dry_run)
