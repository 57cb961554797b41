"""Define what the decoders find, and the lines that the program prints for each find.

Source of the lines: ``solutions/sscma-model/main/main.cpp`` in sscma-example-sg200x,
one branch an output type. Every line ends in a bare line feed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """One detection as the camera keeps it.

    Centre and size are fractions of the letterboxed input.
    """

    x: float
    y: float
    w: float
    h: float
    score: float
    target: int

    def lines(self) -> str:
        return (
            f"x: {self.x:f}, y: {self.y:f}, w: {self.w:f}, h: {self.h:f}, "
            f"score: {self.score:f} target: {self.target}\n"
        )


@dataclass(frozen=True)
class Pose:
    """A box and its keypoints (x, y), as fractions of the letterboxed input.

    How visible each is, is there too; ``sscma-model`` does not print it.
    """

    box: Box
    points: tuple[tuple[float, float], ...]
    visible: tuple[float, ...] = ()

    def lines(self) -> str:
        return self.box.lines() + "".join(f"x: {x:f}, y: {y:f}\n" for x, y in self.points)


@dataclass(frozen=True, eq=False)
class Segment:
    """A box and its mask [H/4, W/4], true inside the object."""

    box: Box
    mask: NDArray[np.bool_]

    def lines(self) -> str:
        return self.box.lines()


@dataclass(frozen=True)
class Label:
    """A class of the whole picture."""

    score: float
    target: int

    def lines(self) -> str:
        return f"score: {self.score:f} target: {self.target}\n"


Result: TypeAlias = Box | Pose | Segment | Label
