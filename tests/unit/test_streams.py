"""What is printed reaches any terminal, pipe or log: case 10, and COLUMNS=1."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from recam_deploy.cli.streams import correct_size

MODEL = Path(__file__).parents[1] / "models" / "yolo11-shapes-192.onnx"
RECAM = (sys.executable, "-m", "recam_deploy")
C_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
NOT_UTF8 = (
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1:strict"},
    {"PYTHONIOENCODING": "cp437"},
    C_LOCALE,
)

ALL_HELP = """
import typer
from recam_deploy.cli.streams import prepare_streams
prepare_streams()
from recam_deploy.cli.main import app
group = typer.main.get_group(app)
context = group.make_context("recam", ["--version-less"], resilient_parsing=True)
def show(command, words):
    try:
        app([*words, "--help"], prog_name="recam")
    except SystemExit as end:
        assert not end.code, words
    for name in getattr(command, "commands", ()):
        show(command.resolve_command(context, [name])[1], [*words, name])
show(group, [])
"""


def _recam(
    *words: str | bytes, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*RECAM, *words],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("env", NOT_UTF8[::3], ids=str)
def test_every_help_can_be_read_in_any_encoding_case_10(env: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALL_HELP],
        env={**os.environ, **env},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    text = done.stdout.decode("ascii")
    assert text.count("Usage:") > 20
    assert "..." in text
    assert "Traceback" not in text


@pytest.mark.parametrize("env", NOT_UTF8, ids=str)
def test_results_and_errors_keep_their_exit_code_in_any_encoding_case_10(
    env: Mapping[str, str],
) -> None:
    shown = _recam("inspect", str(MODEL), env=env)
    assert shown.returncode == 0, shown.stderr
    assert b"192" in shown.stdout
    missing = _recam("inspect", "nowhere/\u65e5\u672c\u2026\u00d7.onnx", env=env)
    assert missing.returncode == 1
    assert missing.stderr.startswith(b"error: nowhere/")
    assert b"Traceback" not in missing.stderr


@pytest.mark.parametrize("env", NOT_UTF8, ids=str)
def test_json_is_ascii_where_the_encoding_is_not_utf_8_case_10(env: Mapping[str, str]) -> None:
    done = _recam("inspect", b"nowhere \xff \xc3\x97.onnx", "--json", env=env)
    assert done.returncode == 1
    message = json.loads(done.stdout.decode("ascii"))["error"]["message"]
    assert message.startswith("nowhere \udcff ")


def test_a_wrong_command_line_keeps_its_exit_code_in_any_encoding_case_10() -> None:
    done = _recam(b"no-such-\xff-\xe6\x97\xa5", env=C_LOCALE)
    assert done.returncode == 2
    assert b"No such command" in done.stderr


def test_json_is_utf_8_elsewhere_case_10() -> None:
    env = {"PYTHONIOENCODING": "utf-8:strict"}
    done = _recam("inspect", "nowhere \u00d7.onnx", "--json", env=env)
    assert "nowhere \u00d7.onnx" in done.stdout.decode("utf-8")


@pytest.mark.parametrize("env", [*NOT_UTF8, {"TERM": "dumb"}, {"TERM": ""}], ids=str)
def test_progress_on_a_terminal_of_any_encoding_case_10(
    env: Mapping[str, str], tmp_path: Path
) -> None:
    script = (
        "from recam_deploy.cli.streams import prepare_streams; prepare_streams()\n"
        "from recam_deploy.terminal import Terminal\n"
        "t = Terminal(as_json=False)\n"
        "with t.step('Measuring \u00d7', 'MiB') as step:\n"
        "    step.update(1, 2, note='layer \u65e5 \u2026')\n"
        "with t.live('live \u2026') as screen:\n"
        "    screen.show('\u00d7', [('caf\u00e9', '0.9', '1\u00d72')])\n"
    )
    file = tmp_path / "script.py"
    file.write_text(script, encoding="utf-8")
    code, shown = _on_terminal([sys.executable, str(file)], env)
    assert code == 0, shown
    assert b"Measuring" in shown
    assert b"Traceback" not in shown


def _on_terminal(words: list[str], env: Mapping[str, str]) -> tuple[int, bytes]:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        words, env={**os.environ, **env}, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # what Linux says at the end
            pass
        os.close(ours)
    return process.returncode, shown


@pytest.mark.parametrize("words", [("inspect", str(MODEL)), ("--help",)])
@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", ">&0"])
def test_closed_full_and_broken_outputs_end_without_a_traceback(
    words: tuple[str, ...], redirection: str
) -> None:
    read, write = os.pipe()
    os.close(read)  # what is written to stdin, `>&0`, has no reader
    command = " ".join(f"'{word}'" for word in (*RECAM, *words))
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {command} {redirection}"],
        stdin=write,
        capture_output=True,
        check=False,
        timeout=60,
    )
    os.close(write)
    assert done.returncode == int(redirection in (">/dev/full", ">&0")), done
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert done.stdout or redirection != "2>&-"


def test_a_full_output_says_so_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*RECAM, "inspect", str(MODEL), "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr == b"error: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("size", ["1", "10", "0", "-3", "", "wide", "\u00b2", "9" * 30])
def test_a_size_of_no_terminal_is_ignored(size: str) -> None:
    """Found on the way: COLUMNS=1 of some CI systems made tables one letter wide."""
    environment = {"COLUMNS": size, "LINES": size, "TERMINAL_WIDTH": size, "HOME": "/"}
    correct_size(environment)
    assert environment.get("COLUMNS") in (None, "80")
    assert "TERMINAL_WIDTH" not in environment
    assert environment.get("LINES", "10") == "10"


def test_a_usual_size_is_kept() -> None:
    environment = {"COLUMNS": "120", "LINES": "50", "TERMINAL_WIDTH": "100"}
    correct_size(environment)
    assert environment == {"COLUMNS": "120", "LINES": "50", "TERMINAL_WIDTH": "100"}


def test_tables_are_readable_at_columns_1() -> None:
    done = _recam("inspect", str(MODEL), env={"COLUMNS": "1", "TERMINAL_WIDTH": "x"})
    assert done.returncode == 0
    assert max(map(len, done.stdout.decode().splitlines())) >= 60
