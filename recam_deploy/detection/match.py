"""How well two sets of detections of the same pictures agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .decode import iou_with
from .types import Detection


@dataclass(frozen=True)
class Agreement:
    """Counts over one or more pictures: the reference's detections, how many of them the other
    set has too, and how many the other set has beside them."""

    reference: int = 0
    matched: int = 0
    extra: int = 0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.reference + other.reference,
            self.matched + other.matched,
            self.extra + other.extra,
        )

    @property
    def recall(self) -> float:
        """The matched share of the reference's detections; 1 when it has none."""
        return self.matched / self.reference if self.reference else 1.0


def agreement(
    reference: Sequence[Detection],
    found: Sequence[Detection],
    *,
    min_score: float = 0.5,
    min_iou: float = 0.7,
    slack: float = 0.1,
) -> Agreement:
    """Match one to one, by class and then the best IoU, the reference's strongest first.

    The reference counts from `min_score`; the other set may be weaker by `slack` and still match,
    so that a score of 0.501 against 0.499 is no miss. Beside the matches, only what reaches
    `min_score` and has no counterpart in the reference at all counts as extra.
    """
    wanted = sorted((d for d in reference if d.score >= min_score), key=lambda d: -d.score)
    weak_reference = [d for d in reference if d.score < min_score]
    left = [d for d in found if d.score >= min_score - slack]
    matched = sum(_take(detection, left, min_iou) for detection in wanted)
    for detection in weak_reference:
        _take(detection, left, min_iou)
    extra = sum(d.score >= min_score for d in left)
    return Agreement(len(wanted), matched, extra)


def _take(detection: Detection, candidates: list[Detection], min_iou: float) -> bool:
    """Remove from `candidates` the one that matches `detection` best; whether there was one."""
    same = [c for c in candidates if c.class_id == detection.class_id]
    if not same:
        return False
    overlap = iou_with(
        np.asarray(detection.box, np.float32), np.asarray([c.box for c in same], np.float32)
    )
    best = int(overlap.argmax())
    if overlap[best] < min_iou:
        return False
    candidates.remove(same[best])
    return True
