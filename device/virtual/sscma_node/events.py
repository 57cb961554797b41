"""What a model found as the ``data`` of an ``invoke`` event.

Source: ``ModelNode::threadEntry`` in ``solutions/sscma-node/main/node/model.cpp``. Decoders
give fractions of the letterboxed input; events give pixels of the picture that goes with
them, cut to integers, and scores in percent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..sscma.results import Box, Label, Pose, Result, Segment
from .contours import longest_outline
from .messages import Json

OUTPUT_OF: dict[str, str] = {
    "YOLOv5": "boxes",
    "classifier": "classes",
    "YOLOv8-pose": "keypoints",
    "YOLOv8": "boxes",
    "YOLO11": "boxes",
    "YOLO11-pose": "keypoints",
    "YOLO11-seg": "segments",
    "YOLO26": "boxes",
}
"""Family to the key that its results stand under."""

_INT8 = (-128, 127)
_INT16 = (-32768, 32767)
_UINT16 = (0, 65535)

_f32 = np.float32


def _cut(value: np.float32, limits: tuple[int, int]) -> int:
    """Towards zero, within the type; the camera leaves numbers beyond it to chance."""
    if math.isnan(value):
        return 0
    return int(max(limits[0], min(limits[1], float(value))))


def percent(score: float) -> int:
    return _cut(_f32(score) * _f32(100), _INT8)


@dataclass(frozen=True)
class View:
    """A picture that shows what the model saw: the model's input is the square around it,
    centred, when it is not square itself."""

    width: int
    height: int

    @property
    def _square(self) -> tuple[int, int]:
        if self.width > self.height:
            return self.width, int(self.height * (_f32(self.width) / _f32(self.height)))
        return int(self.width * (_f32(self.height) / _f32(self.width))), self.height

    @property
    def _offset(self) -> tuple[int, int]:
        difference = int((self.width - self.height) / 2)
        return (0, -difference) if self.width > self.height else (difference, 0)

    def point(self, x: float, y: float) -> list[int]:
        (width, height), (left, top) = self._square, self._offset
        return [
            _cut(_f32(x) * _f32(width) + _f32(left), _INT16),
            _cut(_f32(y) * _f32(height) + _f32(top), _INT16),
        ]

    def box(self, box: Box) -> list[int]:
        """Centre x, centre y, width, height, score in percent, class."""
        width, height = self._square
        size = [
            _cut(_f32(box.w) * _f32(width), _INT16),
            _cut(_f32(box.h) * _f32(height), _INT16),
        ]
        return [*self.point(box.x, box.y), *size, percent(box.score), box.target]

    def keypoints(self, pose: Pose) -> list[Json]:
        """The box, then x, y and visibility in percent of every point."""
        points = [
            [*self.point(x, y), percent(visible)]
            for (x, y), visible in zip(pose.points, pose.visible, strict=True)
        ]
        return [self.box(pose.box), points]

    def segment(self, segment: Segment) -> list[Json]:
        """The box, then x and y in turn along the outline of the mask's longest part."""
        rows, columns = segment.mask.shape
        (width, height), (left, top) = self._square, self._offset
        scale_x = _f32(width) / _f32(columns)
        scale_y = _f32(height // rows)  # whole pixels down, fractions across: the camera's way
        outline: list[int] = []
        for x, y in longest_outline(segment.mask):
            outline.append(_cut(_f32(x) * scale_x + _f32(left), _UINT16))
            outline.append(_cut(_f32(y) * scale_y + _f32(top), _UINT16))
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
