"""Telling which box of one picture is which of the last.

The camera uses ByteTrack (SSCMA-Micro ``extension/bytetrack``). Here boxes are matched by
overlap alone, best first, with no motion model; thresholds, the second look at uncertain
boxes, the wait of one picture before a new object counts, and how long a lost one is
remembered are ByteTrack's as the camera sets it up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..sscma.results import Box

CERTAIN = 0.5
NEW = 0.6
LEAST_OVERLAP = 0.2
LEAST_OVERLAP_UNCERTAIN = 0.5
REMEMBERED = 10  # pictures


@dataclass
class Track:
    """One object: where it was last, since when it is lost, whether it counts yet."""

    number: int
    box: Box
    lost: int = 0
    confirmed: bool = False


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes given by centre and size."""
    width = min(a.x + a.w / 2, b.x + b.w / 2) - max(a.x - a.w / 2, b.x - b.w / 2)
    height = min(a.y + a.h / 2, b.y + b.h / 2) - max(a.y - a.h / 2, b.y - b.h / 2)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.w * a.h + b.w * b.h - shared)


class Tracker:
    """Objects seen so far."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._tracks: list[Track] = []
        self._pictures = 0
        self._last_number = 0

    def update(self, boxes: Sequence[Box]) -> list[tuple[int, Box]]:
        """The objects that count in this picture, with their numbers."""
        self._pictures += 1
        certain = [box for box in boxes if box.score >= CERTAIN]
        uncertain = [box for box in boxes if box.score < CERTAIN]
        waiting = list(self._tracks)
        new = self._match(waiting, certain, LEAST_OVERLAP)
        # A box that is not certain keeps an object that was there a picture ago.
        recent = [track for track in waiting if track.confirmed and track.lost == 0]
        self._match(recent, uncertain, LEAST_OVERLAP_UNCERTAIN, unseen=waiting)
        for track in waiting:
            track.lost += 1
        self._tracks = [
            track
            for track in self._tracks
            if track.lost == 0 or (track.confirmed and track.lost <= REMEMBERED)
        ]
        for box in new:
            if box.score >= NEW:
                self._last_number += 1
                # What the very first picture shows counts at once.
                first = self._pictures == 1
                self._tracks.append(Track(self._last_number, box, confirmed=first))
        return [
            (track.number, track.box)
            for track in self._tracks
            if track.confirmed and track.lost == 0
        ]

    def _match(
        self,
        tracks: list[Track],
        boxes: Sequence[Box],
        least: float,
        unseen: list[Track] | None = None,
    ) -> list[Box]:
        """Give boxes to tracks, best overlap first; tracks that got one leave ``tracks`` and
        ``unseen``. Returns the boxes that fit none."""
        pairs = [(overlap(track.box, box), track, box) for track in tracks for box in boxes]
        left = list(boxes)
        for value, track, box in sorted(pairs, key=lambda pair: -pair[0]):
            if value < least:
                break
            if track not in tracks or not any(box is other for other in left):
                continue
            track.confirmed = track.confirmed or track.lost == 0
            track.box, track.lost = box, 0
            tracks.remove(track)
            if unseen is not None:
                unseen.remove(track)
            left = [other for other in left if other is not box]
        return left
