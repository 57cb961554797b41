"""Folders that are installed once and used by many processes: the compiler's, the exporters'.

Look up, lock, look up again, build beside, publish last: whoever finds a folder finds all of it,
two processes that start at once build it once, and one that dies leaves nothing that counts.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import ToolchainError
from .files import building
from .progress import Progress


@dataclass(frozen=True)
class Installed:
    """The folders in `place`; `what` is installed there, for instance "the compiler"."""

    place: Path
    what: str

    def ensure(
        self,
        folder: Path,
        is_there: Callable[[], bool],
        build: Callable[[Path], None],
        progress: Progress,
    ) -> None:
        """Let `folder`, one of those in `place`, be there: `build` makes it in an empty folder.

        A second process that comes meanwhile waits for the first. A folder that does not pass
        `is_there` is made anew. Raises ToolchainError when `place` cannot be created, and whatever
        `build` raises.
        """
        if is_there():
            return
        with self.locked(progress):
            if not is_there():
                _clear(folder)
                with building(folder) as new:
                    build(new)

    @contextlib.contextmanager
    def locked(self, progress: Progress) -> Iterator[None]:
        """One installation at a time; whoever comes second waits and says so."""
        lock = self._lock()
        try:
            lock.acquire(timeout=0)
        except Timeout:
            with progress.step(f"Waiting for another recam that installs {self.what}") as step:
                step.update(note=f"it holds {lock.lock_file}")
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def remove(self) -> int:
        """Remove all folders, also those of other releases; returns the bytes.

        Raises ToolchainError while another process installs one.
        """
        if not self.place.is_dir():
            return 0
        lock = self._lock()
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise ToolchainError(
                f"another recam is installing {self.what}", "Wait until it has ended, or end it."
            ) from error
        try:
            freed = 0
            for entry in sorted(self.place.iterdir()):
                if entry.is_dir() and not entry.is_symlink():
                    freed += size_of(entry)
                    _discard(entry)
            return freed
        finally:
            lock.release()

    def _lock(self) -> FileLock:
        try:
            self.place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ToolchainError(
                f"{self.place} cannot be created: {error.strerror}",
                "Let RECAM_CACHE_DIR name a folder that you may write to.",
            ) from error
        return FileLock(self.place / ".lock")


def _clear(folder: Path) -> None:
    """Remove a broken folder, and what processes that died while building it left behind.

    Only under the lock.
    """
    if folder.exists():
        _discard(folder)
    for leftover in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _discard(folder: Path) -> None:
    """Remove `folder` so that nobody finds half of it: first out of sight, then for good."""
    hidden = folder.with_name(f".{folder.name}-removing-{os.getpid()}")
    folder.rename(hidden)
    shutil.rmtree(hidden)


def size_of(folder: Path) -> int:
    """The bytes of all files below `folder`."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(parent) / name).lstat().st_size
    return total
