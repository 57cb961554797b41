"""Trace the outline of a mask, as OpenCV's ``findContours`` does.

The camera asks for outer contours with straight runs reduced to their ends
(``RETR_EXTERNAL``, ``CHAIN_APPROX_SIMPLE``) and takes the one with the most points. The
border is followed by the method of S. Suzuki and K. Abe, 1985, "Topological structural
analysis of digitized binary images by border following", which OpenCV documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Point = tuple[int, int]

# Neighbours (x, y) in the order in which a border is searched: east, then round by north.
AROUND = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))


def _connected(
    pixels: NDArray[np.bool_], start: Point, around: Sequence[Point]
) -> NDArray[np.bool_]:
    """Tell which pixels are connected to ``start`` through set pixels."""
    height, width = pixels.shape
    reached = np.zeros_like(pixels)
    reached[start[1], start[0]] = True
    waiting = [start]
    while waiting:
        x, y = waiting.pop()
        for dx, dy in around:
            column, row = x + dx, y + dy
            inside = 0 <= column < width and 0 <= row < height
            if inside and pixels[row, column] and not reached[row, column]:
                reached[row, column] = True
                waiting.append((column, row))
    return reached


def _border(padded: NDArray[np.bool_], start: Point) -> list[tuple[Point, int]]:
    """List the pixels of the outer border from its first pixel in scanning order.

    With each comes the direction in which the next one lies.
    """

    def step(point: Point, direction: int) -> Point:
        dx, dy = AROUND[direction % 8]
        return point[0] + dx, point[1] + dy

    def is_set(point: Point) -> bool:
        return bool(padded[point[1], point[0]])

    # The pixel west of the first is empty: from there clockwise to the border's last pixel.
    back = next((d % 8 for d in range(3, -5, -1) if is_set(step(start, d))), None)
    if back is None:
        return [(start, 0)]
    last = step(start, back)
    border: list[tuple[Point, int]] = []
    point, came_from = start, back
    while True:
        ahead = next(d % 8 for d in range(came_from + 1, came_from + 9) if is_set(step(point, d)))
        border.append((point, ahead))
        following = step(point, ahead)
        if following == start and point == last:
            return border
        point, came_from = following, (ahead + 4) % 8


def _corners(border: list[tuple[Point, int]]) -> list[Point]:
    """Return the pixels at which the border turns."""
    directions = [direction for _, direction in border]
    return [
        point
        for index, (point, direction) in enumerate(border)
        if len(border) == 1 or directions[index - 1] != direction
    ]


def outlines(mask: NDArray[np.bool_]) -> Iterator[list[Point]]:
    """Return the outer outline (x, y) of every connected part of [H, W], in scanning order."""
    # Holes are filled: what lies inside one has no outer outline of its own.
    padded = ~_connected(~np.pad(mask, 1), (0, 0), AROUND[::2])
    left = padded.copy()
    while left.any():
        row, column = divmod(int(np.argmax(left)), left.shape[1])
        left &= ~_connected(left, (column, row), AROUND)
        yield [(x - 1, y - 1) for x, y in _corners(_border(padded, (column, row)))]


def longest_outline(mask: NDArray[np.bool_]) -> list[Point]:
    """Return the outline with the most corners; empty for an empty mask.

    Of equally long ones it is the last part's, since OpenCV lists parts from the last to the
    first.
    """
    best: list[Point] = []
    for outline in outlines(mask):
        if len(outline) >= len(best):
            best = outline
    return best
