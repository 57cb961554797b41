"""What is to be found in the bundled pictures, and what a document says was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from recam_deploy.detection.types import Detection


def detections(document: dict[str, Any]) -> list[Detection]:
    return [
        Detection(d["class_id"], d["label"], d["score"], tuple(d["box"]))
        for d in document["detections"]
    ]


def truth(picture: Path, names: tuple[str, ...]) -> list[Detection]:
    """The objects that the YOLO label file beside a picture names, as certain detections."""
    width, height = Image.open(picture).size
    found = []
    for line in picture.with_suffix(".txt").read_text().splitlines():
        number, x, y, w, h = line.split()
        cx, cy, dx, dy = float(x), float(y), float(w) / 2, float(h) / 2
        box = ((cx - dx) * width, (cy - dy) * height, (cx + dx) * width, (cy + dy) * height)
        found.append(Detection(int(number), names[int(number)], 1.0, box))
    return found
