"""Decode the outputs of YOLO models as the camera does.

The arithmetic is that of SSCMA-Micro `sscma/core/model/` (`ma_model_yolo11.cpp`,
`ma_model_yolo26.cpp`, `ma_model_yolo11_pose.cpp`, `ma_model_yolo11_seg.cpp`, `ma_model_yolov5.cpp`)
for float32 outputs, with its non-maximum suppression (`sscma/core/utils/ma_nms.cpp`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .letterbox import Letterbox
from .mask import Bitmap, Mask
from .types import Box, Detection

Array: TypeAlias = npt.NDArray[np.float32]

SCORE_THRESHOLD = 0.25
"""The camera's default for detectors (`ma_model_detector.cpp`)."""
IOU_THRESHOLD = 0.45
MASK_THRESHOLD = 0.5
"""Of the weighted sum of prototypes itself: the camera applies no sigmoid to it."""
DFL_BINS = 16
STRIDES = (8, 16, 32)


def decode_heads(
    heads: Sequence[tuple[Array, Array]],
    letterbox: Letterbox,
    labels: Sequence[str],
    score_threshold: float = SCORE_THRESHOLD,
    iou_threshold: float = IOU_THRESHOLD,
    most: int | None = None,
) -> list[Detection]:
    """Decode three heads to detections, best first, in pixels of the letterbox's source picture.

    `heads` are the box [1, 64, g, g] (DFL) or [1, 4, g, g] (plain distances) and class logits
    [1, nc, g, g] for strides 8, 16 and 32, for one letterboxed picture. Detections that are wholly
    in the letterbox's padding are left out.
    """
    boxes, scores, classes = [], [], []
    for (box_head, class_head), stride in zip(heads, STRIDES, strict=True):
        scale = _decode_scale(box_head[0], class_head[0], stride, score_threshold)
        boxes.append(scale[0])
        scores.append(scale[1])
        classes.append(scale[2])
    candidates = _Candidates(np.concatenate(boxes), np.concatenate(scores), np.concatenate(classes))
    return candidates.best(letterbox, labels, iou_threshold, most)


def interleaved(outputs: Sequence[Array]) -> list[tuple[Array, Array]]:
    """Pair the heads of outputs in which box and class tensors alternate."""
    return list(zip(outputs[0::2], outputs[1::2], strict=True))


def grouped(outputs: Sequence[Array]) -> list[tuple[Array, Array]]:
    """Pair the heads of outputs in which all box tensors come before all class tensors."""
    half = len(outputs) // 2
    return list(zip(outputs[:half], outputs[half:], strict=True))


def decode_anchored(
    output: Array,
    letterbox: Letterbox,
    labels: Sequence[str],
    score_threshold: float = SCORE_THRESHOLD,
    iou_threshold: float = IOU_THRESHOLD,
    most: int | None = None,
) -> list[Detection]:
    """Decode YOLOv5's output [1, 3N, 5 + classes] or [1, 3N, 5 + classes, 1].

    Each of the 3N rows holds a box's centre and size as fractions of the input, its objectness, and
    the classes' scores. The camera's score is the objectness alone.
    """
    rows = output.reshape(output.shape[1], output.shape[2])
    rows = rows[rows[:, 4] > score_threshold]
    size = np.array(letterbox.target, np.float32)
    centre, half = rows[:, 0:2] * size, rows[:, 2:4] * size / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    candidates = _Candidates(boxes, rows[:, 4], rows[:, 5:].argmax(axis=1))
    return candidates.best(letterbox, labels, iou_threshold, most)


def decode_rows(
    output: Array,
    classes: int,
    letterbox: Letterbox,
    labels: Sequence[str],
    *,
    keypoints: bool = False,
    prototypes: Array | None = None,
    score_threshold: float = SCORE_THRESHOLD,
    iou_threshold: float = IOU_THRESHOLD,
    most: int | None = None,
) -> list[Detection]:
    """Decode an output [1, 4 + classes + rest, N] or [1, 4 + classes + rest, N, 1].

    Each of the N columns holds a box's centre and size in input pixels, the scores, and more: with
    `keypoints`, x, y and visibility of each point; with `prototypes` [1, P, h, w], the P weights of
    their sum, which is the object's mask.
    """
    rows = output.reshape(output.shape[1], -1)
    scores = rows[4 : 4 + classes]
    kept = scores.max(axis=0) > score_threshold
    centre, size = rows[:2, kept], rows[2:4, kept]
    boxes = np.concatenate([centre - size / 2, centre + size / 2]).T.astype(np.float32)
    rest = rows[4 + classes :, kept].T
    candidates = _Candidates(
        boxes,
        scores[:, kept].max(axis=0),
        scores[:, kept].argmax(axis=0),
        points=rest.reshape(len(rest), rest.shape[1] // 3, 3) if keypoints else None,
        masks=None if prototypes is None else _Masks(rest, prototypes[0]),
        per_class=True,
    )
    return candidates.best(letterbox, labels, iou_threshold, most)


def decode_classes(
    output: Array, letterbox: Letterbox, labels: Sequence[str], score_threshold: float
) -> list[Detection]:
    """Return the best class of an output [1, nc, ...] of scores, with the whole picture as box."""
    scores = output.ravel()
    best = int(scores.argmax())
    if not scores[best] >= score_threshold:  # so that NaN is no detection, as for boxes
        return []
    width, height = letterbox.source
    box = (0.0, 0.0, float(width), float(height))
    return [Detection(best, _label(labels, best), float(scores[best]), box)]


@dataclass(frozen=True)
class _Masks:
    """The parts of masks: `weights` [n, P], and `prototypes` [P, h, w] over the whole input."""

    weights: Array
    prototypes: Array

    def on_source(self, index: int, corners: Array, letterbox: Letterbox) -> Mask:
        """Compute the mask of candidate `index` in its box, `corners` in input pixels.

        As on the camera, it consists of whole cells of the prototypes' grid, and the box's sides
        are truncated to whole cells. A pixel belongs to the object if its centre is in such a cell.
        """
        total = np.tensordot(self.weights[index], self.prototypes, axes=1)
        height, width = total.shape
        across, down = letterbox.target[0] / width, letterbox.target[1] / height
        left, top, right, bottom = np.trunc(corners / np.tile([across, down], 2))
        columns, rows = np.arange(width), np.arange(height)
        inside = (columns >= left) & (columns < right)
        cells: Bitmap = (
            (total > MASK_THRESHOLD) & inside & ((rows >= top) & (rows < bottom))[:, None]
        )
        x, y = (np.arange(side) + 0.5 for side in letterbox.source)
        column = ((x * letterbox.scale + letterbox.left) / across).astype(int)
        row = ((y * letterbox.scale + letterbox.top) / down).astype(int)
        return Mask.of(cells[row[:, None], column])


@dataclass(frozen=True)
class _Candidates:
    """The detections above the threshold, before suppression.

    `boxes` are corners [n, 4] in input pixels; scores and classes are [n]. `points` are keypoints
    [n, K, 3]; they and `masks` are None for models without them.
    """

    boxes: Array
    scores: Array
    classes: npt.NDArray[np.int64]
    points: Array | None = None
    masks: _Masks | None = None
    per_class: bool = False
    """Suppress within a class only, as the camera does for pose and segmentation alone."""

    def best(
        self, letterbox: Letterbox, labels: Sequence[str], iou_threshold: float, most: int | None
    ) -> list[Detection]:
        """Return the first `most` that remain after suppression and are on the picture."""
        compared = _as_compared(self.boxes)
        if self.per_class and len(compared):
            compared = compared + (self.classes * compared.max() * 2)[:, None].astype(np.float32)
        kept = suppress(compared, self.scores, iou_threshold)
        found = (self._detection(index, letterbox, labels) for index in kept)
        return list(islice((one for one in found if one.visible), most))

    def _detection(self, index: int, letterbox: Letterbox, labels: Sequence[str]) -> Detection:
        class_id = int(self.classes[index])
        corners = self.boxes[index]
        points = [] if self.points is None else self.points[index]
        return Detection(
            class_id=class_id,
            label=_label(labels, class_id),
            score=float(self.scores[index]),
            box=letterbox.to_source(_box(corners)),
            keypoints=tuple(letterbox.point_to_source(float(x), float(y)) for x, y, _ in points),
            mask=self.masks.on_source(index, corners, letterbox) if self.masks else None,
        )


def _box(corners: Array) -> Box:
    x1, y1, x2, y2 = (float(side) for side in corners)
    return x1, y1, x2, y2


def _label(labels: Sequence[str], class_id: int) -> str:
    return labels[class_id] if class_id < len(labels) else str(class_id)


def _decode_scale(
    boxes: Array, logits: Array, stride: int, threshold: float
) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Decode one scale to corner boxes [n, 4] in input pixels, scores [n] and classes [n]."""
    best = logits.max(axis=0)
    rows, columns = np.nonzero(best > np.log(threshold / (1 - threshold)))
    left, top, right, bottom = cell_distances(boxes[:, rows, columns].astype(np.float32))
    x, y = columns + 0.5, rows + 0.5
    corners = np.stack([x - left, y - top, x + right, y + bottom], axis=1) * stride
    scores = 1 / (1 + np.exp(-best[rows, columns]))
    classes = logits[:, rows, columns].argmax(axis=0)
    return corners.astype(np.float32), scores.astype(np.float32), classes


def cell_distances(values: Array) -> Array:
    """Return the four sides' distances [4, n] in grid cells, from [4, n] or the DFL's [64, n]."""
    if values.shape[0] == 4:
        return values
    bins = values.reshape(4, DFL_BINS, -1)
    bins = np.exp(bins - bins.max(axis=1, keepdims=True))
    steps = np.arange(DFL_BINS, dtype=np.float32)[None, :, None]
    expected: Array = (bins * steps).sum(axis=1) / bins.sum(axis=1)
    return expected


def _as_compared(boxes: Array) -> Array:
    """Move corner boxes by half their size, as the camera's suppression compares them.

    It takes a box's centre for its top left corner (`compute_iou` on centre boxes). The overlap of
    boxes of one size stays the same, that of others changes a little.
    """
    return np.asarray(boxes + np.tile((boxes[:, 2:] - boxes[:, :2]) / 2, 2), np.float32)


def suppress(boxes: Array, scores: Array, iou_threshold: float) -> Iterator[int]:
    """Yield the indices that remain after non-maximum suppression across classes, best first."""
    order = np.argsort(-scores, kind="stable")
    while order.size:
        best, rest = order[0], order[1:]
        yield int(best)
        order = rest[iou_with(boxes[best], boxes[rest]) <= iou_threshold]


def iou_with(box: Array, others: Array) -> Array:
    """Compute the intersection over union of one corner box [4] with `others` [n, 4]: [n]."""
    top_left = np.maximum(box[:2], others[:, :2])
    bottom_right = np.minimum(box[2:], others[:, 2:])
    inside = np.clip(bottom_right - top_left, 0, None).prod(axis=1)
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    own = (box[2] - box[0]) * (box[3] - box[1])
    union: Array = areas + own - inside
    result: Array = np.divide(inside, union, out=np.zeros_like(union), where=union > 0)
    return result
