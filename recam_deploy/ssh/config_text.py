"""Read `~/.ssh/config` for one host: follow Include, and leave out what is not evaluated.

paramiko parses what is left. It has no Include, runs the program of `Match exec` through a shell,
and takes criteria of Match that it does not know for fulfilled.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

from ..errors import SettingsError
from ..folders import expanded

SIZE_LIMIT = 1 << 20
_DEEPEST = 16  # as in OpenSSH
_MOST_LINES = 20_000
_LINE = re.compile(r"(\w+)(?:\s*=\s*|\s+)(.+)")
_WITH_VALUE = ("host", "localuser", "originalhost", "user")
_WITHOUT_VALUE = ("all", "canonical", "final")
# Options of one word, and of several; the others are left as they are written.
_ONE_WORD = (
    *("hostname", "user", "port", "identityfile", "identitiesonly", "identityagent"),
    *("hostkeyalias", "stricthostkeychecking", "proxyjump"),
)
_SOME_WORDS = ("userknownhostsfile",)
_NEVER = "Host !*"
_ALWAYS = "Host *"

IsActive = Callable[[list[str]], bool]
"""Whether the last `Host` or `Match` line of a config applies to the host that is looked up."""


def read_config(path: Path, is_active: IsActive) -> list[str]:
    """Return the lines of a config file, with its included files in their places.

    Raises SettingsError, with file and line, when one cannot be read or understood.
    """
    lines: list[str] = []
    _read(path, path.parent, lines, is_active, 0)
    return lines


def malformed(path: Path, reason: str) -> SettingsError:
    """Return the error for a config file that `ssh` would refuse too."""
    return SettingsError(
        f"{path} cannot be used: {reason}",
        "Correct it (`ssh -G NAME` shows what ssh reads there).",
    )


def split_words(value: str) -> list[str]:
    """Split a value at blanks outside of quotes. Raises ValueError for an open quote."""
    return shlex.split(value)


def _read(path: Path, folder: Path, lines: list[str], is_active: IsActive, depth: int) -> None:
    if depth > _DEEPEST:
        raise malformed(path, f"more than {_DEEPEST} files include each other")
    lines.append(_ALWAYS)
    in_block = False
    for number, line in enumerate(_text(path).splitlines(), 1):
        text = _bare(line)
        if not text:
            continue
        found = _LINE.fullmatch(text)
        if not found:
            raise malformed(path, f"line {number} has no value")
        key, value = found[1].lower(), found[2]
        try:
            words = split_words(value) if key in ("host", "match", "include") else []
            text = _requoted(found, text)
        except ValueError:
            raise malformed(path, f"a quote is left open in line {number}") from None
        if key == "include":
            if not in_block or is_active(lines):
                for one in _included(words, folder):
                    _read(one, folder, lines, is_active, depth + 1)
                lines.append(_ALWAYS)
                in_block = False
        else:
            in_block = in_block or key in ("host", "match")
            lines.append(_match(words, path, number) if key == "match" else text)
        if len(lines) > _MOST_LINES:
            raise malformed(path, f"it has more than {_MOST_LINES} lines with the files included")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise malformed(path, error.strerror or str(error)) from error
    if len(data) > SIZE_LIMIT:
        raise malformed(path, f"it is larger than {SIZE_LIMIT} bytes")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise malformed(path, "it is UTF-16, as PowerShell writes it; save it as UTF-8")
    return data.decode("utf-8-sig", errors="surrogateescape")


def _bare(line: str) -> str:
    """Return a line without blanks around it and without a comment."""
    text = line.strip()
    quote, before = "", " "
    for place, character in enumerate(text):
        if character == "#" and not quote and before.isspace():
            return text[:place].rstrip()
        if character in "\"'" and quote in ("", character):
            quote = "" if quote else character
        before = character
    return text


def _requoted(found: re.Match[str], text: str) -> str:
    """Return a line with its quotes as paramiko reads them: one pair of `"`, around the whole.

    Raises ValueError for an open quote.
    """
    key, value = found[1], found[2]
    if key.lower() in _SOME_WORDS:
        return f"{key} {shlex.join(split_words(value))}"
    if key.lower() in _ONE_WORD and "'" in value:
        words = split_words(value)
        return f'{key} "{words[0]}"' if len(words) == 1 else text
    return text


def _included(patterns: list[str], folder: Path) -> list[Path]:
    """Return the files that an Include names; a relative path is below `folder`, `~/.ssh`."""
    found: list[Path] = []
    for pattern in patterns:
        whole = folder / expanded(Path(pattern))
        try:
            found += sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))))
        except (OSError, ValueError):
            continue  # as for ssh: what is not there is not included
    return [path for path in found if _is_file(path)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _halves(word: str) -> list[str]:
    name, mark, value = word.partition("=")
    known = mark and name.removeprefix("!").lower() in _WITH_VALUE
    return [name, value] if known else [word]


def _match(words: list[str], path: Path, number: int) -> str:
    """Return a Match line; one that never applies when it uses a criterion that is not evaluated.

    `exec` would run a program to read a file.
    """
    # Newer versions of ssh take `host=name` too.
    words = [part for word in words for part in _halves(word)]
    left = list(words)
    while left:
        criterion = left.pop(0).removeprefix("!").lower()
        if criterion in _WITHOUT_VALUE:
            continue
        if criterion not in _WITH_VALUE:
            return _NEVER
        if not left:
            raise malformed(path, f"line {number}: Match {criterion} has no value")
        left.pop(0)
    return "Match " + " ".join(shlex.quote(word) for word in words)
