"""Find, install once, and remove the compiler's environment in the user's cache."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import process
from ..documents import parse_json
from ..errors import ProcessError, ToolchainError
from ..installed import Installed, size_of
from ..progress import Progress
from .host import HostFacts, check_host, host_facts, obstacle
from .installation import build
from .local import (
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
    """The document of `recam toolchain status`.

    `size` is in bytes, `obstacle` why the compiler cannot run on this machine (None when it can),
    `python` the version of its interpreter.
    """

    installed: bool
    path: Path
    version: str
    size: int
    python: str | None
    obstacle: str | None


def find(cache_dir: Path, run: Run = process.run) -> Toolchain | None:
    """Return the installed compiler, if it is this release's and its interpreter starts; else None.

    Starts Python once.
    """
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
        manifest = parse_json((root / MANIFEST).read_bytes())
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
    """Return the installed compiler; install it if needed (0.3 GB to download, 0.7 GB on disk).

    A second process waits for the first. A broken environment is installed again. Raises
    ToolchainError where the compiler cannot run, or when the installation fails.
    """
    check_host(host)
    _check_path(cache_dir)
    if found := find(cache_dir, run):
        return found
    environ = os.environ if environ is None else environ

    def make(folder: Path) -> None:
        uv = find_uv(environ, cache_dir, run)
        interpreter = find_python310(uv, progress, environ=environ, run=run)
        build(folder, interpreter, uv, progress, run)

    root = toolchain_root(cache_dir)
    installed(cache_dir).ensure(root, lambda: find(cache_dir, run) is not None, make, progress)
    return Toolchain.at(root)


def installed(cache_dir: Path) -> Installed:
    """Return the folder of all compilers in the user's cache, those of other releases included."""
    return Installed(toolchain_folder(cache_dir), "the compiler")


def _check_path(cache_dir: Path) -> None:
    if not cache_dir.is_absolute() or any(sign in str(cache_dir) for sign in ":;$"):
        raise ToolchainError(
            f"the compiler cannot be installed under {str(cache_dir)!r}: LD_LIBRARY_PATH cannot "
            "name such a folder",
            "Set RECAM_CACHE_DIR to an absolute path without ':', ';' and '$'.",
        )


def status(
    cache_dir: Path, *, host: HostFacts | None = None, run: Run = process.run
) -> ToolchainStatus:
    """Return what is installed, and whether the compiler can run on this machine."""
    root = toolchain_root(cache_dir)
    manifest = _read_manifest(root)
    return ToolchainStatus(
        installed=find(cache_dir, run) is not None,
        path=root,
        version=TPU_MLIR_VERSION,
        size=size_of(root),
        python=manifest.get("python") if manifest else None,
        obstacle=obstacle(host or host_facts()),
    )


def remove(cache_dir: Path) -> int:
    """Remove every installed compiler, those of other releases included; return the bytes freed.

    Raises ToolchainError when another process is installing one.
    """
    return installed(cache_dir).remove()
