"""Average precision is that of pycocotools, the reference, to the sixth digit."""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from made_sets import random_data
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from recam_deploy.detection.mask import Mask
from recam_deploy.detection.types import Detection
from recam_deploy.evaluation.accuracy import measure
from recam_deploy.evaluation.coco_metrics import AveragePrecision
from recam_deploy.evaluation.types import LabelledObject, LabelledSet

CLOSE = 1e-6


def by_pycocotools(
    labelled: LabelledSet, found: Sequence[Sequence[Detection]], kind: str, keypoints: int = 0
) -> COCOeval:
    """Evaluate documents that are written here, not by the code under test."""
    images = [
        {"id": n, "width": one.size[0], "height": one.size[1]}
        for n, one in enumerate(labelled.pictures)
    ]
    marks = [(n, one) for n, picture in enumerate(labelled.pictures) for one in picture.objects]
    annotations = [
        {"id": number, "image_id": n, **annotation(one, kind, keypoints)}
        for number, (n, one) in enumerate(marks, 1)
    ]
    categories = [{"id": n, "name": label} for n, label in enumerate(labelled.labels)]
    results = [
        {"image_id": n, "category_id": one.class_id, "score": one.score, **answer(one, kind)}
        for n, some in enumerate(found)
        for one in some
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {}, "images": images, "annotations": annotations, "categories": categories
        }  # fmt: skip
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), kind)
        if kind == "keypoints" and keypoints != 17:
            evaluator.params.kpt_oks_sigmas = np.full(keypoints, 1 / keypoints)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def annotation(one: LabelledObject, kind: str, keypoints: int) -> dict[str, Any]:
    x1, y1, x2, y2 = one.box
    document: dict[str, Any] = {
        "category_id": one.class_id,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": one.area,
        "iscrowd": int(one.crowd),
    }
    if kind == "segm":
        outline = one.outline
        assert outline is not None
        document["segmentation"] = (
            outline.as_json() if isinstance(outline, Mask) else [list(some) for some in outline]
        )
    if kind == "keypoints":
        points = one.keypoints or ((0, 0, 0),) * keypoints
        document["keypoints"] = [value for point in points for value in point]
        document["num_keypoints"] = sum(shown > 0 for _, _, shown in points)
    return document


def answer(one: Detection, kind: str) -> dict[str, Any]:
    x1, y1, x2, y2 = one.box
    if kind == "segm":
        assert one.mask is not None
        runs = one.mask.as_json()
        return {"segmentation": _as_text(runs)}
    if kind == "keypoints":
        return {"keypoints": [value for x, y in one.keypoints for value in (x, y, 1)]}
    return {"bbox": [x1, y1, x2 - x1, y2 - y1]}


def _as_text(runs: dict[str, Any]) -> Any:
    from pycocotools import mask

    return mask.frPyObjects(runs, *runs["size"])


def mean(values: npt.NDArray[np.float64]) -> float:
    return float(values[values > -1].mean())


def check(part: AveragePrecision, reference: COCOeval, categories: int = 3) -> None:
    """Compare every number that is shown with the reference's."""
    precision = reference.eval["precision"][..., 0, -1]
    assert part.map50_95 == pytest.approx(reference.stats[0], abs=CLOSE)
    assert part.map50 == pytest.approx(reference.stats[1], abs=CLOSE)
    assert part.map75 == pytest.approx(reference.stats[2], abs=CLOSE)
    assert len(part.by_class) == categories
    for category, (all_ious, at_50) in part.by_class.items():
        mine = precision[:, :, category - 1]
        assert all_ious == pytest.approx(mean(mine), abs=CLOSE)
        assert at_50 == pytest.approx(mean(mine[0]), abs=CLOSE)
    assert part.curve == pytest.approx(precision[0].mean(axis=1).tolist(), abs=CLOSE)
    assert part.curve75 == pytest.approx(precision[5].mean(axis=1).tolist(), abs=CLOSE)
    # The data is hard enough to tell evaluators apart.
    assert 0.1 < reference.stats[0] < 0.9


@pytest.mark.parametrize("seed", range(4))
def test_boxes_by_class_and_size(seed: int) -> None:
    labelled, found = random_data("detect", seed=seed)
    reference = by_pycocotools(labelled, found, "bbox")
    part = measure(labelled, found).parts["bbox"]
    check(part, reference)
    sizes = [part.by_size[size] for size in ("small", "medium", "large")]
    assert sizes == pytest.approx(reference.stats[3:6].tolist(), abs=CLOSE)


@pytest.mark.parametrize("seed", range(3))
def test_masks(seed: int) -> None:
    labelled, found = random_data("segment", pictures=20, seed=seed)
    accuracy = measure(labelled, found)
    reference = by_pycocotools(labelled, found, "segm")
    check(accuracy.parts["segm"], reference)
    check(accuracy.parts["bbox"], by_pycocotools(labelled, found, "bbox"))
    assert accuracy.figures["mask_map50"] == pytest.approx(reference.stats[1], abs=CLOSE)


@pytest.mark.parametrize("keypoints", [5, 17])
@pytest.mark.parametrize("seed", range(3))
def test_keypoints_of_a_person_and_of_others(seed: int, keypoints: int) -> None:
    labelled, found = random_data("pose", keypoints=keypoints, seed=seed)
    accuracy = measure(labelled, found)
    reference = by_pycocotools(labelled, found, "keypoints", keypoints)
    check(accuracy.parts["keypoints"], reference)
    assert accuracy.figures["pose_map50_95"] == pytest.approx(reference.stats[0], abs=CLOSE)


def test_precision_and_recall_as_the_camera_shows_are_those_of_pycocotools_matches() -> None:
    from recam_deploy.evaluation.accuracy import as_camera

    labelled, found = random_data("detect", pictures=60)
    shown = [[one for one in some if one.score > 0.25] for some in found]
    reference = by_pycocotools(labelled, shown, "bbox")
    right = counted = objects = 0
    for image in (one for one in reference.evalImgs if one and one["aRng"] == [0, 1e5**2]):
        ignored = image["dtIgnore"][0]
        counted += int((~ignored.astype(bool)).sum())
        right += int(((image["dtMatches"][0] > 0) & ~ignored.astype(bool)).sum())
        objects += int((1 - np.asarray(image["gtIgnore"])).sum())
    seen = as_camera(labelled, found)
    assert seen.precision == pytest.approx(right / counted, abs=1e-12)
    assert seen.recall == pytest.approx(right / objects, abs=1e-12)
    assert 0.3 < right / counted < 0.95
