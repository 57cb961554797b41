"""The compiler's environment: looked up, built once, published by one rename, removed.

Look up, lock, look up again, build beside, publish last: whoever finds the folder finds all of it,
two processes that start at once build it once, and one that dies leaves nothing that counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from .. import process
from ..errors import ProcessError, ToolchainError
from ..files import building
from ..progress import Progress
from .host import HostFacts, check_host, host_facts, obstacle
from .installation import build
from .layout import (
    MANIFEST,
    TPU_MLIR_VERSION,
    Toolchain,
    lock_digest,
    toolchain_folder,
    toolchain_root,
)
from .python310 import Run, find_python310
from .uv import find_uv

_START_SECONDS = 60.0


@dataclass(frozen=True)
class ToolchainStatus:
    """What `recam toolchain status` tells. `size` is in bytes, `obstacle` is why the compiler
    cannot run on this machine (None when it can), `python` the version of its interpreter."""

    installed: bool
    path: Path
    version: str
    size: int
    python: str | None
    obstacle: str | None


def find(cache_dir: Path, run: Run = process.run) -> Toolchain | None:
    """The installed compiler when it is there, is the one of this release, and its interpreter
    starts; else None. Costs one start of Python."""
    root = toolchain_root(cache_dir)
    toolchain = Toolchain.at(root)
    if _read_manifest(root) is None or not toolchain.script("model_transform").is_file():
        return None
    try:
        done = run([toolchain.python, "-I", "-S", "-c", ""], timeout=_START_SECONDS)
    except ProcessError:
        return None
    return toolchain if done.returncode == 0 else None


def _read_manifest(root: Path) -> dict[str, str] | None:
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("lock") != lock_digest():
        return None
    return {str(key): str(value) for key, value in manifest.items()}


def ensure(
    cache_dir: Path,
    progress: Progress,
    *,
    host: HostFacts | None = None,
    environ: Mapping[str, str] | None = None,
    run: Run = process.run,
) -> Toolchain:
    """The installed compiler, installed now if it is not (0.3 GB to download, 0.7 GB on disk).

    A second process that comes meanwhile waits for the first. A broken environment is rebuilt.
    Raises ToolchainError where the compiler cannot run, or when the installation fails.
    """
    check_host(host)
    _check_path(cache_dir)
    found = find(cache_dir, run)
    if found is not None:
        return found
    environ = os.environ if environ is None else environ
    with locked(cache_dir, progress):
        found = find(cache_dir, run)
        if found is not None:
            return found
        root = toolchain_root(cache_dir)
        _clear(root)
        uv = find_uv(environ, run)
        interpreter = find_python310(uv, progress, environ=environ, run=run)
        with building(root) as folder:
            build(folder, interpreter, uv, progress, run)
        return Toolchain.at(root)


def _check_path(cache_dir: Path) -> None:
    if not cache_dir.is_absolute() or any(sign in str(cache_dir) for sign in ":;$"):
        raise ToolchainError(
            f"the compiler cannot be installed under {str(cache_dir)!r}: LD_LIBRARY_PATH cannot "
            "name such a folder",
            "Let RECAM_CACHE_DIR name an absolute path without ':', ';' and '$'.",
        )


@contextlib.contextmanager
def locked(cache_dir: Path, progress: Progress) -> Iterator[None]:
    """One installation at a time; whoever comes second waits and says so."""
    lock = _lock(cache_dir)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        with progress.step("Waiting for another recam that installs the compiler") as step:
            step.update(note=f"it holds {lock.lock_file}")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _lock(cache_dir: Path) -> FileLock:
    folder = toolchain_folder(cache_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolchainError(
            f"{folder} cannot be created: {error.strerror}",
            "Let RECAM_CACHE_DIR name a folder that you may write to.",
        ) from error
    return FileLock(folder / ".lock")


def _clear(root: Path) -> None:
    """Remove a broken environment, and what processes that died while building left behind.

    Only under the lock.
    """
    if root.exists():
        _discard(root)
    for leftover in root.parent.glob(f".{root.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _discard(folder: Path) -> None:
    """Remove `folder` so that nobody finds half of it: first out of sight, then for good."""
    hidden = folder.with_name(f".{folder.name}-removing-{os.getpid()}")
    folder.rename(hidden)
    shutil.rmtree(hidden)


def status(
    cache_dir: Path, *, host: HostFacts | None = None, run: Run = process.run
) -> ToolchainStatus:
    """What is installed and whether it can run here."""
    root = toolchain_root(cache_dir)
    manifest = _read_manifest(root)
    return ToolchainStatus(
        installed=find(cache_dir, run) is not None,
        path=root,
        version=TPU_MLIR_VERSION,
        size=_size(root),
        python=manifest.get("python") if manifest else None,
        obstacle=obstacle(host or host_facts()),
    )


def remove(cache_dir: Path) -> int:
    """Remove every installed compiler, also of other releases of recam; returns the bytes.

    Raises ToolchainError when another process is installing one.
    """
    folder = toolchain_folder(cache_dir)
    if not folder.is_dir():
        return 0
    lock = _lock(cache_dir)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ToolchainError(
            "another recam is installing the compiler", "Wait until it has ended, or end it."
        ) from error
    try:
        freed = 0
        for entry in sorted(folder.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                freed += _size(entry)
                _discard(entry)
        return freed
    finally:
        lock.release()


def _size(folder: Path) -> int:
    """The bytes of all files below `folder`."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(parent) / name).lstat().st_size
    return total
