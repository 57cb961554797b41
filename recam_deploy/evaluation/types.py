"""Define labelled pictures, and what both models find in them.

A classifier's pictures have one object each, with the whole picture as its box.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..detection.mask import Mask
from ..detection.types import Box, Detection

Task = Literal["classify", "detect", "pose", "segment"]
"""What a model answers, and so what is measured."""

Polygon = tuple[float, ...]
"""The corners x, y, x, y… of an outline, in pixels of the picture."""

SCORE_FLOOR = 0.001
"""The least score that counts for average precision, as in Ultralytics' `val`."""

MOST_DETECTIONS = 100
"""The most detections of a picture that count, as in COCO's evaluation; the best by score."""


@dataclass(frozen=True)
class LabelledObject:
    """One object that a person marked.

    `box` is x1, y1, x2, y2 in pixels of the upright picture. `outline` is of polygons, or a mask;
    `keypoints` are x, y, and 0 for not marked, 1 for hidden, 2 for visible. `area` is in pixels.
    Of a `crowd`, detections inside count neither for nor against a model.
    """

    class_id: int
    box: Box
    area: float
    outline: tuple[Polygon, ...] | Mask | None = None
    keypoints: tuple[tuple[float, float, int], ...] = ()
    crowd: bool = False


@dataclass(frozen=True)
class LabelledPicture:
    """A picture file with its marked objects; none of them is a picture of background.

    `size` is (width, height) in pixels of the upright picture.
    """

    path: Path
    size: tuple[int, int]
    objects: tuple[LabelledObject, ...]


@dataclass(frozen=True)
class LabelledSet:
    """The labelled pictures to evaluate on, spread over the `of` pictures of the data.

    `labels` are the model's class names; each object's class is one of them. `part` is the split,
    such as "val". `digest` is the sha256 of the pictures' names and bytes and of their labels.
    `evaluated` are the classes that the data can have marked, None for all of the model's: a
    detection of any other counts neither for nor against a model. `passed_over` counts by reason
    the pictures and objects that were left out, and `problems` are messages on them.
    """

    source: Path
    task: Task
    labels: tuple[str, ...]
    pictures: tuple[LabelledPicture, ...]
    of: int
    digest: str
    part: str = ""
    passed_over: Counter[str] = field(default_factory=Counter)
    problems: tuple[str, ...] = ()
    evaluated: frozenset[int] | None = None

    @property
    def objects(self) -> int:
        """Count the objects of all pictures."""
        return sum(len(picture.objects) for picture in self.pictures)


@dataclass(frozen=True)
class Found:
    """The detections of both models in one picture, the best first, from SCORE_FLOOR.

    A classifier's are its five best classes.
    """

    reference: tuple[Detection, ...]
    cvimodel: tuple[Detection, ...]
