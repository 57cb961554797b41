"""What a search for pictures found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class FoundPictures:
    """The pictures of `source` in a fixed order, by their names alone: none was opened.

    `passed_over` counts the other files, by suffix or by reason. `part` says which part of a data
    set was used, if only one was.
    """

    source: Path
    pictures: tuple[Path, ...]
    passed_over: Counter[str] = field(default_factory=Counter)
    part: str = ""


def joined(source: Path, found: Iterable[FoundPictures], part: str) -> FoundPictures:
    """Return the pictures of several places as one set."""
    pictures: dict[Path, None] = {}
    passed_over: Counter[str] = Counter()
    for one in found:
        pictures |= dict.fromkeys(one.pictures)
        passed_over += one.passed_over
    return FoundPictures(source, tuple(pictures), passed_over, part)
