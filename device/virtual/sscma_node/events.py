"""Write what a model found as the ``data`` of an ``invoke`` event.

Source: ``ModelNode::threadEntry`` in ``solutions/sscma-node/main/node/model.cpp``. Decoders
give fractions of the letterboxed input; events give pixels of the picture that goes with
them, cut to integers, and scores in percent. A number that does not fit its type comes out as
the processor converts it: to 32 bits, then the low ones of those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..sscma.arithmetic import fused, int32, uint32
from ..sscma.results import Box, Label, Pose, Result, Segment
from .contours import longest_outline
from .messages import Json

_f32 = np.float32


def int16(value: float) -> int:
    return int(int32(np.asarray(value, np.float32)).astype(np.int16))


def int8(value: float) -> int:
    return int(int32(np.asarray(value, np.float32)).astype(np.int8))


def uint16(value: float) -> int:
    """Convert; below zero it is zero."""
    return int(uint32(np.asarray(value, np.float32)).astype(np.uint16))


def percent(score: float) -> int:
    return int8(float(_f32(score) * _f32(100)))


def _placed(value: float, scale: float, offset: int) -> float:
    """Compute value * scale + offset, rounded once."""
    parts = (np.asarray(part, np.float32) for part in (value, scale, offset))
    return float(fused(*parts))


@dataclass(frozen=True)
class View:
    """A picture that shows what the model saw.

    The model's input is the square around it, centred, when it is not square itself.

    The sensor's pictures fill the width of a view. Others have black at their sides where they are
    narrower: then ``side`` is that of the square around them, in pixels of this picture.
    """

    width: int
    height: int
    side: int | None = None

    @property
    def _stretched(self) -> tuple[np.float32, np.float32]:
        """Return the square's sides before they are cut: one may end below a whole number."""
        if self.side is not None:
            return _f32(self.side), _f32(self.side)
        width, height = _f32(self.width), _f32(self.height)
        if self.width > self.height:
            return width, height * (width / height)
        return width * (height / width), height

    @property
    def _square(self) -> tuple[int, int]:
        width, height = self._stretched
        return int(width), int(height)

    @property
    def _offset(self) -> tuple[int, int]:
        if self.side is not None:
            return int((self.width - self.side) / 2), int((self.height - self.side) / 2)
        difference = int((self.width - self.height) / 2)
        return (0, -difference) if self.width > self.height else (difference, 0)

    def point(self, x: float, y: float) -> list[int]:
        (width, height), (left, top) = self._square, self._offset
        return [
            int16(_placed(x, width, left)),
            int16(_placed(y, height, top)),
        ]

    def box(self, box: Box) -> list[int]:
        """Return centre x, centre y, width, height, score in percent, class."""
        width, height = self._square
        size = [int16(_placed(box.w, width, 0)), int16(_placed(box.h, height, 0))]
        return [*self.point(box.x, box.y), *size, percent(box.score), box.target]

    def keypoints(self, pose: Pose) -> list[Json]:
        """Return the box, then x, y and visibility in percent of every point."""
        points = [
            [*self.point(x, y), percent(visible)]
            for (x, y), visible in zip(pose.points, pose.visible, strict=True)
        ]
        return [self.box(pose.box), points]

    def segment(self, segment: Segment) -> list[Json]:
        """Return the box, then x and y in turn along the outline of the mask's longest part."""
        rows, columns = segment.mask.shape
        left, top = self._offset
        scale_x = float(self._stretched[0] / _f32(columns))
        # Whole pixels down, fractions across: the camera's way.
        scale_y = self._square[1] // rows
        outline: list[int] = []
        for x, y in longest_outline(segment.mask):
            outline.append(uint16(_placed(x, scale_x, left)))
            outline.append(uint16(_placed(y, scale_y, top)))
        return [self.box(segment.box), outline]

    def result(self, result: Result) -> list[Json]:
        if isinstance(result, Box):
            return self.box(result)
        if isinstance(result, Pose):
            return self.keypoints(result)
        if isinstance(result, Segment):
            return self.segment(result)
        return [percent(result.score), result.target]


def target_of(result: Result) -> int:
    return result.target if isinstance(result, (Box, Label)) else result.box.target


def label_of(target: int, labels: Sequence[str]) -> str:
    return labels[target] if 0 <= target < len(labels) else f"N/A-{target}"
