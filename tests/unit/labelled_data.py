"""Labelled pictures for the tests: files are made where a test says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from recam_deploy.evaluation.data import open_labelled_set
from recam_deploy.evaluation.types import LabelledSet, Task
from recam_deploy.progress import SilentProgress

SIZE = (200, 100)
CLASSES = ("cat", "dog")


def put_picture(path: Path, size: tuple[int, int] = SIZE, orientation: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", size, (90, 120, 30))
    if path.suffix.lower() in (".jpg", ".jpeg"):
        image.save(path, "JPEG", exif=exif.tobytes())
    else:
        image.save(path, "PNG")
    return path


def put_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def put_json(path: Path, document: Any) -> Path:
    return put_text(path, json.dumps(document))


def yolo(folder: Path, labels: dict[str, str | None], extra: str = "") -> Path:
    """A data.yaml with one picture of each name in `val`; None where it has no label file."""
    for name, text in labels.items():
        put_picture(folder / "images" / "val" / f"{name}.jpg")
        if text is not None:
            put_text(folder / "labels" / "val" / f"{name}.txt", text)
    return put_text(folder / "data.yaml", f"val: images/val\nnames: [cat, dog]\n{extra}")


def coco(*annotations: Any, **changes: Any) -> dict[str, Any]:
    """A COCO document with the picture a.jpg, whose categories have gaps in their numbers."""
    listed = [
        {"id": place, "image_id": 5, "category_id": 1, "bbox": [10, 20, 30, 40], **one}
        if isinstance(one, dict)
        else one
        for place, one in enumerate(annotations or ({},))
    ]
    return {
        "images": [{"id": 5, "file_name": "a.jpg", "width": SIZE[0], "height": SIZE[1]}],
        "annotations": listed,
        "categories": [{"id": 1, "name": "cat"}, {"id": 90, "name": "dog"}],
        **changes,
    }


def opened(
    source: Path,
    task: Task = "detect",
    labels: tuple[str, ...] = CLASSES,
    split: str | None = None,
    limit: int | None = None,
) -> LabelledSet:
    return open_labelled_set(
        source, task, labels, split=split, limit=limit, progress=SilentProgress()
    )
