"""Decode a model's outputs by its family, as the camera does."""

from __future__ import annotations

from collections.abc import Sequence

from ..detection.decode import (
    SCORE_THRESHOLD,
    Array,
    decode_anchored,
    decode_classes,
    decode_heads,
    decode_rows,
    grouped,
    interleaved,
)
from ..detection.letterbox import Letterbox
from ..detection.types import Detection
from .model import (
    CLASSIFY,
    YOLO11_DETECT,
    YOLO11_POSE,
    YOLO11_SEG,
    YOLO26_DETECT,
    YOLOV5_DETECT,
)

DECODED = frozenset(
    (CLASSIFY, YOLO11_DETECT, YOLO11_POSE, YOLO11_SEG, YOLO26_DETECT, YOLOV5_DETECT)
)
"""The families that `decode_family` can decode."""


def decode_family(
    family: str,
    classes: int,
    labels: Sequence[str],
    outputs: Sequence[Array],
    letterbox: Letterbox,
    score_threshold: float = SCORE_THRESHOLD,
    most: int | None = None,
) -> list[Detection]:
    """Decode float32 outputs to detections in pixels of the letterbox's source picture.

    They are the best `most`, all by default. `classes` is the number of the model's classes.
    Families outside `DECODED` give no detections.
    """
    if family not in DECODED:
        return []
    if family == YOLO11_DETECT:
        return decode_heads(interleaved(outputs), letterbox, labels, score_threshold, most=most)
    if family == YOLO26_DETECT:
        return decode_heads(grouped(outputs), letterbox, labels, score_threshold, most=most)
    if family == YOLOV5_DETECT:
        return decode_anchored(outputs[0], letterbox, labels, score_threshold, most=most)
    if family == CLASSIFY:
        return decode_classes(outputs[0], letterbox, labels, score_threshold)
    return decode_rows(
        outputs[0],
        classes,
        letterbox,
        labels,
        keypoints=family == YOLO11_POSE,
        prototypes=outputs[1] if family == YOLO11_SEG else None,
        score_threshold=score_threshold,
        most=most,
    )
