"""Prepare stdin, stdout and stderr for any terminal, pipe or log, before anything is printed.

Characters that the encoding lacks are replaced, closed streams lead nowhere, and a width or height
that no terminal has is ignored. Modules that print need not think of any of this.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

ERRORS = "recam_replace"
"""The name of the error handler for text that an encoding cannot show."""

_LEAST_COLUMNS, _LEAST_LINES, _MOST = 20, 3, 10_000
_USUAL_COLUMNS = "80"

_SUBSTITUTES: Mapping[str, str] = {
    "\u00d7": "x",
    "\u2026": "...",
    "\u2022": "*",
    "\u00b7": "*",
    "\u00a0": " ",
    "\u00b0": " deg",
    "\u00b1": "+-",
    "\u2190": "<-",
    "\u2192": "->",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u2212": "-",
    "\u2713": "+",
    "\u2714": "+",
    "\u2717": "x",
    **dict.fromkeys("\u2018\u2019\u201a\u2032", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015", "-"),
    **dict.fromkeys(
        "\u2500\u2501\u2504\u2505\u2508\u2509\u254c\u254d\u2550\u2578\u257a\u257c", "-"
    ),
    **dict.fromkeys("\u2502\u2503\u2506\u2507\u250a\u250b\u2551", "|"),
}
_BOXES = range(0x2500, 0x2580)
_BRAILLE = range(0x2800, 0x2900)


def prepare_streams() -> None:
    """Make the three streams take any text or bytes, and open those that are closed."""
    _open_closed()
    codecs.register_error(ERRORS, _replace)
    for stream, errors in (
        (sys.stdin, "backslashreplace"),
        (sys.stdout, ERRORS),
        (sys.stderr, ERRORS),
    ):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors=errors)
    correct_size(os.environ)


def correct_size(environment: MutableMapping[str, str]) -> None:
    """Remove sizes from the environment that are no terminal's, as some CI systems set them.

    A terminal narrower than 20 columns gets lines of 80, which it wraps.
    """
    for name, least in (("COLUMNS", _LEAST_COLUMNS), ("LINES", _LEAST_LINES)):
        if name in environment and not _is_size(environment[name], least):
            del environment[name]
    # Typer reads this one when it is imported, and takes nothing but a number.
    if not _is_size(environment.get("TERMINAL_WIDTH", ""), _LEAST_COLUMNS):
        environment.pop("TERMINAL_WIDTH", None)
    if "COLUMNS" not in environment and 0 < _own_columns() < _LEAST_COLUMNS:
        environment["COLUMNS"] = _USUAL_COLUMNS


def _is_size(text: str, least: int) -> bool:
    return text.isascii() and text.isdigit() and least <= int(text[:9]) <= _MOST


def _own_columns() -> int:
    """Return the width of the terminal that rich would ask: that of the first one; 0 for none."""
    for descriptor in range(3):
        with contextlib.suppress(OSError):
            return os.get_terminal_size(descriptor).columns
    return 0


def _open_closed() -> None:
    """Lead closed streams to /dev/null.

    The next file or socket to be opened would otherwise get a stream's number, and with it what
    other programs print.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Replace what cannot be encoded: by something similar in ASCII, else by `?`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_substitute, error.object[error.start : error.end])), error.end


def _substitute(character: str) -> str:
    number = ord(character)
    if character in _SUBSTITUTES:
        return _SUBSTITUTES[character]
    if number in _BOXES:
        return "+"
    if number in _BRAILLE:
        return "*"
    # A byte of a file name that is not text: shown as everywhere else.
    return f"\\u{number:04x}" if 0xD800 <= number <= 0xDFFF else "?"


def flush_streams() -> None:
    """Write out what stdout and stderr still hold. Raises OSError where that fails."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def abandon_streams() -> None:
    """Lead stdout and stderr to /dev/null, so that ending the interpreter prints no error."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            _redirect(stream, nowhere)


def _redirect(stream: Any, nowhere: int) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(nowhere, stream.fileno())
