"""Find the camera's test binary `sscma-model`: the user's, a downloaded one, or the camera's.

Seeed's guide links a prebuilt one in jjjadand/yolov5_Test_reCamera. It may not be shipped with
recam, so it is downloaded into the cache on demand, and its hash is checked.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...artifact import sha256_of
from ...errors import InputError, ProcessError, RecamError
from ...files import copy_atomically
from ...folders import expanded
from ...process import run
from ...progress import Progress

REPOSITORY = "https://github.com/jjjadand/yolov5_Test_reCamera"
PATH_IN_REPOSITORY = Path("solutions/sscma-model/build/sscma-model")
# The file at that path at the newest commit known, 65b47ba of 2024-12-23; 434552 bytes.
PINNED_SHA256 = "77c4348952c9a393d86a98679f23ae45617fd402209b7a25c8a09cc887e5fa68"

_CLONE_SECONDS = 600.0
_SIZE_LIMIT = 64 << 20
_RISCV = 243  # e_machine in the ELF header (RISC-V ELF psABI specification)


@dataclass(frozen=True)
class RunnerBinary:
    """A test binary on this machine; `origin` says for messages where it comes from."""

    path: Path
    sha256: str
    origin: str

    def as_json(self) -> dict[str, Any]:
        """Return the document of `runner fetch --json`."""
        return {"path": str(self.path), "sha256": self.sha256, "origin": self.origin}


@dataclass(frozen=True)
class RunnerSource:
    """The binary for a test: `wanted` replaces the camera's, `spare` is used where it has none.

    With neither, the camera must have one.
    """

    wanted: RunnerBinary | None = None
    spare: RunnerBinary | None = None

    def to_upload(self, on_camera: str | None) -> RunnerBinary | None:
        """Return the binary to upload, if any, given the sha256 of the camera's, if any."""
        if self.wanted:
            return self.wanted if self.wanted.sha256 != on_camera else None
        return self.spare if on_camera is None else None


def find_runner(path: Path | None, cache_dir: Path) -> RunnerSource:
    """Return the binary `path`, or as a spare the one that `fetch` left in the cache.

    Raises InputError when `path` is no program for the camera.
    """
    if path:
        return RunnerSource(wanted=read_runner(expanded(path), str(path)))
    cached = cached_runner(cache_dir)
    return RunnerSource(spare=read_runner(cached, "fetched earlier") if cached.is_file() else None)


def cached_runner(cache_dir: Path) -> Path:
    """Return the path of the binary that `fetch` downloads."""
    return cache_dir / "runner" / "sscma-model"


def read_runner(path: Path, origin: str) -> RunnerBinary:
    """Check that `path` is a RISC-V 64 program, or a script (`#!`), and hash it.

    Raises InputError otherwise.
    """
    try:
        with path.open("rb") as file:
            head = file.read(20)
            size = os.fstat(file.fileno()).st_size
        digest = sha256_of(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}",
            "Give the sscma-model binary, or fetch one with `recam runner fetch`.",
        ) from error
    if size > _SIZE_LIMIT:
        raise InputError(
            f"{path} is too large for the camera ({size} bytes)", "Give the sscma-model binary."
        )
    if not head.startswith(b"#!") and not _is_riscv64(head):
        raise InputError(
            f"{path} is no program for the camera: it must be an ELF for 64-bit RISC-V",
            "Give the sscma-model binary built for the camera, or run `recam runner fetch`.",
        )
    return RunnerBinary(path, digest, origin)


def _is_riscv64(head: bytes) -> bool:
    little_endian_64 = head[:6] == b"\x7fELF\x02\x01"
    return little_endian_64 and int.from_bytes(head[18:20], "little") == _RISCV


def fetch(
    cache_dir: Path,
    progress: Progress,
    *,
    repository: str = REPOSITORY,
    expected_sha256: str | None = PINNED_SHA256,
) -> RunnerBinary:
    """Clone the guide's repository, check its binary, and keep that in the cache.

    With `expected_sha256` None, any RISC-V program is accepted. Raises ProcessError when git is
    missing or fails, RecamError when the file is another one; the cache stays as it was then.
    """
    target = cached_runner(cache_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        progress.step(f"Fetching sscma-model from {repository}") as step,
        tempfile.TemporaryDirectory(dir=target.parent, prefix=".clone-") as folder,
    ):
        clone = Path(folder) / "repository"
        command = ("git", "clone", "--depth", "1", "--progress", "--", repository, str(clone))
        environment = os.environ | {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
        done = run(
            command,
            env=environment,
            timeout=_CLONE_SECONDS,
            on_line=lambda line: step.update(note=line[:60]),
        )
        if done.returncode != 0:
            raise ProcessError(
                f"git could not clone {repository}: {done.tail(1)}",
                "Check the network, or give the binary with --runner.",
            )
        binary = _checked_binary(clone, repository, expected_sha256)
        copy_atomically(binary.path, target)
    progress.say(f"sscma-model is in {target} (sha256 {binary.sha256})")
    return RunnerBinary(target, binary.sha256, repository)


def _checked_binary(clone: Path, repository: str, expected: str | None) -> RunnerBinary:
    path = clone / PATH_IN_REPOSITORY
    if path.is_symlink() or not path.is_file():
        raise RecamError(
            f"{repository} has no {PATH_IN_REPOSITORY}",
            "The repository has changed; give the binary with --runner.",
        )
    binary = read_runner(path, repository)
    if expected is not None and binary.sha256 != expected:
        raise RecamError(
            f"the sscma-model of {repository} is not the one known: sha256 {binary.sha256}, "
            f"expected {expected}",
            "It may be a newer build: look at the repository before you trust it.",
        )
    return binary
