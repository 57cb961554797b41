"""The readers of labelled pictures: YOLO's label files and data.yaml, COCO's JSON."""

from __future__ import annotations

import io
import json
import shutil
from typing import Any

from PIL import Image
from rig import Rig, nothing_but_refusals

from recam_deploy.evaluation.data import open_labelled_set
from recam_deploy.evaluation.types import LabelledSet
from recam_deploy.progress import SilentProgress

_SIZE = (20, 10)
_MODEL = ("cat", "dog")

YOLO_LABELS = (
    b"0 0.5 0.5 0.1 0.2\n1 1e-1 .2 .3 .4\r\n",
    b"1 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5\n",
    b"0 .5 .5 .2 .2 .5 .5 2 .25 .5 1\n0 .5 .5 .2 .2 .5 .5 0 -1 .5 2\n",
)
YOLO_YAML = b"val: images/val\nkpt_shape: [2, 3]\nnames: {0: cat, 1: dog}\n"
COCO: dict[str, Any] = {
    "images": [
        {"id": 1, "file_name": "a.jpg", "width": 20, "height": 10},
        {"id": "b", "file_name": "gone\\b.jpg"},
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 3,
            "bbox": [1, 2, 3.5, 4],
            "area": 14,
            "iscrowd": 0,
            "segmentation": [[1, 2, 4, 2, 4, 6]],
            "keypoints": [1, 2, 2, 0, 0, 0],
        },
        {"image_id": 1, "category_id": 3, "segmentation": {"size": [10, 20], "counts": "0\\6"}},
        {"image_id": 1, "category_id": 9, "segmentation": {"size": [10, 20], "counts": [0, 200]}},
    ],
    "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "Dog"}],
}


def _picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", _SIZE).save(stream, "JPEG")
    return stream.getvalue()


_PICTURE = _picture()


def _check(found: LabelledSet) -> None:
    """What every reader of labels promises."""
    assert found.objects
    assert len(found.digest) == 64
    for picture in found.pictures:
        assert picture.size == _SIZE
        for thing in picture.objects:
            left, top, right, bottom = thing.box
            assert left < right
            assert top < bottom
            assert 0 < thing.area < 1e19
            assert 0 <= thing.class_id < len(found.labels)
            assert (thing.outline is not None) == (found.task == "segment")
            assert all(seen in (0, 1, 2) for _, _, seen in thing.keypoints)
            assert found.task != "pose" or thing.keypoints


def read_yolo(rig: Rig, labels: bytes, described: bytes = YOLO_YAML) -> None:
    """Label files of a data.yaml, and of a plain folder."""
    base = rig.folder / "yolo"
    shutil.rmtree(base, ignore_errors=True)
    for folder in ("images", "labels"):
        (base / folder / "val").mkdir(parents=True)
    for name, data in (("a", labels), ("b", YOLO_LABELS[0])):
        (base / "images" / "val" / f"{name}.jpg").write_bytes(_PICTURE)
        (base / "labels" / "val" / f"{name}.txt").write_bytes(data)
    source = base / "data.yaml"
    source.write_bytes(described)
    for task in ("detect", "segment", "pose"):
        for place in (source, base / "images"):
            for names in (_MODEL, ()):
                with nothing_but_refusals():
                    _check(
                        open_labelled_set(
                            place, task, names, split=None, limit=None, progress=SilentProgress()
                        )
                    )


def read_yolo_yaml(rig: Rig, described: bytes) -> None:
    """A data.yaml, with labels that are right."""
    read_yolo(rig, YOLO_LABELS[0], described)


def read_coco(rig: Rig, data: bytes) -> None:
    """A COCO file beside a picture."""
    base = rig.folder / "coco"
    base.mkdir(exist_ok=True)
    (base / "a.jpg").write_bytes(_PICTURE)
    source = base / "instances_val.json"
    source.write_bytes(data)
    for task in ("detect", "segment", "pose"):
        with nothing_but_refusals():
            _check(
                open_labelled_set(
                    source, task, _MODEL, split=None, limit=None, progress=SilentProgress()
                )
            )


COCO_SEEDS = (json.dumps(COCO).encode(), json.dumps(COCO, indent=1).encode())
