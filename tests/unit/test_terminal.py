"""What is printed moves no cursor, whoever wrote it, and no bar hides a question."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from recam_deploy.settings import CameraSettings
from recam_deploy.terminal import Terminal
from recam_deploy.workflows.connect import password_source

HOSTILE = "name\x1b]0;owned\x07\x1b[2J\x9b1A\r\u202ereversed"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """One whose stderr takes itself for a terminal, with a person at it."""
    made = Terminal(as_json=False)
    screen = io.StringIO()
    made._err = Console(file=screen, force_terminal=True, width=80)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    return made


def test_lines_tables_and_errors_are_only_text(capsys: pytest.CaptureFixture[str]) -> None:
    made = Terminal(as_json=False)
    made.result({}, [HOSTILE])
    made.table(HOSTILE, ("a", "b"), [(HOSTILE, "two\nlines")])
    made.bug(HOSTILE, "log")
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert not set("\x1b\x07\x9b\r\u202e") & set(text)
    assert "\\x1b" in captured.out
    assert "lines" in captured.out.splitlines()[-2]


def test_names_in_any_script_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(as_json=False).result({}, ["  vélo 自転車\u00a0№ 1"])
    assert capsys.readouterr().out == "  vélo 自転車\u00a0№ 1\n"


def test_a_terminal_that_can_only_print_lines_gets_no_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    made = Terminal(as_json=False)
    screen = io.StringIO()
    made._err = Console(file=screen, force_terminal=True, width=80)
    made._shows_progress = True
    with made.step("Looking") as step:
        step.update(done=1, total=2)
    (line,) = screen.getvalue().splitlines()
    assert line.startswith("Looking … ")


def test_no_bar_is_drawn_over_a_question(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = terminal._err.file
    assert isinstance(screen, io.StringIO)
    drawn = []

    def typed_slowly(question: str) -> str:
        before = screen.tell()
        time.sleep(0.5)
        drawn.append(screen.getvalue()[before:])
        return "secret"

    monkeypatch.setattr("getpass.getpass", typed_slowly)
    ask = password_source(CameraSettings(host="h"), terminal)
    with terminal.step("Logging in"):
        answer = ask()
    assert answer is not None
    assert answer.get_secret_value() == "secret"
    assert drawn == [""]
    assert "Logging in" in screen.getvalue()
