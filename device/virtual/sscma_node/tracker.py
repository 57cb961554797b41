"""Track objects from picture to picture: ByteTrack as the camera has it.

Sources: SSCMA-Micro ``extension/bytetrack`` at 60e2ede (``byte_tracker.cpp``, ``strack.cpp``,
``lapjv.cpp``), all in float32. Where it strays from the published ByteTrack this strays too:

- A box's centre is taken for its corner. Results are given out the same way, so only
  overlaps differ. Coordinates are thousandths, and a box is one larger each way than it says.
- A tracked box's height is expected to grow by one thousandth in each picture: what should
  hold the velocity of a lost one at 0 sets that of the others to 1.
- A track keeps the class of its first box.
- A track that was given up stays for one more picture. If it is found in that one it continues,
  but ends at once the next time that it is missed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import lap
import numpy as np

from ..sscma.results import Box
from .kalman import Floats, Motion

_f32 = np.float32
HALF = _f32(0.5)

CERTAIN = _f32(0.5)
NEW = _f32(0.6)
FARTHEST = _f32(0.8)
FARTHEST_UNCERTAIN = _f32(0.5)
FARTHEST_UNCONFIRMED = _f32(0.7)
"""Distances, 1 less the overlap, up to which a box is a track's."""
SAME = 0.15
"""Two tracks nearer than this are one."""
REMEMBERED = 10  # pictures
SCALE = _f32(1000)

_VELOCITY_OF_HEIGHT = 7


class State(Enum):
    """State of a track after the last picture."""

    TRACKED = auto()
    LOST = auto()
    REMOVED = auto()


@dataclass(eq=False)
class Track:
    """One object.

    ``corners`` [4] are left, top, width and height in thousandths, with the centre in the place of
    the corner; ``first`` and ``last`` are the pictures it was seen in.
    """

    corners: Floats
    score: float
    target: int
    number: int = 0
    first: int = 0
    last: int = 0
    state: State = State.TRACKED
    confirmed: bool = False
    motion: Motion = field(init=False)

    @classmethod
    def of(cls, box: Box) -> Track:
        """Make a track of a box that belongs to no object yet."""
        return cls(np.array([box.x, box.y, box.w, box.h], _f32) * SCALE, box.score, box.target)

    def begin(self, number: int, picture: int) -> None:
        """Become an object of its own, confirmed at once in the very first picture."""
        self.number, self.first, self.last = number, picture, picture
        self.confirmed = picture == 1
        self.motion = Motion.begin(self._measured())

    def predict(self) -> None:
        """Move to where the object is expected in the next picture."""
        tracked = self.state is State.TRACKED
        self.motion.mean[_VELOCITY_OF_HEIGHT] = _f32(tracked)
        self.motion.predict()
        self._place()

    def take(self, found: Track, picture: int) -> None:
        """Take over the box that was found of this object in a picture."""
        self.motion.correct(found._measured())
        self._place()
        self.score, self.last = found.score, picture
        self.state, self.confirmed = State.TRACKED, True

    def box(self) -> Box:
        """Return the filter's box, with the score of the last one found."""
        x, y, w, h = (float(value) for value in self.corners / SCALE)
        return Box(x, y, w, h, self.score, self.target)

    def _measured(self) -> Floats:
        left, top, width, height = self.corners
        return np.array([left + width * HALF, top + height * HALF, width / height, height], _f32)

    def _place(self) -> None:
        x, y, aspect, height = self.motion.mean[:4]
        width = aspect * height
        self.corners = np.array([x - width * HALF, y - height * HALF, width, height], _f32)


class Tracker:
    """Objects seen so far.

    ``numbers`` are given to new ones: the camera counts them in the whole process, and neither
    clearing the tracker nor making another begins anew. Without them a tracker counts for itself.
    """

    def __init__(self, numbers: Iterator[int] | None = None) -> None:
        self._numbers = itertools.count(1) if numbers is None else numbers
        self.clear()

    def clear(self) -> None:
        self._tracked: list[Track] = []
        self._lost: list[Track] = []
        self._removed: set[int] = set()
        self._picture = 0

    def update(self, boxes: Sequence[Box]) -> list[tuple[int, Box]]:
        """Follow the objects into the next picture. Return the confirmed ones, by number."""
        self._picture += 1
        # A box without a size, or one that is no number, has no place either: not a fault here.
        with np.errstate(all="ignore"):
            self._follow([Track.of(box) for box in boxes])
        return [(track.number, track.box()) for track in self._tracked if track.confirmed]

    def _follow(self, found: list[Track]) -> None:
        """Match boxes to objects.

        Certain boxes are matched to known objects, then uncertain ones to those still missed, then
        the certain ones left to unconfirmed objects; the rest are new.
        """
        certain = [track for track in found if track.score >= CERTAIN]
        uncertain = [track for track in found if not track.score >= CERTAIN]
        known = [track for track in self._tracked if track.confirmed] + self._lost
        unconfirmed = [track for track in self._tracked if not track.confirmed]
        for track in known:
            track.predict()
        refound = [track for track in known if track.state is not State.TRACKED]

        missed, certain = self._match(known, certain, FARTHEST)
        missed = [track for track in missed if track.state is State.TRACKED]
        missed, _ = self._match(missed, uncertain, FARTHEST_UNCERTAIN)
        unseen, certain = self._match(unconfirmed, certain, FARTHEST_UNCONFIRMED)
        new = [track for track in certain if not track.score < NEW]
        for track in new:
            track.begin(next(self._numbers), self._picture)

        for track in missed:
            track.state = State.LOST
        for track in unseen:
            track.state = State.REMOVED
        self._tracked = [track for track in self._tracked if track.state is State.TRACKED]
        self._tracked += new + [track for track in refound if track.state is State.TRACKED]
        self._forget(missed, unseen)

    def _forget(self, missed: list[Track], unseen: list[Track]) -> None:
        """Give up what was lost for too long.

        What is given up in this picture is left out of the lost ones from the next picture on.
        """
        given_up = [track for track in self._lost if self._picture - track.last > REMEMBERED]
        for track in given_up:
            track.state = State.REMOVED
        lost = [track for track in self._lost if track.state is not State.TRACKED] + missed
        lost = [track for track in lost if track.number not in self._removed]
        self._lost = sorted(lost, key=lambda track: track.number)
        self._removed.update(track.number for track in given_up + unseen)
        self._drop_doubles()

    def _drop_doubles(self) -> None:
        """Keep the one that was seen for longer, of a tracked and a lost object in one place."""
        distances = _distances(self._tracked, self._lost)
        dropped: set[int] = set()
        for row, column in np.argwhere(distances < SAME):
            tracked, lost = self._tracked[row], self._lost[column]
            older = tracked.last - tracked.first > lost.last - lost.first
            dropped.add((lost if older else tracked).number)
        self._tracked = [track for track in self._tracked if track.number not in dropped]
        self._lost = [track for track in self._lost if track.number not in dropped]

    def _match(
        self, tracks: list[Track], found: list[Track], farthest: np.float32
    ) -> tuple[list[Track], list[Track]]:
        """Give the boxes to the tracks at the least cost of all together.

        Returns the tracks and the boxes that are left over.
        """
        if not tracks or not found:
            return tracks, found
        taken = _assign(_distances(tracks, found), farthest)
        for row, column in taken.items():
            tracks[row].take(found[column], self._picture)
        columns = set(taken.values())
        return (
            [track for row, track in enumerate(tracks) if row not in taken],
            [track for column, track in enumerate(found) if column not in columns],
        )


def _assign(distances: Floats, farthest: np.float32) -> dict[int, int]:
    """Assign rows to columns at the least cost; one that stays alone costs half of ``farthest``.

    ``lap`` is the code that the camera's solver was taken from: ties end alike.
    """
    rows, columns = distances.shape
    costs = np.full((rows + columns,) * 2, farthest * HALF, np.float64)
    costs[rows:, columns:] = 0
    costs[:rows, :columns] = distances
    _, column_of, _ = lap.lapjv(costs)
    return {row: int(column) for row, column in enumerate(column_of[:rows]) if column < columns}


def _distances(tracks: Sequence[Track], others: Sequence[Track]) -> Floats:
    """Compute 1 less the overlap (IoU) of each pair, [tracks, others]."""
    if not tracks or not others:
        return np.ones((len(tracks), len(others)), _f32)
    a = np.array([track.corners for track in tracks], _f32)[:, None]
    b = np.array([track.corners for track in others], _f32)[None]
    one = _f32(1)
    a_end, b_end = a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:]
    # Minimum and maximum of C++: of two that are no numbers the first.
    end = np.where(b_end < a_end, b_end, a_end)
    start = np.where(a[..., :2] < b[..., :2], b[..., :2], a[..., :2])
    common = end - start + one
    a_size, b_size = a_end - a[..., :2] + one, b_end - b[..., :2] + one
    area = common[..., 0] * common[..., 1]
    union = a_size[..., 0] * a_size[..., 1] + b_size[..., 0] * b_size[..., 1] - area
    distances: Floats = one - np.where((common > 0).all(axis=-1), area / union, _f32(0))
    return distances
