"""Programs are started without a shell and end with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recam_deploy import process
from recam_deploy.errors import ProcessError


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_exit_code_and_log_are_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    done = process.run(
        python("import sys; print('one\\rtwo'); print('bad', file=sys.stderr); sys.exit(3)"),
        on_line=lines.append,
        log=tmp_path / "log",
    )
    assert (done.returncode, done.stdout) == (3, "one\rtwo\n")
    assert sorted(lines) == ["bad", "one", "two"]
    assert b"bad" in (tmp_path / "log").read_bytes()
    assert "bad" in done.output


def test_bytes_that_are_no_text_do_no_harm() -> None:
    done = process.run(python("import os; os.write(1, b'a\\xff\\xfeb')"))
    assert done.stdout == "a\\xff\\xfeb"


def test_words_reach_the_program_as_they_are() -> None:
    odd = "a b; $(touch x) \n 'q'"
    done = process.run([*python("import sys; print(repr(sys.argv[1]))"), odd])
    assert done.stdout.strip() == repr(odd)


@pytest.mark.parametrize(
    "variable",
    [
        "RECAM_PASSWORD",
        "RECAM_PASSWORD_PORCH",
        "RECAM_NODERED_PASSWORD",
        "RECAM_NODE_RED_TOKEN",
        "RECAM_NODERED_TOKEN_PORCH",
    ],
)
def test_no_program_is_given_a_secret(variable: str) -> None:
    shows = python("import os; print(*os.environ)")
    done = process.run(shows, env=os.environ | {variable: "s3cret", "RECAM_HOST": "porch"})
    assert "RECAM_HOST" in done.stdout.split()
    assert variable not in done.stdout.split()


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ProcessError, match="no-such-program could not be started"):
        process.run(["no-such-program"])


def ended(pid: int) -> bool:
    """Whether a process is gone, or only waits to be reaped by init."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_timeout_ends_the_program_and_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    script = 'sleep 60 & echo $! > "$1.new"; mv "$1.new" "$1"; wait'
    for timeout in (0.2, 1.0, 5.0):  # until the child has begun by then
        with pytest.raises(ProcessError, match="did not finish within"):
            process.run(["sh", "-c", script, "sh", child], timeout=timeout)
        if child.exists():
            break
    assert ended(int(child.read_text()))


def test_a_detached_program_outlives_the_call_and_is_seen_to_end(tmp_path: Path) -> None:
    pid = process.start_detached(
        python("print('up', flush=True); import time; time.sleep(60)"),
        cwd=tmp_path,
        env=os.environ,
        log=tmp_path / "log",
    )
    deadline = time.monotonic() + 10
    while (tmp_path / "log").read_text() != "up\n" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not process.has_ended(pid)
    process.end_group(pid)
    assert ended(pid)


STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_a_second_ctrl_c_leaves_no_program_behind(tmp_path: Path) -> None:
    """The first asks politely, and waits; who is impatient must not be left with an orphan."""
    caller = (
        "import sys; from recam_deploy import process\n"
        "process.run([sys.executable, '-c', sys.argv[1]], on_line=lambda l: print(l, flush=True))"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", caller, STUBBORN],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGINT)
    time.sleep(0.5)
    parent.send_signal(signal.SIGINT)
    parent.wait(10)
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    left = Path(f"/proc/{child}").exists()
    if left:
        os.kill(child, signal.SIGKILL)
    assert not left


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_listener_that_fails_does_not_stop_the_program() -> None:
    """Its pipe would fill, and it would wait for ever."""

    def fail(line: str) -> None:
        raise ValueError(line)

    code = "print(('x' * 99 + chr(10)) * 5000); print('end')"
    done = process.run(python(code), on_line=fail, timeout=20)
    assert done.tail(1) == "end"
