"""Measure how well detections agree with what people marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..detection.types import Detection
from .coco_documents import class_of, ground_truth, keypoint_count, results
from .coco_metrics import AveragePrecision, Compared, average_precision
from .matching import match_all
from .types import LabelledSet, Task

_COMPARED: Mapping[Task, Mapping[str, Compared]] = {
    "classify": {},
    "detect": {"": "bbox"},
    "segment": {"": "bbox", "mask_": "segm"},
    "pose": {"": "bbox", "pose_": "keypoints"},
}
"""What is compared for each task, by the beginning of its figures' names."""


@dataclass(frozen=True)
class Accuracy:
    """How good one model is.

    `figures` are shares from 0 to 1 by name, such as "map50_95" and "map50", "map_small",
    "mask_map50_95", or a classifier's "top1" and "top5"; None where there are no objects. `main`
    names those that count when it is asked how much is lost. `by_class` is the first of them for
    each class. `parts` are the details of each comparison, of "bbox" for instance.
    """

    figures: Mapping[str, float | None]
    main: tuple[str, ...]
    by_class: Mapping[int, float | None]
    parts: Mapping[str, AveragePrecision]

    def as_json(self) -> dict[str, float | None]:
        """Return the figures, rounded."""
        return {name: _rounded(value) for name, value in self.figures.items()}

    def lost_from(self, reference: Accuracy) -> dict[str, float | None]:
        """Return how much less each figure is than that of a reference."""
        return {
            name: _difference(reference.figures[name], self.figures[name]) for name in self.figures
        }

    def worst_loss(self, reference: Accuracy) -> float:
        """Return the largest loss among the main figures."""
        lost = self.lost_from(reference)
        return max((lost[name] or 0.0 for name in self.main), default=0.0)


@dataclass(frozen=True)
class AsCamera:
    """What the user will see, at the camera's own thresholds.

    `precision` is the share of the boxes shown that are right, `recall` the share of the marked
    objects that are shown; None without boxes, or without objects.
    """

    precision: float | None
    recall: float | None

    def as_json(self) -> dict[str, float | None]:
        """Return both, rounded."""
        return {"precision": _rounded(self.precision), "recall": _rounded(self.recall)}


def measure(labelled: LabelledSet, found: Sequence[Sequence[Detection]]) -> Accuracy:
    """Compare the detections of each picture, from SCORE_FLOOR, with its marked objects.

    Raises InputError where the model's keypoints are not those of the data.
    """
    if labelled.task == "classify":
        return _classified(labelled, found)
    truth, listed = ground_truth(labelled), results(labelled, found)
    points = keypoint_count(labelled)
    parts: dict[str, AveragePrecision] = {}
    figures: dict[str, float | None] = {}
    main = []
    for prefix, compared in _COMPARED[labelled.task].items():
        if compared == "keypoints" and not points:
            continue
        part = average_precision(truth, listed, compared, points)
        parts[compared] = part
        figures |= {f"{prefix}map50_95": part.map50_95, f"{prefix}map50": part.map50}
        if not prefix:
            figures |= {"map75": part.map75}
            figures |= {f"map_{size}": value for size, value in part.by_size.items()}
        main.append(f"{prefix}map50_95")
    by_class = {class_of(key): value for key, (value, _) in parts["bbox"].by_class.items()}
    return Accuracy(figures, tuple(main), by_class, parts)


def as_camera(labelled: LabelledSet, found: Sequence[Sequence[Detection]]) -> AsCamera:
    """Count what the camera shows, of scores above its threshold, that is right."""
    matches = match_all(labelled, found)
    right = sum(len(match.found) for match in matches)
    shown = sum(match.detections for match in matches)
    objects = sum(match.objects for match in matches)
    return AsCamera(right / shown if shown else None, right / objects if objects else None)


def _classified(labelled: LabelledSet, found: Sequence[Sequence[Detection]]) -> Accuracy:
    """Count how often the right class is the first, and among the first five."""
    hits = list(_hits(labelled, found))
    by_class = {
        number: _share([first for marked, first, _ in hits if marked == number])
        for number in sorted({marked for marked, _, _ in hits})
    }
    figures = {
        "top1": _share([first for _, first, _ in hits]),
        "top5": _share([five for _, _, five in hits]),
    }
    return Accuracy(figures, ("top1",), by_class, {})


def _hits(
    labelled: LabelledSet, found: Sequence[Sequence[Detection]]
) -> Iterator[tuple[int, bool, bool]]:
    """Yield each picture's class, and whether it is the first, or among the first five."""
    for picture, detections in zip(labelled.pictures, found, strict=True):
        marked = picture.objects[0].class_id
        best = [one.class_id for one in detections if labelled.counts(one.class_id)]
        yield marked, best[:1] == [marked], marked in best[:5]


def _share(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _rounded(value: Any) -> float | None:
    return None if value is None else round(float(value), 6)
