"""Exporters' environments: installed whole or not at all, with hashes, CPU builds first."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted import secret
from toolchain.fakes import FakeRun, Recorder, completed

from recam_deploy.errors import ToolchainError
from recam_deploy.frameworks.environments import (
    TFLITE,
    TORCH,
    ensure,
    exporter_environment,
    find,
    remove,
    root,
    status,
)
from recam_deploy.process import Completed


class FakeUv:
    """What uv does on the disk; commands with one of the words `fail` do not succeed."""

    def __init__(self, *fail: str) -> None:
        self.fail = fail

    def __call__(self, words: tuple[str, ...]) -> Completed:
        if any(word in words for word in self.fail):
            return completed(1, output="error: error sending request for url")
        if "venv" in words:
            python = Path(words[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.touch()
        elif "pip" not in words and not Path(words[0]).is_file():
            return completed(127)
        return completed()


def test_packages_come_by_their_hashes_and_torch_as_its_cpu_build(tmp_path: Path) -> None:
    run = FakeRun(FakeUv())
    python = ensure(tmp_path, TORCH, Recorder(), environ={}, run=run)
    assert python.is_file()
    locked, torch = run.commands("install")
    assert {"--no-deps", "--require-hashes", str(TORCH.lock_path)} <= set(locked)
    assert torch[-4:] == ("--torch-backend", "cpu", "torch==2.13.0", "torchvision==0.28.0")


def test_every_package_of_the_locks_has_a_hash() -> None:
    for environment in (TORCH, TFLITE):
        entries = environment.lock_path.read_text().replace("\\\n", " ").splitlines()
        packages = [line for line in entries if line and not line.startswith("#")]
        assert len(packages) > 10
        assert all("==" in line and "--hash=sha256:" in line for line in packages)


def test_sizes_are_told_before_anything_is_downloaded(tmp_path: Path) -> None:
    progress = Recorder()
    with pytest.raises(ToolchainError):
        ensure(tmp_path, TFLITE, progress, environ={}, run=FakeRun(FakeUv("venv")))
    assert "GB to download" in progress.titles[0]


def test_where_there_is_no_cpu_build_the_index_is_asked_and_that_is_said(tmp_path: Path) -> None:
    run, progress = FakeRun(FakeUv("--torch-backend")), Recorder()
    ensure(tmp_path, TORCH, progress, environ={}, run=run)
    assert run.commands("install")[-1][-2:] == ("torch==2.13.0", "torchvision==0.28.0")
    assert "--torch-backend" not in run.commands("install")[-1]
    assert any("3 GB" in title for title in progress.titles)


def test_it_is_installed_once(tmp_path: Path) -> None:
    run = FakeRun(FakeUv())
    first = ensure(tmp_path, TFLITE, Recorder(), environ={}, run=run)
    assert ensure(tmp_path, TFLITE, Recorder(), environ={}, run=run) == first
    assert len(run.commands("install")) == 1


@pytest.mark.parametrize("step", ["venv", "--require-hashes", "-c"])
def test_a_failed_installation_leaves_nothing_that_counts(tmp_path: Path, step: str) -> None:
    with pytest.raises(ToolchainError):
        ensure(tmp_path, TFLITE, Recorder(), environ={}, run=FakeRun(FakeUv(step)))
    assert [path.name for path in (tmp_path / "frameworks").iterdir()] == [".lock"]
    again = FakeRun(FakeUv())
    assert ensure(tmp_path, TFLITE, Recorder(), environ={}, run=again).is_file()


def test_an_environment_of_another_lock_does_not_count(tmp_path: Path) -> None:
    run = FakeRun(FakeUv())
    ensure(tmp_path, TFLITE, Recorder(), environ={}, run=run)
    manifest = root(tmp_path, TFLITE) / "environment.json"
    manifest.write_text(manifest.read_text().replace(TFLITE.digest, "0" * 64))
    assert find(tmp_path, TFLITE, run) is None


def test_status_and_removal(tmp_path: Path) -> None:
    assert not any(found.installed for found in status(tmp_path))
    ensure(tmp_path, TFLITE, Recorder(), environ={}, run=FakeRun(FakeUv()))
    assert {found.name: found.installed for found in status(tmp_path)} == {
        "torch": False,
        "tflite": True,
    }
    assert remove(tmp_path) > 0
    assert not any(found.installed for found in status(tmp_path))


def test_a_models_own_code_gets_none_of_the_users_secrets(tmp_path: Path) -> None:
    base = {
        "RECAM_PASSWORD": secret("a password in the environment"),
        "HOME": "/home/me",
        "SSH_AUTH_SOCK": "/s",
        "LANG": "C.UTF-8",
    }
    given = exporter_environment(tmp_path, base)
    assert not {"RECAM_PASSWORD", "SSH_AUTH_SOCK"} & set(given)
    assert (given["HOME"], given["LANG"]) == (str(tmp_path), "C.UTF-8")
