"""The lock on the camera: exactly one holds it, the living keep it, the dead do not."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from shells import SHELLS

from recam_deploy.camera.lock import HOLD, JOIN, LOCK_BUSY, LOCK_NO_FOLDER

Process = subprocess.Popen[str]


class Shell:
    """Starts lock scripts in one shell, and ends them all."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._processes: list[Process] = []

    def start(self, script: str, *arguments: str | Path) -> Process:
        command = [*self._words, "-c", script, "sh", *map(str, arguments)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self._processes.append(process)
        return process

    def hold(self, folder: Path, owner: str = "anna") -> Process:
        return self.start(HOLD, folder, "N", owner, "deploying")

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> Iterator[Shell]:
    name, *rest = request.param.split()
    program = shutil.which(name)
    if not program:
        pytest.skip(f"{name} is not installed")
    found = Shell([program, *rest])
    yield found
    found.end()


def verdict(process: Process) -> list[str]:
    assert process.stdout
    return process.stdout.readline().split()


def test_the_lock_is_held_until_its_owner_falls_silent(shell: Shell, tmp_path: Path) -> None:
    holder = shell.hold(tmp_path / "work")
    assert verdict(holder)[:2] == ["N", "held"]
    other = shell.hold(tmp_path / "work", "bert")
    assert other.communicate() == ("N busy\nanna\ndeploying\n", "")
    assert other.returncode == LOCK_BUSY
    holder.communicate()
    assert holder.returncode == 0
    assert list((tmp_path / "work").iterdir()) == []
    assert verdict(shell.hold(tmp_path / "work"))[1] == "held"


def test_a_killed_holder_holds_nothing(shell: Shell, tmp_path: Path) -> None:
    holder = shell.hold(tmp_path)
    verdict(holder)
    holder.kill()
    holder.communicate()
    assert list(tmp_path.iterdir())
    (tmp_path / "lock.text.another.5.1").touch()
    again = shell.hold(tmp_path)
    assert verdict(again)[1] == "held"
    assert len(list(tmp_path.iterdir())) == 2


def test_of_many_that_ask_at_once_exactly_one_gets_it(shell: Shell, tmp_path: Path) -> None:
    for _ in range(3):
        askers = [shell.hold(tmp_path, f"asker-{number}") for number in range(6)]
        said = [verdict(asker)[1] for asker in askers]
        assert sorted(said) == ["busy"] * 5 + ["held"]
        for asker in askers:
            asker.communicate()
        assert list(tmp_path.iterdir()) == []


def test_a_script_joins_a_held_lock_and_keeps_it_when_the_owner_dies(
    shell: Shell, tmp_path: Path
) -> None:
    holder = shell.hold(tmp_path)
    claim = verdict(holder)[2]
    joined = shell.start(JOIN + 'echo "$1"; read -r _', tmp_path, claim, "argument")
    assert verdict(joined) == ["argument"]
    holder.communicate()
    assert verdict(shell.hold(tmp_path))[1] == "busy"
    joined.communicate()
    assert verdict(shell.hold(tmp_path))[1] == "held"


def test_a_script_whose_owner_is_gone_does_nothing(shell: Shell, tmp_path: Path) -> None:
    holder = shell.hold(tmp_path)
    claim = verdict(holder)[2]
    holder.kill()
    holder.communicate()
    late = shell.start(JOIN + "touch ran", tmp_path, claim)
    late.communicate()
    assert late.returncode == LOCK_BUSY
    assert not Path("ran").exists()


def test_a_folder_that_is_a_link_or_not_ours_is_told(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    through = shell.hold(tmp_path / "link")
    through.communicate()
    assert through.returncode == LOCK_NO_FOLDER
    if os.getuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        closed = shell.hold(tmp_path / "closed" / "deep")
        closed.communicate()
        assert closed.returncode == LOCK_NO_FOLDER


def test_a_holder_that_hears_nothing_gives_up(shell: Shell, tmp_path: Path) -> None:
    if not shutil.which("timeout"):
        pytest.skip("timeout is not installed")
    holder = shell.start(HOLD, tmp_path, "N", "anna", "deploying", "timeout", "1")
    assert verdict(holder)[1] == "held"
    deadline = time.monotonic() + 10
    while holder.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []
