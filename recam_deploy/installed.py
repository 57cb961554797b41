"""Install folders once for many processes: the compiler's, the exporters'.

The order is look up, lock, look up again, build in a temporary folder, publish by a rename. A
folder that exists is therefore complete, two processes at once build it once, and a killed one
leaves only a temporary folder, which the next build removes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import ToolchainError
from .files import building
from .locks import Lock
from .progress import Progress


@dataclass(frozen=True)
class Installed:
    """The installed folders in `place`; `what` names them in messages, such as "the compiler"."""

    place: Path
    what: str

    def ensure(
        self,
        folder: Path,
        is_there: Callable[[], bool],
        build: Callable[[Path], None],
        progress: Progress,
    ) -> None:
        """Install `folder`, a child of `place`, unless `is_there` returns true.

        `build` fills the empty folder that it is called with. A folder that does not pass
        `is_there` is replaced; a second process waits for the first. Raises ToolchainError when
        `place` cannot be created, and whatever `build` raises.
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
        """Hold the lock of `place` for the block; show a step while waiting for another process.

        Raises ToolchainError when `place` cannot be created.
        """
        lock = self._lock()
        if not lock.try_acquire():
            with progress.step(f"Waiting for another recam to install {self.what}") as step:
                step.update(note=f"lock {lock.path}")
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def remove(self) -> int:
        """Remove all folders, those of other releases included; return the bytes freed.

        Raises ToolchainError while another process installs one.
        """
        if not self.place.is_dir():
            return 0
        lock = self._lock()
        if not lock.try_acquire():
            raise ToolchainError(
                f"another recam is installing {self.what}", "Wait until it ends, then try again."
            )
        try:
            freed = 0
            for entry in sorted(self.place.iterdir()):
                if entry.is_dir() and not entry.is_symlink():
                    freed += size_of(entry)
                    _discard(entry)
            return freed
        finally:
            lock.release()

    def _lock(self) -> Lock:
        try:
            self.place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ToolchainError(
                f"{self.place} cannot be created: {error.strerror}",
                "Set RECAM_CACHE_DIR to a folder that you may write to.",
            ) from error
        return Lock(self.place / ".lock")


def _clear(folder: Path) -> None:
    """Remove a broken folder, and temporary ones of killed builds. The caller holds the lock."""
    if folder.exists():
        _discard(folder)
    for leftover in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _discard(folder: Path) -> None:
    """Rename `folder` and then remove it, so that no process finds part of it."""
    hidden = folder.with_name(f".{folder.name}-removing-{os.getpid()}")
    folder.rename(hidden)
    shutil.rmtree(hidden)


def size_of(folder: Path) -> int:
    """Return the bytes of all files below `folder`; 0 when it does not exist."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(parent) / name).lstat().st_size
    return total
