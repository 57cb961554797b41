"""What a search for pictures found, and what it passed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..detection.heif import avif_hint, avif_is_read, heic_hint, heic_is_read

REPEATED = "named twice"
"""Why a picture is passed over that several entries or lines name."""

_CONVERT = "Convert them to JPEG or PNG."
_UNPACK = "Unpack them."
_FRAMES = "Take frames of the videos: ffmpeg -i VIDEO -vf fps=1 frame-%05d.jpg"

_HEIC = frozenset({".heic", ".heif", ".hif"})
_AVIF = frozenset({".avif"})

_HINTS: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset(
            {
                *_HEIC,
                *_AVIF,
                ".dng",
                ".cr2",
                ".cr3",
                ".nef",
                ".arw",
                ".orf",
                ".rw2",
                ".raf",
                ".raw",
                ".jxl",
            }
            | {".svg", ".eps", ".ps", ".pdf", ".xcf", ".npy", ".npz"}
        ),
        _CONVERT,
    ),
    (
        frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".mts"}),
        _FRAMES,
    ),
    (frozenset({".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz"}), _UNPACK),
    (frozenset({"unreadable folder"}), "Let your user read the folders."),
)
"""What a user may take for pictures, and what to do about it. Labels and texts are not among it."""


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
    count = 0
    for one in found:
        pictures |= dict.fromkeys(one.pictures)
        passed_over += one.passed_over
        count += len(one.pictures)
    if count > len(pictures):
        passed_over[REPEATED] += count - len(pictures)
    return FoundPictures(source, tuple(pictures), passed_over, part)


def noteworthy(passed_over: Mapping[str, int]) -> Counter[str]:
    """Return those that a user may take for pictures."""
    known = frozenset().union(*(kinds for kinds, _ in _HINTS))
    return Counter({kind: count for kind, count in passed_over.items() if kind in known})


def hint_for(passed_over: Mapping[str, int]) -> str | None:
    """Return what to do about the most frequent of those that a user may take for pictures."""
    for kind, _ in noteworthy(passed_over).most_common(1):
        if kind in _HEIC and not heic_is_read():
            return heic_hint()
        if kind in _AVIF and not avif_is_read():
            return avif_hint()
        return next(hint for kinds, hint in _HINTS if kind in kinds)
    return None


def listed(passed_over: Mapping[str, int], most: int = 6) -> str:
    """Return the counts as text, the most frequent first, such as "50 .heic, 1 .txt"."""
    counts = Counter(passed_over).most_common()
    shown = [f"{count:,} {kind}" for kind, count in counts[:most]]
    if len(counts) > most:
        shown.append(f"{sum(count for _, count in counts[most:]):,} others")
    return ", ".join(shown)
