"""Write labelled pictures and detections as COCO's documents, which other tools open.

The same documents are measured and written to files. Numbers of pictures, annotations and
categories begin at 1: some readers take 0 for none, or for the background.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..detection.mask import Mask
from ..detection.types import Detection
from ..errors import InputError
from .coco_metrics import as_sides, compressed
from .types import LabelledObject, LabelledSet

Document = dict[str, Any]

_FIRST = 1


def ground_truth(labelled: LabelledSet) -> Document:
    """Return the labelled pictures as a COCO data set; file names are relative to `data_folder`.

    Raises InputError as `keypoint_count` does.
    """
    keypoints = keypoint_count(labelled)
    annotations: list[Document] = []
    for number, picture in enumerate(labelled.pictures, _FIRST):
        for one in picture.objects:
            annotation = {"id": len(annotations) + _FIRST, "image_id": number}
            annotations.append(annotation | _annotation(labelled, one, keypoints))
    return {**frame(labelled, keypoints), "annotations": annotations}


def frame(labelled: LabelledSet, keypoints: int) -> Document:
    """Return a COCO data set's pictures and classes, with `keypoints` for an object."""
    part = f", {labelled.part}" if labelled.part else ""
    folder = data_folder(labelled)
    more: Document = {}
    if keypoints:
        more = {"keypoints": [str(number + 1) for number in range(keypoints)], "skeleton": []}
    return {
        "info": {"description": f"{labelled.source.name}{part}"},
        "licenses": [],
        "images": [
            {
                "id": number,
                "file_name": Path(os.path.relpath(picture.path, folder)).as_posix(),
                "width": picture.size[0],
                "height": picture.size[1],
            }
            for number, picture in enumerate(labelled.pictures, _FIRST)
        ],
        "categories": [
            {"id": number + _FIRST, "name": name, "supercategory": "", **more}
            for number, name in _evaluated(labelled)
        ],
    }


def data_folder(labelled: LabelledSet) -> Path:
    """Return the innermost folder that holds all pictures."""
    folders = {picture.path.absolute().parent for picture in labelled.pictures}
    return Path(os.path.commonpath(folders)) if folders else labelled.source.absolute()


def keypoint_count(labelled: LabelledSet) -> int:
    """Return how many keypoints an object has; 0 unless they are measured, and some marked.

    Raises InputError where objects have different numbers of them.
    """
    if labelled.task != "pose":
        return 0
    objects = (one for picture in labelled.pictures for one in picture.objects)
    counts = sorted({len(one.keypoints) for one in objects if one.keypoints})
    if len(counts) > 1:
        raise InputError(
            f"some objects of {labelled.source} have {counts[0]} keypoints, others {counts[-1]}",
            "Give labels in which each object has the model's keypoints.",
        )
    return counts[0] if counts else 0


def results(labelled: LabelledSet, found: Sequence[Sequence[Detection]]) -> list[Document]:
    """Return detections, those of each picture, as a COCO list of results.

    Raises InputError as `numbered` does.
    """
    return [{"image_id": number, **result(one)} for number, one in numbered(labelled, found)]


def numbered(
    labelled: LabelledSet, found: Sequence[Sequence[Detection]]
) -> Iterator[tuple[int, Detection]]:
    """Yield the detections that COCO can hold, each with the number of its picture.

    Classes that the data cannot have marked are left out, and so are objects with a keypoint
    nowhere. Raises InputError where the model has another number of keypoints than the data.
    """
    keypoints = keypoint_count(labelled)
    for number, detections in enumerate(found, _FIRST):
        for one in detections:
            if labelled.counts(one.class_id) and _is_usable(one, keypoints):
                yield number, one


def class_of(category_id: int) -> int:
    """Return the class of a COCO category."""
    return category_id - _FIRST


def result(one: Detection) -> Document:
    """Return a detection as a COCO result, without its picture."""
    document: Document = {
        "category_id": one.class_id + _FIRST,
        "score": one.score,
        "bbox": as_sides(one.box),
    }
    if one.mask:
        document["segmentation"] = compressed(one.mask)
    if one.keypoints:
        document["keypoints"] = [value for x, y in one.keypoints for value in (x, y, 2)]
    return document


def _is_usable(one: Detection, keypoints: int) -> bool:
    """Say whether all keypoints are somewhere: neither endless nor not a number."""
    if keypoints and len(one.keypoints) != keypoints:
        raise InputError(
            f"the model finds {len(one.keypoints)} keypoints an object, the data has {keypoints}",
            "Give data with the keypoints that the model was trained for.",
        )
    return all(math.isfinite(value) for point in one.keypoints for value in point)


def _evaluated(labelled: LabelledSet) -> Iterator[tuple[int, str]]:
    for number, name in enumerate(labelled.labels):
        if labelled.counts(number):
            yield number, name


def _annotation(labelled: LabelledSet, one: LabelledObject, keypoints: int) -> Document:
    document: Document = {
        "category_id": one.class_id + _FIRST,
        "bbox": as_sides(one.box),
        "area": one.area,
        "iscrowd": int(one.crowd),
    }
    if isinstance(one.outline, Mask):
        document["segmentation"] = compressed(one.outline)
    elif one.outline:
        document["segmentation"] = [*map(list, one.outline)]
    elif labelled.task == "segment":
        x1, y1, x2, y2 = one.box
        document["segmentation"] = [[x1, y1, x2, y1, x2, y2, x1, y2]]
    if keypoints:
        # The evaluator passes over an object of which no keypoint is marked.
        points = one.keypoints or ((0.0, 0.0, 0),) * keypoints
        document["keypoints"] = [value for point in points for value in point]
        document["num_keypoints"] = sum(shown > 0 for _, _, shown in points)
    return document
