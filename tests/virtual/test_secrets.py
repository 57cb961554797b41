"""A password is nowhere but where it was put: no output, log, report, traceback, process list.

That holds for the tests as a whole: see tests/secrecy. Here the commands that use a password are
looked at closely: often, and at their environments too.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from planted import disguises, keep, secret
from recam_runs import DEMO, Run

pytestmark = pytest.mark.toolchain

SECRET = secret("a password with odd letters", " +&'\"$%")
WRONG = secret("a wrong password with odd letters", " +&'\"$%")
FORMS = {
    form
    for whole in (SECRET, WRONG)
    for forms in disguises(whole.partition(" ")[0]).values()
    for form in forms
}


def shows(data: bytes) -> bool:
    """Whether one of these two is in there, in whatever form."""
    return any(form in data for form in FORMS)


@dataclass
class Watcher:
    """Looks at every process of this machine, over and over, as `ps` would."""

    command_lines: set[bytes] = field(default_factory=set)
    environments: set[bytes] = field(default_factory=set)
    looks: int = 0

    def look(self) -> None:
        self.looks += 1
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes()
                if shows(words):
                    self.command_lines.add(words)
                secret_shows = shows((process / "environ").read_bytes())
                # A process that became another program meanwhile is looked at next time.
                if secret_shows and (process / "cmdline").read_bytes() == words:
                    self.environments.add(words)


@contextlib.contextmanager
def watching() -> Iterator[Watcher]:
    watcher, stop = Watcher(), threading.Event()

    def go() -> None:
        while not stop.wait(0.02):
            watcher.look()

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield watcher
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def patient(run: Run, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A camera whose password is SECRET, and its settings."""
    folder = tmp_path / "camera"
    started = run("virtual", "up", "--dir", folder, "--detach", "--json", cwd=tmp_path)
    assert started.code == 0, started.err
    keep(folder / "password", f"{SECRET}\n")
    yield folder, started.document["settings"]
    run("virtual", "down", "--dir", folder, cwd=tmp_path)


def commands(artifact: Path) -> list[list[str]]:
    picture = str(min((DEMO / "test").glob("*.jpg")))
    shown = [
        ["doctor"],
        ["deploy", str(artifact)],
        ["test", str(artifact), "--image", picture],
        ["flow", "push", "--yes"],
        ["flow", "show"],
        ["watch", "--count", "1"],
    ]
    return [*shown, *([*words, "--json"] for words in shown[:3])]


def test_no_command_lets_the_password_out(
    run: Run,
    environment: dict[str, str],
    patient: tuple[Path, str],
    artifact: Path,
    tmp_path: Path,
) -> None:
    folder, settings = patient
    work = tmp_path / "work"
    work.mkdir()
    said = b""
    with watching() as watcher:
        for password in (SECRET, WRONG):
            for words in commands(artifact):
                if password == WRONG and words[0] not in ("doctor", "deploy", "test"):
                    continue
                variables = {
                    "RECAM_PASSWORD": password,
                    "RECAM_SETTINGS": settings,
                    "RECAM_LOG": str(work / "transcript.log"),
                }
                with subprocess.Popen(
                    [sys.executable, "-m", "recam_deploy", *words, "-v"],
                    cwd=work,
                    env=environment | variables,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                ) as process:
                    out = process.communicate(timeout=300)[0]
                said += out
                assert (process.returncode == 0) is (password == SECRET), out.decode()
    assert watcher.looks > 50
    assert not shows(said)
    transcript = (work / "transcript.log").read_bytes()
    assert b"logging in by password" in transcript
    assert b"switch.sh" in transcript
    assert not shows(transcript)
    assert watcher.command_lines == set()
    # It is in the environment of the commands that were given it, and of nothing they started.
    assert watcher.environments
    assert [words for words in watcher.environments if b"\0-m\0recam_deploy\0" not in words] == []
    log = (folder / "virtual.log").read_text()
    # The camera masks its password in its log: there was nothing to mask.
    assert "command " in log
    assert "***" not in log
    assert files_that_show([folder, work, Path(environment["HOME"])]) == {folder / "password"}


def files_that_show(folders: list[Path]) -> set[Path]:
    """The files below these folders that hold a password; links are not followed."""
    found = set()
    for folder in folders:
        for place, _, names in os.walk(folder):
            for path in (Path(place) / name for name in names):
                if path.is_file() and not path.is_symlink() and shows(path.read_bytes()):
                    found.add(path)
    return found


BUG = """
import sys
from pydantic import SecretStr
from recam_deploy.cli.error_handler import bounded
from recam_deploy.settings import load_settings

@bounded
def command():
    camera = load_settings().camera
    plain = camera.password.get_secret_value()
    raise RuntimeError(f"cannot use {camera!r}")

command()
"""


def test_the_log_of_a_bug_shows_no_password(environment: dict[str, str], tmp_path: Path) -> None:
    transcript = tmp_path / "transcript.log"
    done = subprocess.run(
        [sys.executable, "-c", BUG],
        cwd=tmp_path,
        env=environment
        | {"RECAM_PASSWORD": SECRET, "HOME": str(tmp_path), "RECAM_LOG": str(transcript)},
        capture_output=True,
        check=False,
    )
    logs = list(tmp_path.rglob("bug-*.log"))
    assert len(logs) == 1
    assert b"cannot use" in logs[0].read_bytes()
    assert logs[0].stat().st_mode & 0o077 == 0
    assert b"cannot use" in transcript.read_bytes()
    assert not shows(done.stdout + done.stderr + logs[0].read_bytes() + transcript.read_bytes())
