"""Count objects that cross a line.

Source: SSCMA-Micro ``extension/counter/counter.cpp``. Places are percent of the model's input,
16-bit integers as on the camera. Side A lies where
(x - x1) * (y2 - y1) - (y - y1) * (x2 - x1) is positive.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..sscma.results import Box
from .events import int16
from .messages import wrapped

FORGET_AFTER = 10  # updates without news of an object


def place_of(box: Box) -> tuple[int, int]:
    """Compute a box's centre in percent, in single precision."""
    x, y = np.array([box.x, box.y], np.float32) * np.float32(100)
    return int16(x), int16(y)


class Counter:
    """Objects by number, the side each was last seen on, and how many crossed which way."""

    def __init__(self) -> None:
        self.splitter = [0, 0, 0, 0]
        self.clear()

    def clear(self) -> None:
        self._sides: dict[int, int] = {}
        self._unseen: dict[int, int] = {}
        self._a_to_b = 0
        self._b_to_a = 0

    def split(self, splitter: Sequence[int]) -> None:
        """Set the line from x1, y1 to x2, y2; fewer than four numbers change nothing."""
        if len(splitter) >= 4:
            self.splitter = list(splitter)

    def update(self, number: int | None, x: int, y: int) -> None:
        """Take note of an object at a place; None when a picture shows no object at all."""
        if number is not None:
            side = self._side(x, y)
            before = self._sides.get(number)
            # As the camera has it: the sides' names and the counts' are the other way round.
            if (before, side) == (-1, 1):
                self._a_to_b += 1
            elif (before, side) == (1, -1):
                self._b_to_a += 1
            self._sides[number] = side
            self._unseen[number] = 0
        for known in list(self._sides):
            self._unseen[known] += 1
            if self._unseen[known] > FORGET_AFTER:
                del self._sides[known], self._unseen[known]

    def counts(self) -> list[int]:
        """Return the numbers on side A, on side B, A to B, B to A."""
        sides = list(self._sides.values())
        return [sides.count(1), sides.count(-1), self._a_to_b, self._b_to_a]

    def _side(self, x: int, y: int) -> int:
        x1, y1, x2, y2 = self.splitter[:4]
        value = wrapped((x - x1) * (y2 - y1) - (y - y1) * (x2 - x1), 32)
        return (value > 0) - (value < 0)
