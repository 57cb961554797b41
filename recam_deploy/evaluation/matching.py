"""Match what the camera would show with what is marked: each object to at most one detection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..detection.decode import SCORE_THRESHOLD
from ..detection.types import Detection
from .coco_metrics import box_overlaps
from .types import LabelledObject, LabelledSet

LEAST_IOU = 0.5
"""The least overlap of boxes with which a detection finds an object."""


@dataclass(frozen=True)
class PictureMatch:
    """What became of one picture's objects and detections, by the camera's thresholds.

    `found` are detections with the object that they found, `mistaken` with one of another class.
    `missed` objects overlap with no detection, and `extra` detections with no object.
    """

    found: tuple[tuple[Detection, LabelledObject], ...] = ()
    mistaken: tuple[tuple[Detection, LabelledObject], ...] = ()
    missed: tuple[LabelledObject, ...] = ()
    extra: tuple[Detection, ...] = ()

    @property
    def objects(self) -> int:
        """Count the marked objects, without crowds."""
        return len(self.found) + len(self.mistaken) + len(self.missed)

    @property
    def detections(self) -> int:
        """Count the detections, without those in crowds."""
        return len(self.found) + len(self.mistaken) + len(self.extra)

    @property
    def f1(self) -> float:
        """Return 2 found / (objects + detections); 1 where there are neither."""
        total = self.objects + self.detections
        return 2 * len(self.found) / total if total else 1.0

    @property
    def score(self) -> float:
        """Return the mean over the objects of the score with which each was found, 0 if not."""
        total = sum(detection.score for detection, _ in self.found)
        return total / self.objects if self.objects else 0.0


@dataclass(frozen=True)
class ConfusionMatrix:
    """Counts [marked class][found class]; last in both is the background.

    So the last column counts missed objects, and the last row extra detections.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


def match_all(
    labelled: LabelledSet, found: Sequence[Sequence[Detection]]
) -> tuple[PictureMatch, ...]:
    """Match the detections of each picture, given from a low score, as the camera shows them."""
    match = _match_class if labelled.task == "classify" else _match_objects
    return tuple(
        match(picture.objects, shown(labelled, detections))
        for picture, detections in zip(labelled.pictures, found, strict=True)
    )


def shown(labelled: LabelledSet, detections: Sequence[Detection]) -> list[Detection]:
    """Return what the camera would show of one picture's detections, the best first.

    It is a classifier's best class alone. Detections of classes that the data cannot have marked
    are left out. The comparisons with the threshold are those of `detection.decode`.
    """
    counting = [one for one in detections if labelled.counts(one.class_id)]
    counting.sort(key=lambda one: -one.score)
    if labelled.task == "classify":
        return [one for one in counting[:1] if one.score >= SCORE_THRESHOLD]
    return [one for one in counting if one.score > SCORE_THRESHOLD and one.visible]


def confusion(labels: Sequence[str], matches: Iterable[PictureMatch]) -> ConfusionMatrix:
    """Count which class was found for which."""
    nothing = len(labels)
    counts = np.zeros((nothing + 1, nothing + 1), int)
    for match in matches:
        for detection, one in (*match.found, *match.mistaken):
            counts[one.class_id, detection.class_id] += 1
        for one in match.missed:
            counts[one.class_id, nothing] += 1
        for detection in match.extra:
            counts[nothing, detection.class_id] += 1
    return ConfusionMatrix(tuple(labels), tuple(map(tuple, counts.tolist())))


def _match_class(objects: Sequence[LabelledObject], detections: list[Detection]) -> PictureMatch:
    """Match a classifier's best class with the picture's."""
    if not detections:
        return PictureMatch(missed=tuple(objects))
    best = detections[0]
    if not objects:
        return PictureMatch(extra=(best,))
    pairs = ((best, objects[0]),)
    if objects[0].class_id == best.class_id:
        return PictureMatch(found=pairs)
    return PictureMatch(mistaken=pairs)


def _match_objects(
    objects: Sequence[LabelledObject], detections: Sequence[Detection]
) -> PictureMatch:
    """Match boxes as COCO's evaluation does: the best first, each with the free object it fits.

    Of what is left, detections in a crowd of their class are left out; the others are matched with
    objects of other classes.
    """
    left = list(detections)
    free = [one for one in objects if not one.crowd]
    crowds = [one for one in objects if one.crowd]
    found = _take_pairs(left, free, same_class=True)
    inside = _overlaps(left, crowds, same_class=True).max(axis=1, initial=0.0) >= LEAST_IOU
    left = [one for one, ignored in zip(left, inside, strict=True) if not ignored]
    mistaken = _take_pairs(left, free, same_class=False)
    return PictureMatch(found, mistaken, tuple(free), tuple(left))


def _take_pairs(
    detections: list[Detection], objects: list[LabelledObject], *, same_class: bool
) -> tuple[tuple[Detection, LabelledObject], ...]:
    """Remove pairs that overlap enough from both lists, and return them."""
    overlaps = _overlaps(detections, objects, same_class)
    pairs = []
    for row in range(len(detections)):
        if not objects:
            break
        best = int(overlaps[row].argmax())
        if overlaps[row, best] >= LEAST_IOU:
            overlaps[:, best] = -1.0
            pairs.append((row, best))
    taken = tuple((detections[row], objects[column]) for row, column in pairs)
    rows, columns = {row for row, _ in pairs}, {column for _, column in pairs}
    detections[:] = [one for number, one in enumerate(detections) if number not in rows]
    objects[:] = [one for number, one in enumerate(objects) if number not in columns]
    return taken


def _overlaps(
    detections: Sequence[Detection], objects: Sequence[LabelledObject], same_class: bool
) -> npt.NDArray[np.float64]:
    """Compute the overlap of each detection with each object; 0 of other classes if so asked.

    With a crowd it is the share of the detection that is inside.
    """
    overlaps = box_overlaps(
        [one.box for one in detections],
        [one.box for one in objects],
        [one.crowd for one in objects],
    )
    if same_class and overlaps.size:
        classes = np.array([one.class_id for one in objects])
        other = np.array([one.class_id for one in detections])[:, None] != classes
        overlaps[other] = 0.0
    return overlaps
