"""Keeping things in the cache whole: look, lock, look again, build aside, publish last."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..layout import SetupError

_POLL_SECONDS = 0.2


@contextlib.asynccontextmanager
async def locked(folder: Path, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Hold ``folder`` against every other process that installs into it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", fallback_to_soft=False)
    waiting = False
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            if not waiting:
                say(f"Waiting for another process that installs into {folder}")
            waiting = True
            await asyncio.sleep(_POLL_SECONDS)
        except OSError as error:
            if error.filename is not None:
                raise
            # Opening the file names it; locking what is open does not.
            raise SetupError(
                f"the file system of {folder} has no locks ({error.strerror}); let "
                "RECAM_CACHE_DIR name a folder on a local disk"
            ) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def building(target: Path) -> Iterator[Path]:
    """Yield a new folder beside ``target``, which becomes ``target`` when the block ends well.

    Whoever calls this holds the lock, so what another run left half built can go.
    """
    for leftover in target.parent.glob(".building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=".building-"))
    try:
        yield folder
        folder.chmod(0o755)
        folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
