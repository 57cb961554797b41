"""What is printed obeys nobody but us, whoever made the names in it."""

from __future__ import annotations

import pytest

from recam_deploy.terminal import Terminal, one_line

HOSTILE = "a\x1b]0;title\x07\x9b31m\u202e\udce9 b"
HARMLESS = r"a\x1b]0;title\x07\x9b31m\u202e\udce9 b"


def test_no_terminal_obeys_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(as_json=False)
    terminal.result({}, [HOSTILE, "two\nlines"])
    terminal.table(HOSTILE, ["name"], [[HOSTILE]])
    terminal.warn(HOSTILE)
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{HARMLESS}\ntwo\nlines\n")
    assert not set(HOSTILE) - set("\n" + HARMLESS) & set(shown.out + shown.err)


def test_one_line_is_one_line() -> None:
    assert one_line(f" {HOSTILE} \n\n two ") == f"{HARMLESS} two"
