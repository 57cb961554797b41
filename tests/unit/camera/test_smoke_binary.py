"""Where the test binary comes from, and what is refused."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from recam_deploy.camera.smoke_test.binary import (
    PATH_IN_REPOSITORY,
    PINNED_SHA256,
    RunnerBinary,
    RunnerSource,
    cached_runner,
    fetch,
    find_runner,
    read_runner,
)
from recam_deploy.errors import InputError, ProcessError, RecamError
from recam_deploy.progress import SilentProgress

RISCV = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00" + bytes(44)
X86 = RISCV[:18] + b"\x3e\x00" + RISCV[20:]
SHA256 = hashlib.sha256(RISCV).hexdigest()


def make_repository(folder: Path, binary: bytes | None = RISCV) -> str:
    git = shutil.which("git")
    if not git:
        pytest.skip("git is not installed")
    folder.mkdir()
    (folder / "README.md").write_text("x")
    if binary is not None:
        (folder / PATH_IN_REPOSITORY).parent.mkdir(parents=True)
        (folder / PATH_IN_REPOSITORY).write_bytes(binary)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "x"]):
        subprocess.run([git, "-C", str(folder), *words], check=True)
    return f"file://{folder}"


def test_a_riscv_program_and_a_script_are_taken(tmp_path: Path) -> None:
    for content in (RISCV, b"#!/bin/sh\n"):
        path = tmp_path / "runner"
        path.write_bytes(content)
        found = find_runner(path, tmp_path / "cache").wanted
        assert found is not None
        assert found.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("content", [X86, b"", b"\x7fELF", RISCV[:4] + b"\x01" + RISCV[5:], b"x"])
def test_anything_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "runner"
    path.write_bytes(content)
    with pytest.raises(InputError, match="64-bit RISC-V"):
        read_runner(path, "test")


def test_a_missing_file_or_a_folder_is_an_input_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            find_runner(path, tmp_path)


def test_a_named_binary_replaces_another_and_a_fetched_one_only_fills_a_gap() -> None:
    binary = RunnerBinary(Path("x"), "a" * 64, "test")
    assert RunnerSource(wanted=binary).to_upload(None) is binary
    assert RunnerSource(wanted=binary).to_upload("b" * 64) is binary
    assert RunnerSource(wanted=binary).to_upload("a" * 64) is None
    assert RunnerSource(spare=binary).to_upload(None) is binary
    assert RunnerSource(spare=binary).to_upload("b" * 64) is None
    assert RunnerSource().to_upload(None) is None


def test_fetching_puts_the_checked_binary_into_the_cache(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    cache = tmp_path / "cache"
    binary = fetch(cache, SilentProgress(), repository=repository, expected_sha256=SHA256)
    assert binary.path == cached_runner(cache)
    assert binary.path.read_bytes() == RISCV
    spare = find_runner(None, cache).spare
    assert spare is not None
    assert spare.sha256 == SHA256
    assert [p.name for p in binary.path.parent.iterdir()] == ["sscma-model"]


def test_an_unexpected_binary_is_refused_unless_told_otherwise(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    cache = tmp_path / "cache"
    with pytest.raises(RecamError, match=f"{SHA256}, expected {PINNED_SHA256}"):
        fetch(cache, SilentProgress(), repository=repository)
    assert list(cached_runner(cache).parent.iterdir()) == []
    found = fetch(cache, SilentProgress(), repository=repository, expected_sha256=None)
    assert found.sha256 == SHA256


@pytest.mark.parametrize(("content", "message"), [(None, "has no"), (X86, "64-bit RISC-V")])
def test_a_repository_without_it_changes_nothing(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    repository = make_repository(tmp_path / "repository", content)
    with pytest.raises(RecamError, match=message):
        fetch(tmp_path, SilentProgress(), repository=repository, expected_sha256=None)
    assert find_runner(None, tmp_path).spare is None


def test_a_repository_that_is_not_there_is_a_process_error(tmp_path: Path) -> None:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    with pytest.raises(ProcessError, match="could not clone"):
        fetch(tmp_path, SilentProgress(), repository=f"file://{tmp_path}/none")
