"""Read a list of pictures, a path a line, as darknet, Ultralytics and the compiler write them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError
from ..folders import expanded_if_known

SUFFIXES = frozenset({".txt", ".lst", ".list", ".csv"})

_HINT = "Give a text file with the path of one picture on each line."
_MOST_BYTES = 64 << 20
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BEFORE_LABEL = re.compile(r"\.[A-Za-z0-9]{2,5}(?=[\s,;])")
"""The end of a path that labels or boxes follow: `a.jpg 3`, `a.jpg,cat`, `a.jpg 1,2,3,4,0`."""


def read_list(path: Path) -> tuple[Path, ...]:
    """Return the pictures that a list names.

    Relative paths start at the current folder; where there is no such file, at the list's folder or
    the one above. Lines that begin with # are comments. Raises InputError when the list cannot be
    read, names none, or names a file that is nowhere.
    """
    found = tuple(
        _located(path, number, line)
        for number, line in enumerate(_text(path).splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    )
    if not found:
        raise InputError(
            f"the list {path} names no pictures", "Write the path of one picture on each line."
        )
    return found


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise ValueError("it is a folder")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the list {path} cannot be read: {reason}", _HINT) from error
    if len(data) > _MOST_BYTES:
        raise InputError(f"the list {path} is larger than {_MOST_BYTES >> 20} MB", _HINT)
    if data.startswith(_UTF_16):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data:
        raise InputError(f"the list {path} is no text file", _HINT)
    # Paths of a file system may be of any encoding; this is how Python itself keeps them.
    return data.decode("utf-8-sig", errors="surrogateescape")


def _located(path: Path, number: int, line: str) -> Path:
    """Return the picture of one line. Raises InputError where there is none."""
    places = (Path(), path.parent, path.parent.parent)
    for name in _names(line.strip()):
        for place in places:
            if _is_file(place / name):
                return place / name
    looked = ", ".join(str(place) for place in dict.fromkeys(p.absolute() for p in places))
    raise InputError(
        f"{line.strip()[:200]} cannot be read: no such file (line {number} of {path})",
        f"Relative paths were looked for in {looked}.",
    )


def _names(line: str) -> Iterator[Path]:
    """Yield the paths that a line may mean, the plainest first."""
    quoted = re.match(r"""(["'])(.+?)\1""", line)
    texts = [line] if not quoted else [quoted[2], line]
    # Of a name with several dots, the longest that is a file.
    texts += [line[: end.end()] for end in reversed(list(_BEFORE_LABEL.finditer(line)))]
    for text in texts:
        for spelled in dict.fromkeys((text, text.replace("\\", "/"))):
            yield expanded_if_known(Path(spelled))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return False
