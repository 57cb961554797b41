"""Measure an exported ONNX on generated pictures never trained on.

Run `python -m training.evaluate shapes.onnx`. Prints AP at IoU 0.5 of each class, their mean
(mAP50), mAP50-95, and precision and recall at a score of 0.5. With `--draw SHEET.png` and
`--pictures FILE...` it draws the detections over pictures instead.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from PIL import Image, ImageDraw

from .dataset import letterbox
from .shapes import CLASSES, SEEDS, Label, picture

Floats = npt.NDArray[np.float64]

THRESHOLDS = np.arange(0.5, 1.0, 0.05)
_LOWEST_SCORE = 0.001
_SHOWN_SCORE = 0.5


@dataclass(frozen=True)
class Detections:
    """Detections of one picture by falling score: boxes [n,4] corners, scores and classes [n]."""

    boxes: Floats
    scores: Floats
    classes: npt.NDArray[np.int64]


def overlaps(a: Floats, b: Floats) -> Floats:
    """IoU of corner boxes [n,4] and [m,4]: [n,m]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    areas = [(box[:, 2:] - box[:, :2]).prod(-1) for box in (a, b)]
    result: Floats = shared / (areas[0][:, None] + areas[1][None] - shared + 1e-9)
    return result


def suppress(found: Detections, threshold: float = 0.45) -> Detections:
    """Greedy non-maximum suppression within each class."""
    shared = overlaps(found.boxes, found.boxes) > threshold
    shared &= found.classes[:, None] == found.classes[None]
    alive = np.ones(len(found.scores), bool)
    for index in range(len(alive)):
        if alive[index]:
            alive[index + 1 :] &= ~shared[index, index + 1 :]
    return Detections(found.boxes[alive], found.scores[alive], found.classes[alive])


class Model:
    """An exported detector under onnxruntime."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)

    def detect(self, image: Image.Image) -> Detections:
        """Detections in the picture's own pixels, down to a score of 0.001, at most 300."""
        pixels, fit = letterbox(image)
        images = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
        output = np.asarray(self.session.run(None, {"images": images})[0])[0].T.astype(float)
        scores, classes = output[:, 4:].max(1), output[:, 4:].argmax(1)
        order = np.argsort(-scores)
        order = order[scores[order] > _LOWEST_SCORE][:300]
        centres, halves = output[order, :2], output[order, 2:4] / 2
        corners = np.concatenate((centres - halves, centres + halves), 1)
        boxes = (corners - np.array([fit.left, fit.top] * 2)) / fit.scale
        limits = np.array(image.size * 2)
        return suppress(Detections(np.clip(boxes, 0, limits), scores[order], classes[order]))


def hits(found: Detections, labels: list[Label]) -> npt.NDArray[np.bool_]:
    """Which detections are right at each of `THRESHOLDS`: [10,n]; each label counts once."""
    truth = np.array([[box.left, box.top, box.right, box.bottom] for box in labels], float)
    truth_classes = np.array([box.class_id for box in labels])
    shared = overlaps(found.boxes, truth.reshape(-1, 4))
    shared = shared * (found.classes[:, None] == truth_classes[None])
    result = np.zeros((len(THRESHOLDS), len(found.scores)), bool)
    for row, threshold in zip(result, THRESHOLDS, strict=True):
        free = np.ones(len(labels), bool)
        for index, candidates in enumerate(shared):
            best = int((candidates * free).argmax())
            if candidates[best] * free[best] >= threshold:
                row[index], free[best] = True, False
    return result


def average_precision(right: npt.NDArray[np.bool_], scores: Floats, labels: int) -> float:
    """Area under the interpolated precision-recall curve at 101 recalls, as COCO does."""
    order = np.argsort(-scores, kind="stable")
    gained = right[order].cumsum()
    recall = gained / labels
    precision = gained / np.arange(1, len(gained) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, np.linspace(0, 1, 101))
    reached = places < len(envelope)
    return float(np.where(reached, envelope[np.minimum(places, len(envelope) - 1)], 0).mean())


def evaluate(model: Model, split: str, count: int) -> None:
    """Print the metrics over `count` pictures of a split."""
    scores, classes, right = [], [], []
    truth: list[int] = []
    for seed in range(SEEDS[split], SEEDS[split] + count):
        image, labels = picture(seed)
        found = model.detect(image)
        scores.append(found.scores)
        classes.append(found.classes)
        right.append(hits(found, labels))
        truth.extend(label.class_id for label in labels)
    all_scores, all_classes = np.concatenate(scores), np.concatenate(classes)
    all_right, all_truth = np.concatenate(right, 1), np.array(truth)
    table = np.array(
        [
            [
                average_precision(row[all_classes == k], all_scores[all_classes == k], labels_of_k)
                for row in all_right
            ]
            for k, labels_of_k in enumerate(np.bincount(all_truth, minlength=len(CLASSES)))
        ]
    )
    print(f"{count} pictures, {len(all_truth)} shapes, split {split}")
    for name, row in zip(CLASSES, table, strict=True):
        print(f"{name:10} AP50 {row[0]:.4f}  AP50-95 {row.mean():.4f}")
    print(f"{'mean':10} mAP50 {table[:, 0].mean():.4f}  mAP50-95 {table.mean():.4f}")
    shown = all_scores >= _SHOWN_SCORE
    good = int(all_right[0, shown].sum())
    print(
        f"at score {_SHOWN_SCORE}: precision {good / max(1, int(shown.sum())):.4f}, recall "
        f"{good / len(all_truth):.4f}, false {int(shown.sum()) - good}, median score of a hit "
        f"{np.median(all_scores[shown & all_right[0]]):.3f}"
    )


def draw(model: Model, sheet: Path, pictures: list[Path]) -> None:
    """Draw detections over 0.5 on pictures and put these side by side."""
    side, columns = 640, 3
    rows = -(-len(pictures) // columns)
    canvas = Image.new("RGB", (side * columns, side * rows))
    for index, path in enumerate(pictures):
        image = Image.open(path).convert("RGB")
        found = model.detect(image)
        brush = ImageDraw.Draw(image)
        for box, score, class_id in zip(found.boxes, found.scores, found.classes, strict=True):
            if score >= _SHOWN_SCORE:
                brush.rectangle(box.tolist(), outline="red", width=2)
                brush.text(box[:2].tolist(), f"{CLASSES[class_id]} {score:.2f}", fill="white")
        image.thumbnail((side, side))
        canvas.paste(image, (side * (index % columns), side * (index // columns)))
    canvas.save(sheet)


def main() -> None:
    """Print metrics, or draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("onnx", type=Path)
    parser.add_argument("--split", choices=sorted(SEEDS), default="test")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--draw", type=Path, metavar="SHEET.png")
    parser.add_argument("--pictures", type=Path, nargs="+", default=[], help="what to draw over")
    options = parser.parse_args()
    model = Model(options.onnx)
    if options.draw:
        draw(model, options.draw, options.pictures)
    else:
        evaluate(model, options.split, options.count)


if __name__ == "__main__":
    main()
