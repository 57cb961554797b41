"""Define what a reader of labels gives: pictures, what is marked in each, and what is wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .types import LabelledObject


@dataclass(frozen=True)
class Reason:
    """Why pictures or objects are passed over: `text`, of which `noun`, and what became of them."""

    text: str
    noun: str = "object"
    became: str = "left out"


UNREADABLE = Reason("unreadable picture", "picture")
UNREADABLE_LABELS = Reason("unreadable label file", "picture")
OTHER_SIZE = Reason("other size than the labels say", "picture")
NO_LABELS = Reason("no label file", "picture", "taken for background")
EMPTY_LABELS = Reason("empty label file", "picture", "taken for background")
NO_PICTURE = Reason("label without a picture", "label")
NO_FILE = Reason("picture file missing", "picture")
TWICE = Reason("marked twice")
PICTURE_TWICE = Reason("named twice", "picture", "read once")
NOT_NUMBERS = Reason("not numbers")
OUTSIDE = Reason("outside of the picture")
NO_AREA = Reason("without an area")
WRONG_COUNT = Reason("wrong number of values")
NO_SUCH_CLASS = Reason("class number outside")
NO_OUTLINE = Reason("box without an outline")
NO_KEYPOINTS = Reason("without keypoints")
BAD_OUTLINE = Reason("outline that cannot be read")
BAD_KEYPOINTS = Reason("keypoints that cannot be read")
NOT_IN_MODEL = Reason("class unknown to the model")

_SHOWN = 120


@dataclass(frozen=True)
class Fault:
    """One thing that was passed over; `where` names file and line, and what stands there."""

    reason: Reason
    where: str


class FaultError(Exception):
    """One object or picture cannot be used; caught by the reader that raises it."""

    def __init__(self, reason: Reason, said: str = "") -> None:
        super().__init__(reason.text)
        self.reason = reason
        self.said = said

    def at(self, place: str) -> Fault:
        """Return the fault, at a file and line."""
        said = " ".join(self.said.split())
        said = said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"
        return Fault(self.reason, f"{place}: {said}" if said else place)


class FaultList:
    """Counts faults by reason, and keeps the first of each."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._counts: Counter[Reason] = Counter()
        self._first: dict[Reason, str] = {}
        self.add(faults)

    def add(self, faults: Iterable[Fault]) -> None:
        """Count these faults too."""
        for fault in faults:
            self._counts[fault.reason] += 1
            self._first.setdefault(fault.reason, fault.where)

    @property
    def counts(self) -> Counter[str]:
        """Return the number of faults by reason."""
        return Counter({reason.text: count for reason, count in self._counts.items()})

    def messages(self) -> Iterator[str]:
        """Yield a line for each reason, the most frequent first."""
        for reason, count in self._counts.most_common():
            many = f"{count:,} {reason.noun}{'s were' if count > 1 else ' was'} {reason.became}"
            yield f"{reason.text}: {many}; the first: {self._first[reason]}"


@dataclass(frozen=True)
class PictureLabels:
    """What is marked in one picture, with the class numbers of the data.

    `stated` is the labels as they were read, for the digest. A picture that is not `usable` is left
    out.
    """

    objects: tuple[LabelledObject, ...] = ()
    faults: tuple[Fault, ...] = ()
    stated: bytes = b""
    usable: bool = True


@dataclass(frozen=True)
class LabelSource:
    """The pictures of a data set, and how to read the labels of one.

    `names` are the data's classes; None where the data has the model's own numbers. `read` takes a
    picture and its (width, height), and may be called by several threads. `faults` are those of the
    set itself; `passed_over` counts files that were not taken, and `problems` are messages on both.
    """

    names: tuple[str, ...] | None
    pictures: tuple[Path, ...]
    read: Callable[[Path, tuple[int, int]], PictureLabels]
    part: str = ""
    faults: tuple[Fault, ...] = ()
    passed_over: Counter[str] = field(default_factory=Counter)
    problems: tuple[str, ...] = ()


def finite(values: Iterable[Any], most: float = 1e9) -> tuple[float, ...]:
    """Return numbers of a document as floats; raise FaultError for anything else."""
    found = []
    for value in values:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not -most < value < most:
            raise FaultError(NOT_NUMBERS, f"{str(value)[:40]} is no number of pixels")
        found.append(float(value))
    return tuple(found)


def polygon_area(points: tuple[float, ...]) -> float:
    """Compute the area that the corners x, y, x, y… enclose."""
    xs, ys = points[0::2], points[1::2]
    turned = zip(xs, ys, (*xs[1:], xs[0]), (*ys[1:], ys[0]), strict=True)
    return abs(math.fsum(x * v - u * y for x, y, u, v in turned)) / 2
