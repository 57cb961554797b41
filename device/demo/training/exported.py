"""Run an exported model under onnxruntime; read its output by its family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from .dataset import EXTREMES, MASK_STRIDE, Letterbox, letterbox
from .families import Family
from .heads import PROTOTYPES
from .metrics import Bools, Floats, Found, suppress

_LOWEST_SCORE = 0.001
_MOST = 100
MASK_THRESHOLD = 0.5
"""Of the sum of prototypes itself: the camera takes no sigmoid of it."""


class Exported:
    """An ONNX file that `training.export` wrote."""

    def __init__(self, family: Family, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        self.family = family

    def classify(self, image: Image.Image) -> Floats:
        """Return the score of each class, of a classifier."""
        (scores,) = self._run(image)[0][0]
        return np.asarray(scores)

    def detect(self, image: Image.Image) -> Found:
        """Return detections in the picture's own pixels, down to a score of 0.001, at most 100."""
        outputs, fit = self._run(image)
        rows = self._rows(outputs[0][0])
        order = np.argsort(-rows.scores, kind="stable")
        order = order[rows.scores[order] > _LOWEST_SCORE][:300]
        kept = rows.chosen(order)
        if self.family.style != "one-to-one":
            kept = suppress(kept)
        kept = kept.chosen(np.arange(min(_MOST, len(kept.scores))))
        moved = np.array([fit.left, fit.top])
        boxes = np.clip((kept.boxes - np.tile(moved, 2)) / fit.scale, 0, np.tile(image.size, 2))
        points = kept.points
        if points is not None and self.family.task == "pose":
            points = points.reshape(-1, EXTREMES, 3)
            points[..., :2] = (points[..., :2] - moved) / fit.scale
            return Found(boxes, kept.scores, kept.classes, points=points)
        if points is not None and self.family.task == "segment":
            masks = _masks(points, outputs[1][0], fit, boxes, image.size)
            return Found(boxes, kept.scores, kept.classes, masks=masks)
        return Found(boxes, kept.scores, kept.classes)

    def _run(self, image: Image.Image) -> tuple[list[Floats], Letterbox]:
        pixels, fit = letterbox(image, self.family.size)
        images = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255
        outputs = self.session.run(None, {"images": images})
        return [np.asarray(output, np.float64) for output in outputs], fit

    def _rows(self, output: Floats) -> Found:
        """Return every row of an output: corners in pixels of the input, scores, classes.

        What a task adds takes the place of the points.
        """
        if self.family.style == "one-to-one":
            return Found(output[:, :4], output[:, 4], output[:, 5].astype(np.int64))
        if self.family.style == "anchors":
            scores, extra = output[:, 4:5] * output[:, 5:], None
        else:
            output = output.T
            last = 4 + len(self.family.classes)
            scores, extra = output[:, 4:last], output[:, last:]
        centres, halves = output[:, :2], output[:, 2:4] / 2
        corners = np.concatenate((centres - halves, centres + halves), 1)
        return Found(corners, scores.max(1), scores.argmax(1), points=extra)


def _masks(
    weights: Floats, prototypes: Floats, fit: Letterbox, boxes: Floats, size: tuple[int, int]
) -> Bools:
    """Return masks [n,h,w] in a picture of `size` (width, height), each inside its box."""
    width, height = size
    cells = prototypes.shape[1]
    side = fit.scale / MASK_STRIDE
    column = (
        ((np.arange(width) + 0.5) * side + fit.left / MASK_STRIDE).astype(int).clip(0, cells - 1)
    )
    row = ((np.arange(height) + 0.5) * side + fit.top / MASK_STRIDE).astype(int).clip(0, cells - 1)
    sums = np.tensordot(weights.reshape(-1, PROTOTYPES), prototypes, axes=1)
    masks: Bools = (sums > MASK_THRESHOLD)[:, row[:, None], column]
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask &= (x >= left) & (x < right) & (y >= top) & (y < bottom)
    return masks
