"""Words reach the camera's programs as they are."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recam_deploy.errors import InputError
from recam_deploy.ssh.command import RemoteCommand, quote, quote_bytes, to_wire

AWKWARD = [
    "plain",
    "",
    "a b; touch CANARY",
    "$(touch CANARY)",
    "`touch CANARY`",
    "-rf",
    "new\nline",
    'it\'s "quoted" \\',
    "~ * ? [a] {b,c} & | > < ! #",
    "ä€",
    os.fsdecode(b"not-utf8-\xff\xfe"),
]
SHELL = str(shutil.which("sh"))


def through_a_shell(line: bytes) -> bytes:
    return subprocess.run([SHELL, "-c", line], capture_output=True, check=True).stdout


@pytest.mark.parametrize("word", AWKWARD)
def test_a_shell_reads_back_the_same_word(word: str) -> None:
    line = to_wire(f"printf %s {quote(word)}")
    assert through_a_shell(line) == os.fsencode(word)
    assert quote_bytes(os.fsencode(word)) == to_wire(quote(word))


@pytest.mark.parametrize("word", AWKWARD)
def test_a_script_gets_its_arguments_and_not_their_meaning(word: str) -> None:
    command = RemoteCommand.shell('printf "%s|" "$@"', word, word)
    line = to_wire(command.under("env", "A=b c").render())
    assert through_a_shell(line) == os.fsencode(f"{word}|{word}|")


@pytest.mark.parametrize("word", ["a\0b", "half of a character: \ud800"])
def test_what_no_command_line_can_hold_is_refused(word: str) -> None:
    with pytest.raises(InputError, match="holds a character that no name can"):
        RemoteCommand.of("echo", word).render()


def test_commands_are_called_by_their_program() -> None:
    tool = RemoteCommand.of(PurePosixPath("/opt/a b/tool"), "x")
    assert tool.name == "tool"
    assert RemoteCommand.shell("true").name == "a script of recam"
    assert tool.under("env", "A=b").named("tool").under("timeout", "5").name == "tool"


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_quoting_is_undone_by_splitting(words: list[str]) -> None:
    import shlex

    assert shlex.split(RemoteCommand.of("x", *words).render()) == ["x", *words]
