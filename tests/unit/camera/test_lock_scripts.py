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

from recam_deploy.camera.exit_codes import ExitCode
from recam_deploy.ssh.command import load

HOLD = load("lock_hold")
JOIN = load("lock_join") + "\n"

Process = subprocess.Popen[str]


class Shell:
    """Starts lock scripts in one shell, and ends them all."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._processes: list[Process] = []

    def start(self, script: str, *arguments: str | Path, path: Path | None = None) -> Process:
        """`path` holds programs that go before those of the system."""
        command = [*self._words, "-c", script, "sh", *map(str, arguments)]
        pipe = subprocess.PIPE
        search = f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]
        process = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env=os.environ | {"PATH": search},
        )
        self._processes.append(process)
        return process

    def hold(self, folder: Path, owner: str = "anna") -> Process:
        return self.start(HOLD, folder, "N", owner, "deploying", "60")

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
    assert other.returncode == ExitCode.LOCK_BUSY
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
    other = shell.hold(tmp_path)
    assert verdict(other)[1] == "busy"
    other.communicate()
    joined.communicate()
    assert verdict(shell.hold(tmp_path))[1] == "held"


# Waits when it is asked for the second time whether a process runs.
SLOW_CAT = """#!/bin/sh
case $1 in
/proc/{pid}/stat)
    if ! mkdir {folder}/asked 2>/dev/null; then
        mkdir {folder}/looks
        while [ ! -e {folder}/go ]; do sleep 0.02; done
    fi ;;
esac
exec {cat} "$@"
"""


def test_who_joins_while_another_looks_around_keeps_the_lock(shell: Shell, tmp_path: Path) -> None:
    holder = shell.hold(tmp_path / "work")
    claim = verdict(holder)[2]
    slow = tmp_path / "slow"
    slow.mkdir()
    program = SLOW_CAT.format(pid=holder.pid, folder=slow, cat=shutil.which("cat"))
    (slow / "cat").write_text(program)
    (slow / "cat").chmod(0o755)
    other = shell.start(HOLD, tmp_path / "work", "N", "bert", "deploying", path=slow)
    deadline = time.monotonic() + 10
    while not (slow / "looks").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    joined = shell.start(JOIN + "echo joined; read -r _", tmp_path / "work", claim)
    assert verdict(joined) == ["joined"]
    holder.kill()
    holder.communicate()
    (slow / "go").touch()
    assert verdict(other)[1] == "busy"
    joined.communicate()


def test_a_script_that_cannot_put_down_a_claim_does_nothing(shell: Shell, tmp_path: Path) -> None:
    holder = shell.hold(tmp_path / "work")
    claim = verdict(holder)[2]
    (tmp_path / "cp").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "cp").chmod(0o755)
    script = JOIN + f"touch '{tmp_path}/ran'"
    late = shell.start(script, tmp_path / "work", claim, path=tmp_path)
    late.communicate()
    assert late.returncode == 1
    assert not (tmp_path / "ran").exists()


def test_a_script_whose_owner_is_gone_does_nothing(shell: Shell, tmp_path: Path) -> None:
    holder = shell.hold(tmp_path)
    claim = verdict(holder)[2]
    holder.kill()
    holder.communicate()
    for _ in range(2):
        late = shell.start(JOIN + f"touch '{tmp_path}/ran'", tmp_path, claim)
        late.communicate()
        assert late.returncode == ExitCode.LOCK_BUSY
        assert not (tmp_path / "ran").exists()
        verdict(shell.hold(tmp_path))  # takes the lock of the dead, and its claim away


def test_nothing_is_written_through_a_link(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    for folder in (tmp_path / "link", tmp_path / "link/work"):
        assert shell.hold(folder).communicate() == ("N linked\n", "")
    assert not list((tmp_path / "outside").iterdir())


def test_a_folder_that_is_not_ours_is_told(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert shell.hold(tmp_path / "file" / "deep").communicate() == ("N closed\n", "")


def test_why_a_claim_could_not_be_put_down_is_told(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "mv").write_text("#!/bin/sh\necho No space left on device >&2\nexit 1\n")
    (tmp_path / "mv").chmod(0o755)
    failed = shell.start(HOLD, tmp_path / "work", "N", "anna", "deploying", path=tmp_path)
    assert failed.communicate() == ("N failed\nNo space left on device\n", "")
    assert not list((tmp_path / "work").iterdir())


def test_a_holder_that_hears_nothing_gives_up(shell: Shell, tmp_path: Path) -> None:
    if not shutil.which("timeout"):
        pytest.skip("timeout is not installed")
    holder = shell.start(HOLD, tmp_path, "N", "anna", "deploying", "1")
    assert verdict(holder)[1] == "held"
    deadline = time.monotonic() + 10
    while holder.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []
