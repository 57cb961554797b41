"""Labels of pictures, however malformed: taken, left out with a word, or refused."""

from __future__ import annotations

import json
import math

from hypothesis import example, given
from hypothesis import strategies as st
from label_readers import COCO, YOLO_LABELS, YOLO_YAML, read_coco, read_yolo, read_yolo_yaml
from malformed import damaged, documents, fuzz
from rig import Rig

_WORDS = st.sampled_from(
    ("0", "1", "0.5", ".1", "1.0", "-1", "2", "nan", "inf", "1e999", "x", "\n", "\r", "\0", "\x85")
)


@fuzz
@given(
    st.sampled_from(YOLO_LABELS).flatmap(damaged)
    | st.lists(_WORDS, max_size=60).map(lambda words: " ".join(words).encode())
)
def test_a_label_file_of_yolo(rig: Rig, data: bytes) -> None:
    read_yolo(rig, data)


@fuzz
@given(damaged(YOLO_YAML))
def test_a_data_yaml_with_labels(rig: Rig, data: bytes) -> None:
    read_yolo_yaml(rig, data)


def coco(**changes: object) -> bytes:
    thing = COCO["annotations"][0] | changes
    return json.dumps(COCO | {"annotations": [thing]}).encode()


@fuzz
@example(coco(bbox=[1, 2, 10**400, 4]))
@example(coco(bbox=[1, 2, math.nan, 4], area=math.inf))
@example(coco(segmentation={"size": [10, 20], "counts": "o" * 5000}))
@example(coco(segmentation={"size": [10, 20], "counts": [10**30, -(10**30), 200]}))
@example(coco(keypoints=[0] * 30_000))
@example(coco(image_id="\ud800", category_id=True))
@example(json.dumps(COCO | {"images": [{"id": 1, "file_name": "\0"}]}).encode())
@example(json.dumps(COCO | {"images": [{"id": 1, "file_name": "\ud800"}]}).encode())
@example(json.dumps(COCO | {"images": [{"id": 1, "file_name": "a" * 5000}]}).encode())
@given(documents(COCO))
def test_a_file_of_coco(rig: Rig, data: bytes) -> None:
    read_coco(rig, data)
