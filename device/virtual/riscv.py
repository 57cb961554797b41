"""Find RISC-V programs in commands, so that the virtual ``sscma-model`` plays them.

The host's kernel cannot run a RISC-V ELF file. Where a command names one as the
program to run, the loader script is put in front of it. That works for a program named
by path, also behind ``env``, ``nice``, ``nohup``, ``timeout``, ``exec`` and variable
assignments, in any simple command of a shell line; not for one found through PATH, in
a script file, or in a command that the shell computes.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

EM_RISCV = 243

_KEYWORDS = frozenset({"exec", "then", "do", "else", "if", "elif", "while", "until", "{", "!"})
_WRAPPERS = frozenset({"env", "nice", "nohup", "timeout", "time", "stdbuf"})
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_DURATION = re.compile(r"\d+(\.\d+)?[smhd]?\Z")
_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)|(?P<operator>[;&|()\n]+)|"""
    r"""(?P<word>(?:[^\s;&|()'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)|(?P<other>.)""",
    re.DOTALL,
)


def is_riscv(path: Path) -> bool:
    """Tell a RISC-V ELF file by its header."""
    try:
        with path.open("rb") as stream:
            header = stream.read(20)
    except (OSError, ValueError):
        return False
    return (
        len(header) == 20
        and header.startswith(b"\x7fELF")
        and int.from_bytes(header[18:20], "little") == EM_RISCV
    )


def _skippable(word: str, wrapped: bool) -> bool:
    """Tell what may stand before the program: an assignment, a wrapper, its options."""
    if word in _KEYWORDS or word in _WRAPPERS or _ASSIGNMENT.match(word):
        return True
    return wrapped and (word.startswith("-") or bool(_DURATION.match(word)))


def _plays(word: str, folder: Path) -> bool:
    """Tell whether to play it; without the execute bit it fails by itself, as on the camera."""
    return "/" in word and os.access(folder / word, os.X_OK) and is_riscv(folder / word)


def in_arguments(arguments: Sequence[str], folder: Path, loader: Path) -> list[str]:
    """Return an argument vector that runs: the loader before a RISC-V program."""
    result = list(arguments)
    wrapped = False
    for index, word in enumerate(result):
        if _plays(word, folder):
            result.insert(index, str(loader))
            break
        if word in ("sh", "/bin/sh") and result[index + 1 : index + 2] == ["-c"]:
            result[index + 2 : index + 3] = [
                in_shell(text, folder, loader) for text in result[index + 2 : index + 3]
            ]
            break
        if not _skippable(word, wrapped):
            break
        wrapped = wrapped or word in _WRAPPERS
    return result


def _unquoted(word: str) -> str:
    try:
        parts = shlex.split(word)
    except ValueError:
        return word
    return parts[0] if len(parts) == 1 else word


def in_shell(line: str, folder: Path, loader: Path) -> str:
    """Return a shell line that runs: the loader before every RISC-V program it starts.

    ``cd`` to a plain folder is followed.
    """
    result: list[str] = []
    expecting, wrapped, entering = True, False, False
    for match in _TOKEN.finditer(line):
        text = match.group()
        if match.lastgroup == "operator":
            expecting, wrapped, entering = True, False, False
        elif match.lastgroup == "word":
            word = _unquoted(text)
            if entering:
                folder, entering = folder / word, False
            elif expecting and word == "cd":
                expecting, entering = False, True
            elif expecting and _plays(word, folder):
                text = f"{shlex.quote(str(loader))} {text}"
                expecting = False
            elif expecting:
                expecting = _skippable(word, wrapped)
                wrapped = wrapped or word in _WRAPPERS
        result.append(text)
    return "".join(result)
