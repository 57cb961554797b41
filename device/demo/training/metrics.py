"""Compare what was found in many pictures with the truth about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

THRESHOLDS = np.arange(0.5, 1.0, 0.05)
"""Of the IoU, from which a detection counts as right: COCO's."""


@dataclass(frozen=True)
class Found:
    """Hold what was found in one picture, by falling score.

    boxes [n,4] of corners in its pixels, scores [n], classes [n]; points [n,4,3] or masks [n,h,w]
    of a model that finds them.
    """

    boxes: Floats
    scores: Floats
    classes: npt.NDArray[np.int64]
    points: Floats | None = None
    masks: Bools | None = None

    def chosen(self, where: npt.NDArray[np.int64]) -> Found:
        """Return those at the given places."""
        return Found(
            self.boxes[where],
            self.scores[where],
            self.classes[where],
            None if self.points is None else self.points[where],
            None if self.masks is None else self.masks[where],
        )


def overlaps(a: Floats, b: Floats) -> Floats:
    """Compute the IoU of corner boxes [n,4] and [m,4]: [n,m]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    areas = [(box[:, 2:] - box[:, :2]).prod(-1) for box in (a, b)]
    result: Floats = shared / (areas[0][:, None] + areas[1][None] - shared + 1e-9)
    return result


def mask_overlaps(a: Bools, b: Bools) -> Floats:
    """Compute the IoU of masks [n,h,w] and [m,h,w]: [n,m]."""
    flat = [masks.reshape(len(masks), -1).astype(np.float64) for masks in (a, b)]
    shared = flat[0] @ flat[1].T
    areas = [masks.sum(1) for masks in flat]
    result: Floats = shared / (areas[0][:, None] + areas[1][None] - shared + 1e-9)
    return result


def suppress(found: Found, threshold: float = 0.45) -> Found:
    """Suppress overlapping boxes of each class, the lower score first (greedy)."""
    shared = overlaps(found.boxes, found.boxes) > threshold
    shared &= found.classes[:, None] == found.classes[None]
    alive = np.ones(len(found.scores), bool)
    for index in range(len(alive)):
        if alive[index]:
            alive[index + 1 :] &= ~shared[index, index + 1 :]
    return found.chosen(np.flatnonzero(alive))


def hits(shared: Floats) -> Bools:
    """Tell which detections are right at each of `THRESHOLDS`: [10,n]; each object counts once.

    `shared` [n,m] is the IoU with each object, 0 for those of other classes.
    """
    result = np.zeros((len(THRESHOLDS), len(shared)), bool)
    for row, threshold in zip(result, THRESHOLDS, strict=True):
        free = np.ones(shared.shape[1], bool)
        for index, candidates in enumerate(shared):
            best = int((candidates * free).argmax()) if len(free) else 0
            if len(free) and candidates[best] * free[best] >= threshold:
                row[index], free[best] = True, False
    return result


def average_precision(right: Bools, scores: Floats, objects: int) -> float:
    """Return the area under the interpolated precision-recall curve.

    It is taken at 101 recalls, as COCO does.
    """
    if not len(scores):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    gained = right[order].cumsum()
    recall = gained / objects
    precision = gained / np.arange(1, len(gained) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, np.linspace(0, 1, 101))
    reached = places < len(envelope)
    return float(np.where(reached, envelope[np.minimum(places, len(envelope) - 1)], 0).mean())


class Tally:
    """Gather the detections of many pictures, to judge them together."""

    def __init__(self) -> None:
        self._scores: list[Floats] = []
        self._classes: list[npt.NDArray[np.int64]] = []
        self._right: list[Bools] = []
        self._truth: list[npt.NDArray[np.int64]] = []

    def add(self, found: Found, shared: Floats, truth: npt.NDArray[np.int64]) -> None:
        """Add one picture.

        `shared` [n,m] is the IoU with each of its objects, `truth` [m] their classes.
        """
        self._scores.append(found.scores)
        self._classes.append(found.classes)
        self._right.append(hits(shared * (found.classes[:, None] == truth[None])))
        self._truth.append(truth)

    def table(self) -> dict[int, tuple[float, float]]:
        """Return AP at IoU 0.5, and its mean from 0.5 to 0.95, of each class that was there."""
        scores, classes = np.concatenate(self._scores), np.concatenate(self._classes)
        right, truth = np.concatenate(self._right, 1), np.concatenate(self._truth)
        table = {}
        for kind in sorted(set(truth.tolist())):
            own, count = classes == kind, int((truth == kind).sum())
            each = [average_precision(row[own], scores[own], count) for row in right]
            table[int(kind)] = (each[0], float(np.mean(each)))
        return table

    def at(self, score: float) -> tuple[float, float, float]:
        """Return precision and recall above a score.

        Third is the median score of the right ones there.
        """
        scores, right = np.concatenate(self._scores), np.concatenate(self._right, 1)[0]
        shown = scores >= score
        good = int((shown & right).sum())
        objects = sum(map(len, self._truth))
        median = float(np.median(scores[shown & right])) if good else 0.0
        return good / max(1, int(shown.sum())), good / max(1, objects), median
