"""Write labelled pictures and detections as COCO's documents, which other tools open."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from ..detection.mask import Mask
from ..detection.types import Box, Detection
from .types import LabelledObject, LabelledSet

Document = dict[str, Any]

# Class numbers begin at 0, COCO's categories at 1: some readers take 0 for the background.
_FIRST = 1


def ground_truth(labelled: LabelledSet) -> Document:
    """Return the labelled pictures as a COCO data set; file names are relative to the data."""
    root = labelled.source if labelled.source.is_dir() else labelled.source.parent
    images: list[Document] = []
    annotations: list[Document] = []
    for number, picture in enumerate(labelled.pictures):
        width, height = picture.size
        name = os.path.relpath(picture.path, root)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for one in picture.objects:
            annotation = {"id": len(annotations) + 1, "image_id": number, **_annotation(one)}
            annotations.append(annotation)
    return {
        "info": {"description": labelled.source.name},
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number + _FIRST, "name": name} for number, name in _evaluated(labelled)
        ],
    }


def results(labelled: LabelledSet, found: Sequence[Sequence[Detection]]) -> list[Document]:
    """Return detections, those of each picture, as a COCO list of results.

    Classes that the data cannot have marked are left out.
    """
    known = dict(_evaluated(labelled))
    return [
        {"image_id": number, **_result(one)}
        for number, detections in enumerate(found)
        for one in detections
        if one.class_id in known
    ]


def class_of(category_id: int) -> int:
    """Return the class of a COCO category."""
    return category_id - _FIRST


def _evaluated(labelled: LabelledSet) -> Iterator[tuple[int, str]]:
    for number, name in enumerate(labelled.labels):
        if labelled.evaluated is None or number in labelled.evaluated:
            yield number, name


def _annotation(one: LabelledObject) -> Document:
    document: Document = {
        "category_id": one.class_id + _FIRST,
        "bbox": _sides(one.box),
        "area": one.area,
        "iscrowd": int(one.crowd),
    }
    if one.outline is not None:
        document["segmentation"] = (
            one.outline.as_json() if isinstance(one.outline, Mask) else [*map(list, one.outline)]
        )
    if one.keypoints:
        document["keypoints"] = [value for point in one.keypoints for value in point]
        document["num_keypoints"] = sum(shown > 0 for _, _, shown in one.keypoints)
    return document


def _result(one: Detection) -> Document:
    document: Document = {
        "category_id": one.class_id + _FIRST,
        "score": one.score,
        "bbox": _sides(one.box),
    }
    if one.mask:
        document["segmentation"] = one.mask.as_json()
    if one.keypoints:
        document["keypoints"] = [value for x, y in one.keypoints for value in (x, y, 2)]
    return document


def _sides(box: Box) -> list[float]:
    """Convert corners to COCO's x, y, width and height."""
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1]
