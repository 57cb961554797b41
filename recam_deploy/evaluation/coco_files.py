"""Write an evaluation as COCO files, which fiftyone, CVAT and Label Studio open.

`labels.json` is the labelled pictures as a data set. `float.json` and `cvimodel.json` are COCO's
lists of results from SCORE_FLOOR, for fiftyone and every evaluator. CVAT and Label Studio read data
sets alone: `float-shown.json` and `cvimodel-shown.json` are what the camera would show, as such.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..detection.types import Detection
from ..errors import InputError
from ..files import write_atomically
from .coco_documents import Document, frame, ground_truth, keypoint_count, numbered, result, results
from .matching import shown
from .types import Found, LabelledSet


def write_coco_files(
    folder: Path, labelled: LabelledSet, found: Sequence[Found]
) -> tuple[Path, ...]:
    """Write the five files into `folder`, which is made, and return their paths.

    Raises InputError for a classifier, whose pictures have no boxes, and OSError.
    """
    if labelled.task == "classify":
        raise InputError(
            "COCO files are of objects with boxes, and the model classifies whole pictures",
            "Leave the COCO files out.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Any] = {"labels.json": ground_truth(labelled)}
    for name in ("float", "cvimodel"):
        detections = [one.reference if name == "float" else one.cvimodel for one in found]
        files[f"{name}.json"] = results(labelled, detections)
        files[f"{name}-shown.json"] = shown_dataset(labelled, detections)
    paths = []
    for name, document in files.items():
        paths.append(folder / name)
        # Escapes of ASCII: a file name that is not UTF-8 can be written too.
        write_atomically(paths[-1], json.dumps(document, allow_nan=False).encode("ascii"))
    return tuple(paths)


def shown_dataset(labelled: LabelledSet, found: Sequence[Sequence[Detection]]) -> Document:
    """Return what the camera would show as a COCO data set, each annotation with its `score`."""
    annotations: list[Document] = []
    keypoints = keypoint_count(labelled)
    for number, one in numbered(labelled, [shown(labelled, some) for some in found]):
        annotation = {"id": len(annotations) + 1, "image_id": number, **result(one)}
        width, height = annotation["bbox"][2:]
        annotation |= {"area": one.mask.area if one.mask else width * height, "iscrowd": 0}
        if one.keypoints:
            keypoints = len(one.keypoints)
            annotation["num_keypoints"] = keypoints
        annotations.append(annotation)
    return {**frame(labelled, keypoints), "annotations": annotations}
