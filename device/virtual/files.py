"""Serve SFTP and scp within the camera's root.

Clients name real absolute paths, as the settings do. Whatever lies, after following
links, outside the root is refused both ways, so that a mistake in a client cannot
touch the machine the virtual camera runs on.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh

if TYPE_CHECKING:
    from .layout import Layout

log = logging.getLogger("virtual")


class CameraFiles(asyncssh.SFTPServer):
    """asyncssh's file server with every path checked. Relative paths start at home."""

    def __init__(self, channel: asyncssh.SSHServerChannel[Any], layout: Layout) -> None:
        super().__init__(channel)
        self._layout = layout

    def exit(self) -> None:
        """End a session; OpenSSH's clients want an exit status of SFTP, too."""
        if self.channel.get_subsystem() == "sftp":
            self.channel.exit(0)

    def _check(self, real: Path) -> None:
        if not real.is_relative_to(self._layout.root):
            raise asyncssh.SFTPPermissionDenied("Permission denied: outside the virtual camera")

    def map_path(self, path: bytes) -> bytes:
        """Map a path for operations that follow links: the target must be inside."""
        full = self._layout.home / os.fsdecode(path)
        self._check(_real(full))
        return os.fsencode(full)

    def _entry(self, path: bytes) -> Path:
        """Map a path for operations on a name itself.

        Its folder must be inside, and no link of the name is followed.
        """
        full = self._layout.home / os.fsdecode(path)
        if full.name in ("", ".."):
            return Path(os.fsdecode(self.map_path(path)))
        real = _real(full.parent) / full.name
        self._check(real)
        return real

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        file = super().open(path, pflags, attrs)
        log.info(
            "file %s %s", "write" if pflags & asyncssh.FXF_WRITE else "read", os.fsdecode(path)
        )
        return file

    def lstat(self, path: bytes) -> os.stat_result:
        return self._entry(path).lstat()

    def readlink(self, path: bytes) -> bytes:
        return os.fsencode(self._entry(path).readlink())

    def remove(self, path: bytes) -> None:
        self._entry(path).unlink()

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        target = self._entry(newpath)
        if os.path.lexists(target):
            raise asyncssh.SFTPFailure("File already exists")
        self._entry(oldpath).rename(target)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        self._entry(oldpath).replace(self._entry(newpath))

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        link = self._entry(newpath)
        target = Path(os.fsdecode(oldpath))
        self._check(_real(link.parent / target))
        link.symlink_to(target)

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        self._entry(newpath).hardlink_to(Path(os.fsdecode(self.map_path(oldpath))))


def _real(path: Path) -> Path:
    """Follow every link of a path. Raises SFTPFailure when links run in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise asyncssh.SFTPFailure(str(error)) from error
