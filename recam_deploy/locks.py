"""Lock a file against other processes; the lock ends with the process that holds it.

Only this module uses filelock, whose soft locks outlive their process and are never wanted here.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from .system_errors import NoLocksError


class Lock:
    """The lock on the file `path`, which is made where it does not exist.

    Its methods raise NoLocksError where the file system has no locks, and OSError where the file
    cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path, fallback_to_soft=False)

    def acquire(self) -> None:
        """Wait for the lock."""
        self._acquire(-1)

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it; return whether it was taken."""
        try:
            self._acquire(0)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        """Give the lock back; do nothing where it is not held."""
        with contextlib.suppress(OSError):  # the file system is gone, and the lock with it
            self._lock.release()

    def _acquire(self, seconds: float) -> None:
        try:
            self._lock.acquire(timeout=seconds)
        except Timeout:
            raise
        except NotImplementedError as error:
            raise NoLocksError(self.path.parent, OSError(str(error))) from error
        except OSError as error:
            # Opening the file names it; locking what is open does not.
            if error.filename is not None:
                raise
            raise NoLocksError(self.path.parent, error) from error

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
