"""The COCO files are read by the tools that people use, and hold what was measured."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_sets import SIZE, ellipse, labelled_set, marked, random_data, seen
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from recam_deploy.detection.mask import Mask
from recam_deploy.errors import InputError
from recam_deploy.evaluation.accuracy import measure
from recam_deploy.evaluation.coco_files import write_coco_files
from recam_deploy.evaluation.coco_metrics import compressed
from recam_deploy.evaluation.coco_shapes import read_outline
from recam_deploy.evaluation.types import Found, LabelledPicture, Task

FILES = ["cvimodel-shown.json", "cvimodel.json", "float-shown.json", "float.json", "labels.json"]
KINDS: dict[Task, str] = {"detect": "bbox", "segment": "segm", "pose": "keypoints"}
BOX = (10.0, 10.0, 60.0, 50.0)


@pytest.mark.parametrize("task", KINDS)
def test_pycocotools_measures_the_same_from_the_files(task: Task, tmp_path: Path) -> None:
    labelled, found = random_data(task, pictures=12, keypoints=17)
    both = [Found(one, one[1:]) for one in found]
    written = write_coco_files(tmp_path / "coco", labelled, both)
    assert sorted(path.name for path in written) == FILES
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(tmp_path / "coco/labels.json")
        results = json.loads((tmp_path / "coco/cvimodel.json").read_text())
        if task != "detect":  # as COCO's own results are: one form each
            results = [{k: v for k, v in one.items() if k != "bbox"} for one in results]
        evaluator = COCOeval(truth, truth.loadRes(results), KINDS[task])
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    figures = measure(labelled, [one.cvimodel for one in both]).figures
    name = {"detect": "map50_95", "segment": "mask_map50_95", "pose": "pose_map50_95"}[task]
    assert figures[name] == pytest.approx(evaluator.stats[0], abs=1e-6)


@pytest.mark.parametrize("task", KINDS)
def test_what_the_camera_shows_is_a_data_set_with_scores(task: Task, tmp_path: Path) -> None:
    labelled, found = random_data(task, pictures=6)
    write_coco_files(tmp_path, labelled, [Found(one, ()) for one in found])
    with contextlib.redirect_stdout(io.StringIO()):
        shown = COCO(tmp_path / "float-shown.json")
        nothing = COCO(tmp_path / "cvimodel-shown.json")
    expected = sum(one.score > 0.25 for some in found for one in some)
    assert len(shown.anns) == expected > 10
    assert not nothing.anns
    assert len(shown.imgs) == len(nothing.imgs) == 6
    for one in shown.anns.values():
        assert one["score"] > 0.25
        assert one["area"] > 0
        assert one["iscrowd"] == 0
        assert shown.cats[one["category_id"]]["name"]
        if task == "segment":
            assert shown.annToMask(one).sum() == one["area"]
        if task == "pose":
            assert len(one["keypoints"]) == 3 * one["num_keypoints"] == 15
            assert len(shown.cats[one["category_id"]]["keypoints"]) == 5


def test_pictures_are_named_from_the_folder_that_holds_all(tmp_path: Path) -> None:
    labelled = labelled_set([(marked(BOX),)] * 2)
    pictures = [
        LabelledPicture(Path(f"/data/images/{name}"), SIZE, ()) for name in ("a/1.jpg", "b/1.jpg")
    ]
    write_coco_files(tmp_path, replace(labelled, pictures=tuple(pictures)), [Found((), ())] * 2)
    images = json.loads((tmp_path / "labels.json").read_text())["images"]
    assert [one["file_name"] for one in images] == ["a/1.jpg", "b/1.jpg"]
    assert [one["id"] for one in images] == [1, 2]
    assert (images[0]["width"], images[0]["height"]) == SIZE


def test_a_name_that_is_not_utf_8_is_written(tmp_path: Path) -> None:
    picture = LabelledPicture(Path("/data/images/\udcff.jpg"), SIZE, ())
    labelled = replace(labelled_set([()]), pictures=(picture,))
    write_coco_files(tmp_path, labelled, [Found((), ())])
    images = json.loads((tmp_path / "labels.json").read_text())["images"]
    assert images[0]["file_name"] == "\udcff.jpg"


@pytest.mark.parametrize("box", [BOX, (0.0, 0.0, 320.0, 240.0), (300.0, 200.0, 301.0, 201.0)])
def test_compressed_masks_are_read_back(box: tuple[float, float, float, float]) -> None:
    mask = ellipse(box)
    document = compressed(mask)
    assert isinstance(document["counts"], str)
    again = read_outline(document, SIZE)
    assert isinstance(again, Mask)
    assert (again.pixels == mask.pixels).all()


def test_a_classifier_has_no_boxes_to_write(tmp_path: Path) -> None:
    labelled = labelled_set([(marked(BOX),)], "classify")
    with pytest.raises(InputError, match="classifies whole pictures"):
        write_coco_files(tmp_path, labelled, [Found((seen(BOX),), ())])
