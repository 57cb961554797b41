"""Measure an exported ONNX on generated pictures never trained on.

Run `python -m training.evaluate FAMILY MODEL.onnx`. Prints, as JSON, AP at IoU 0.5 of each class
and from 0.5 to 0.95, precision and recall at a score of 0.5, and what the task adds: how far key
points are off, the AP of masks; of a classifier how often it is right.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from .dataset import area, crop, extremes
from .exported import Exported
from .families import FAMILIES, Family
from .metrics import Bools, Floats, Tally, mask_overlaps, overlaps
from .shapes import SEEDS, Label, picture

_SHOWN_SCORE = 0.5


def evaluate(family: Family, path: Path, count: int, split: str = "test") -> dict[str, Any]:
    """Measure what a model finds in `count` pictures of a split."""
    model = Exported(family, path)
    seeds = range(SEEDS[split], SEEDS[split] + count)
    return _accuracy(model, seeds) if family.task == "classify" else _detection(model, seeds)


def _accuracy(model: Exported, seeds: range) -> dict[str, Any]:
    right, scores = [], []
    for seed in seeds:
        image, labels = picture(seed)
        if labels:
            cut, label = crop(image, labels, seed)
            found = model.classify(cut)
            right.append(int(found.argmax()) == label.class_id)
            scores.append(float(found.max()))
    return {
        "pictures": len(right),
        "accuracy": round(float(np.mean(right)), 4),
        "median_score": round(float(np.median(scores)), 3),
    }


def _detection(model: Exported, seeds: range) -> dict[str, Any]:
    family = model.family
    tally, mask_tally, off, shapes = Tally(), Tally(), list[float](), 0
    for seed in seeds:
        image, labels = picture(seed)
        found = model.detect(image)
        boxes = np.array([[b.left, b.top, b.right, b.bottom] for b in labels]).reshape(-1, 4)
        truth = np.array([b.class_id for b in labels], np.int64)
        if family.task == "pose":
            truth = np.zeros_like(truth)
        shared = overlaps(found.boxes, boxes)
        tally.add(found, shared, truth)
        shapes += len(labels)
        if found.points is not None:
            off += _points_off(found.points, found.scores, shared, labels, image.size)
        if found.masks is not None:
            mask_tally.add(found, mask_overlaps(found.masks, _drawn(labels, image.size)), truth)
    precision, recall, median = tally.at(_SHOWN_SCORE)
    result: dict[str, Any] = {
        "pictures": len(seeds),
        "shapes": shapes,
        **_averages(tally, family),
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "median_score": round(median, 3),
    }
    if family.task == "pose":
        result["points_off_share_of_box"] = round(float(np.mean(off)), 3)
    if family.task == "segment":
        result["masks"] = _averages(mask_tally, family)
    return result


def _averages(tally: Tally, family: Family) -> dict[str, Any]:
    table = tally.table()
    means = np.mean(list(table.values()), axis=0)
    return {
        "map50": round(float(means[0]), 3),
        "map50_95": round(float(means[1]), 3),
        "ap50": {family.classes[kind]: round(pair[0], 3) for kind, pair in table.items()},
    }


def _points_off(
    points: Floats, scores: Floats, shared: Floats, labels: list[Label], size: tuple[int, int]
) -> list[float]:
    """Return the mean distances between found and true points, of the detections shown.

    They are in sides of the box.
    """
    result = []
    for place in np.flatnonzero(scores >= _SHOWN_SCORE):
        if labels and shared[place].max() >= 0.5:
            label = labels[int(shared[place].argmax())]
            wanted = extremes(label, size)
            seen = wanted[:, 2] > 0
            far = np.linalg.norm(points[place, :, :2] - wanted[:, :2], axis=1)[seen]
            result += (far / np.sqrt(area(label))).tolist()
    return result


def _drawn(labels: list[Label], size: tuple[int, int]) -> Bools:
    """Return the mask of each shape, [m,h,w], without what later ones hide."""
    canvas = Image.new("L", size)
    draw = ImageDraw.Draw(canvas)
    for number, label in enumerate(labels, 1):
        draw.polygon(label.outline.ravel().tolist(), fill=number)
    seen = np.asarray(canvas)
    return np.array([seen == number for number in range(1, len(labels) + 1)]).reshape(
        -1, *seen.shape
    )


def main() -> None:
    """Print the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("onnx", type=Path)
    parser.add_argument("--split", choices=sorted(SEEDS), default="test")
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args()
    family = FAMILIES[options.family]
    print(json.dumps(evaluate(family, options.onnx, options.count, options.split), indent=2))


if __name__ == "__main__":
    main()
