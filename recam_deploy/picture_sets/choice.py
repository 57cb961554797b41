"""Choose some of many pictures, spread evenly over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..detection.picture_faults import REFUSED
from ..errors import InputError
from .found import FoundPictures, hint_for, listed, noteworthy
from .likeness import Thumbnail, doubts

T = TypeVar("T")
Look = Thumbnail | InputError
"""What reading a picture gave: its thumbnail, or why it cannot be read."""

FEW = 20
_UNREADABLE = "unreadable"
_NAMED = 3
_TRIES = 10
"""How many times as many pictures as are wanted are read at most, where many are unreadable."""


def spread(items: Sequence[T], most: int) -> tuple[T, ...]:
    """Return at most `most` of the items in their order, evenly from first to last."""
    if len(items) <= most:
        return tuple(items)
    return tuple(items[index * len(items) // most] for index in range(most))


@dataclass(frozen=True)
class Choice:
    """The pictures that were chosen, in the order of their names, and what was not.

    `of` is the number there was to choose from. `passed_over` counts the other files by suffix or
    reason, and the chosen ones that could not be read and were replaced. `problems` are messages on
    files that were passed over, `doubts` on what the chosen pictures show.
    """

    source: Path
    pictures: tuple[Path, ...]
    of: int
    passed_over: Counter[str]
    part: str
    problems: tuple[str, ...]
    doubts: tuple[str, ...]

    @property
    def folders(self) -> int:
        """Return the number of folders that the chosen pictures lie in."""
        return len({picture.parent for picture in self.pictures})

    def told(self) -> str:
        """Say how many pictures of how many were taken, and from where."""
        counts = f"{len(self.pictures):,} of {self.of:,} pictures"
        if len(self.pictures) == self.of:
            counts = f"{self.of:,} picture{'s' if self.of > 1 else ''}"
        parts = [counts, f"from {self.folders:,} folders" if self.folders > 1 else ""]
        parts.append(f"of {self.part} in {self.source}" if self.part else "")
        return ", ".join(part for part in parts if part)

    def as_json(self) -> dict[str, Any]:
        """Return the document of the commands that choose pictures."""
        return {
            "source": str(self.source.absolute()),
            "taken": len(self.pictures),
            "of": self.of,
            "folders": self.folders,
            "passed_over": dict(self.passed_over.most_common()),
            "warnings": [*self.problems, *self.doubts],
        }


def choose(
    found: FoundPictures, most: int, look: Callable[[Sequence[Path]], Sequence[Look]]
) -> Choice:
    """Choose at most `most` pictures, spread over those found; an unreadable one is replaced.

    `look` reads pictures: those that are chosen, and no others. A replacement is the nearest by
    name. Raises InputError when none can be read.
    """
    pictures = found.pictures
    thumbnails: dict[int, Thumbnail] = {}
    errors: dict[int, InputError] = {}
    wanted: tuple[int, ...] = spread(range(len(pictures)), most)
    while wanted:
        looks = look([pictures[index] for index in wanted])
        for index, seen in zip(wanted, looks, strict=True):
            if isinstance(seen, InputError):
                errors[index] = seen
            else:
                thumbnails[index] = seen
        tried = thumbnails.keys() | errors.keys()
        room = max(0, _TRIES * most - len(tried))
        bad = [index for index in wanted if index in errors]
        wanted = _replacements(bad[:room], tried, len(pictures))
    taken, unreadable = sorted(thumbnails), [errors[index] for index in sorted(errors)]
    if not taken:
        raise _none_readable(found, unreadable)
    passed_over = found.passed_over.copy()
    if errors:
        passed_over[_UNREADABLE] += len(errors)
    few = [_few(len(taken))] if len(taken) < min(most, FEW) else []
    return Choice(
        source=found.source,
        pictures=tuple(pictures[index] for index in taken),
        of=len(pictures),
        passed_over=passed_over,
        part=found.part,
        problems=tuple(_problems(found, unreadable)),
        doubts=(*few, *doubts([thumbnails[index] for index in taken])),
    )


def _replacements(bad: Sequence[int], tried: Collection[int], count: int) -> tuple[int, ...]:
    """Return for each unreadable picture the nearest that was not tried, after it or before it."""
    found: set[int] = set()
    for index in bad:
        for distance in range(1, count):
            near = (index + distance, index - distance)
            free = [i for i in near if 0 <= i < count and i not in tried and i not in found]
            if free:
                found.add(free[0])
                break
    return tuple(sorted(found))


def _none_readable(found: FoundPictures, errors: Sequence[InputError]) -> InputError:
    first = errors[0]
    if len(found.pictures) == 1:
        return first
    return InputError(
        f"none of {len(errors):,} pictures of {found.source} can be read; the first: "
        f"{first.message}",
        first.hint,
    )


def _problems(found: FoundPictures, errors: Sequence[InputError]) -> Iterator[str]:
    if errors:
        messages = (error.message.replace(REFUSED, "") for error in errors[:_NAMED])
        named = "; ".join(messages)
        more = f"; and {len(errors) - _NAMED:,} more" if len(errors) > _NAMED else ""
        many = "pictures were" if len(errors) > 1 else "picture was"
        yield f"{len(errors):,} unreadable {many} passed over. {named}{more}"
    left_out = noteworthy(found.passed_over)
    if left_out:
        hint = hint_for(left_out)
        yield f"files of kinds that are not read were passed over: {listed(left_out)}. {hint}"


def _few(count: int) -> str:
    counted = f"{count} calibration pictures" if count > 1 else "one calibration picture"
    return f"only {counted}; INT8 is measured better on 50 to 200 like those the camera will see"
