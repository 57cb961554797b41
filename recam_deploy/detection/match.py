"""Match two sets of detections of the same pictures, and count how many agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .decode import iou_with
from .types import Detection


@dataclass(frozen=True)
class Agreement:
    """Counts of detections over one or more pictures.

    They are the reference's detections, how many of them the other set has too, and how many extra
    ones it has.
    """

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
        """Return the matched share of the reference's detections; 1 when it has none."""
        return self.matched / self.reference if self.reference else 1.0


@dataclass(frozen=True)
class Pairing:
    """The matched detections of one picture.

    `matched` are pairs (reference, found), `missed` detections of the reference alone, `extra`
    detections of the other set alone. `borderline` pairs have a reference below the least score,
    and a found one above it; they are neither matched nor extra.
    """

    matched: tuple[tuple[Detection, Detection], ...] = ()
    borderline: tuple[tuple[Detection, Detection], ...] = ()
    missed: tuple[Detection, ...] = ()
    extra: tuple[Detection, ...] = ()

    @property
    def agreement(self) -> Agreement:
        """Return the counts."""
        matched = len(self.matched)
        return Agreement(matched + len(self.missed), matched, len(self.extra))


def agreement(
    reference: Sequence[Detection],
    found: Sequence[Detection],
    *,
    min_score: float = 0.5,
    min_iou: float = 0.7,
    slack: float = 0.1,
) -> Agreement:
    """Return the counts of `pair`."""
    rules = {"min_score": min_score, "min_iou": min_iou, "slack": slack}
    return pair(reference, found, **rules).agreement


def pair(
    reference: Sequence[Detection],
    found: Sequence[Detection],
    *,
    min_score: float = 0.5,
    min_iou: float = 0.7,
    slack: float = 0.1,
) -> Pairing:
    """Match detections one to one, by class and then the best IoU, the highest scores first.

    The reference's detections count from `min_score`. A match may score less by `slack`, so that
    0.501 against 0.499 is not missed. A detection of the other set is extra only if it reaches
    `min_score` and matches no detection of the reference, whatever that one's score.
    """
    matched, borderline, missed = [], [], []
    left = [d for d in found if d.score >= min_score - slack]
    for detection in sorted((d for d in reference if d.score >= min_score), key=lambda d: -d.score):
        counterpart = _take_match(detection, left, min_iou)
        if counterpart is None:
            missed.append(detection)
        else:
            matched.append((detection, counterpart))
    for detection in (d for d in reference if d.score < min_score):
        counterpart = _take_match(detection, left, min_iou)
        if counterpart is not None and counterpart.score >= min_score:
            borderline.append((detection, counterpart))
    extra = tuple(d for d in left if d.score >= min_score)
    return Pairing(tuple(matched), tuple(borderline), tuple(missed), extra)


def _take_match(
    detection: Detection, candidates: list[Detection], min_iou: float
) -> Detection | None:
    """Remove the best match for `detection` from `candidates` and return it; None without one."""
    same = [c for c in candidates if c.class_id == detection.class_id]
    if not same:
        return None
    overlap = iou_with(
        np.asarray(detection.box, np.float32), np.asarray([c.box for c in same], np.float32)
    )
    best = int(overlap.argmax())
    if overlap[best] < min_iou:
        return None
    candidates.remove(same[best])
    return same[best]
