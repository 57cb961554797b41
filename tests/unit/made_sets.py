"""Labelled pictures and detections that are made at random, with every hard case of COCO's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from recam_deploy.detection.mask import Mask
from recam_deploy.detection.types import Box, Detection
from recam_deploy.evaluation.types import (
    LabelledObject,
    LabelledPicture,
    LabelledSet,
    Task,
)

LABELS = ("disc", "square", "star")
SIZE = (320, 240)


def labelled_set(
    pictures: Sequence[Sequence[LabelledObject]], task: Task = "detect", **changes: Any
) -> LabelledSet:
    """Pictures of 320×240 pixels with these objects; their files do not exist."""
    made = tuple(
        LabelledPicture(Path(f"/data/images/{number:03}.jpg"), SIZE, tuple(objects))
        for number, objects in enumerate(pictures)
    )
    whole = LabelledSet(Path("/data/shapes"), task, LABELS, made, len(made), "0" * 64, "val")
    return replace(whole, **changes)


def marked(box: Box, class_id: int = 0, **changes: Any) -> LabelledObject:
    """An object with the area of its box."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    return replace(LabelledObject(class_id, box, area), **changes)


def seen(box: Box, score: float = 0.9, class_id: int = 0, **changes: Any) -> Detection:
    """A detection with the name of its class."""
    label = LABELS[class_id] if class_id < len(LABELS) else str(class_id)
    return replace(Detection(class_id, label, score, box), **changes)


def ellipse(box: Box, size: tuple[int, int] = SIZE) -> Mask:
    """The pixels of an ellipse in a box."""
    x1, y1, x2, y2 = box
    across = (np.arange(size[0]) + 0.5 - (x1 + x2) / 2) / max((x2 - x1) / 2, 1)
    down = (np.arange(size[1]) + 0.5 - (y1 + y2) / 2) / max((y2 - y1) / 2, 1)
    return Mask.of(across[None, :] ** 2 + down[:, None] ** 2 <= 1)


def random_data(
    task: Task, *, pictures: int = 40, keypoints: int = 5, seed: int = 7
) -> tuple[LabelledSet, list[tuple[Detection, ...]]]:
    """Objects of all sizes, some in crowds, and detections that are jittered, doubled or invented.

    Some pictures have no object, some no detection, and some objects no keypoint that is marked.
    """
    dice = np.random.default_rng(seed)
    marks, finds = [], []
    for number in range(pictures):
        objects = [
            _random_object(dice, task, keypoints) for _ in range(0 if number % 9 == 4 else 7)
        ]
        detections = [one for thing in objects for one in _attempts(dice, thing, task, keypoints)]
        detections += [
            _seen(dice, _random_box(dice), int(dice.integers(3)), (), task, keypoints)
            for _ in range(int(dice.integers(6)))
        ]
        marks.append(objects)
        kept = [] if number % 9 == 7 else detections
        finds.append(tuple(sorted(kept, key=lambda one: -one.score)))
    return labelled_set(marks, task), finds


def _random_box(dice: np.random.Generator) -> Box:
    width, height = np.exp(dice.uniform(np.log(8), np.log(180), 2))
    x, y = dice.uniform(0, SIZE[0] - width), dice.uniform(0, SIZE[1] - height)
    return float(x), float(y), float(x + width), float(y + height)


def _random_object(dice: np.random.Generator, task: Task, keypoints: int) -> LabelledObject:
    box, crowd = _random_box(dice), bool(dice.random() < 0.08)
    one = marked(box, int(dice.choice(3, p=[0.6, 0.3, 0.1])), crowd=crowd)
    if task == "segment":
        mask = ellipse(box)
        outline = mask if crowd or dice.random() < 0.5 else (_octagon(box),)
        one = replace(one, outline=outline, area=float(mask.area))
    if task == "pose" and dice.random() > 0.1:
        points = tuple(
            (float(x), float(y), int(shown)) if shown else (0.0, 0.0, 0)
            for (x, y), shown in zip(
                dice.uniform(box[:2], box[2:], (keypoints, 2)),
                dice.integers(0, 3, keypoints),
                strict=True,
            )
        )
        one = replace(one, keypoints=points)
    return one


def _octagon(box: Box) -> tuple[float, ...]:
    x1, y1, x2, y2 = box
    turns = np.arange(8) * np.pi / 4
    across = (x1 + x2) / 2 + np.cos(turns) * (x2 - x1) / 2
    down = (y1 + y2) / 2 + np.sin(turns) * (y2 - y1) / 2
    return tuple(np.stack([across, down], axis=1).ravel().tolist())


def _attempts(
    dice: np.random.Generator, one: LabelledObject, task: Task, keypoints: int
) -> list[Detection]:
    """Nought to three detections of an object, of its class for the most part."""
    attempts = []
    for _ in range(int(dice.choice(4, p=[0.15, 0.6, 0.2, 0.05]))):
        x1, y1, x2, y2 = one.box
        off = dice.normal(0, 0.05, 4) * np.tile([x2 - x1, y2 - y1], 2)
        left, top, right, bottom = (np.array(one.box) + off).tolist()
        box = (left, top, max(right, left + 2), max(bottom, top + 2))
        class_id = one.class_id if dice.random() < 0.9 else int(dice.integers(3))
        points = tuple((x, y) for x, y, _ in one.keypoints)
        attempts.append(_seen(dice, box, class_id, points, task, keypoints))
    return attempts


def _seen(
    dice: np.random.Generator,
    box: Box,
    class_id: int,
    near: tuple[tuple[float, float], ...],
    task: Task,
    keypoints: int,
) -> Detection:
    # Scores of few levels, as INT8 gives them, so that many are equal.
    score = round(float(dice.beta(3, 2)) * 64) / 64
    one = seen(box, max(score, 1 / 64), class_id)
    if task == "segment":
        one = replace(one, mask=ellipse(box))
    if task == "pose":
        centres = near or tuple(map(tuple, dice.uniform(box[:2], box[2:], (keypoints, 2))))
        spread = 0.05 * np.array([box[2] - box[0], box[3] - box[1]])
        points = np.array(centres) + dice.normal(0, 1, (keypoints, 2)) * spread
        one = replace(one, keypoints=tuple((float(x), float(y)) for x, y in points))
    return one
