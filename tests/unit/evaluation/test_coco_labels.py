"""COCO's JSON is read with its boxes, outlines, keypoints and crowds, wherever its pictures lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_coco_eval.core import mask as coco_mask
from hypothesis import given
from hypothesis import strategies as st
from labelled_data import coco, opened, put_json, put_picture, put_text

from recam_deploy.detection.mask import Mask
from recam_deploy.errors import InputError, UsageError
from recam_deploy.evaluation.coco_shapes import read_outline
from recam_deploy.evaluation.types import LabelledObject, Task


def objects(tmp_path: Path, task: Task, *annotations: Any) -> tuple[LabelledObject, ...]:
    put_picture(tmp_path / "a.jpg")
    source = put_json(tmp_path / "coco.json", coco(*annotations))
    return opened(source, task).pictures[0].objects


def test_a_box_with_its_area_and_category(tmp_path: Path) -> None:
    found = objects(
        tmp_path,
        "detect",
        {"area": 700.5, "segmentation": [[1, 2, 3, 4, 5, 6]]},
        {"category_id": 90, "iscrowd": 1},
    )
    assert found == (
        LabelledObject(0, (10, 20, 40, 60), 700.5),
        LabelledObject(1, (10, 20, 40, 60), 1200, crowd=True),
    )


@pytest.mark.parametrize(
    ("file", "picture"),
    [
        ("coco.json", "a.jpg"),
        ("coco.json", "images/a.jpg"),
        ("annotations/coco.json", "images/a.jpg"),
        ("annotations/instances_val2017.json", "val2017/a.jpg"),
        ("annotations/instances_val2017.json", "images/val2017/a.jpg"),
        ("instances_val2017.json", "val2017/a.jpg"),
        ("annotations/instances_val.json", "val/a.jpg"),
        ("annotations/instances_val.json", "val2017/a.jpg"),
        ("labels.json", "data/a.jpg"),
        ("coco.json", "../a.jpg"),
    ],
)
def test_pictures_are_found_where_tools_put_them(tmp_path: Path, file: str, picture: str) -> None:
    source = put_json(tmp_path / "set" / file, coco())
    put_picture(tmp_path / "set" / picture)
    assert opened(source).objects == 1


@pytest.mark.parametrize(
    "name", ["sub/a.jpg", "sub\\a.jpg", "/content/drive/a.jpg", "C:\\data\\a.jpg", "./a.jpg"]
)
def test_a_path_of_another_computer_counts_by_its_end(tmp_path: Path, name: str) -> None:
    put_picture(tmp_path / "images" / "a.jpg")
    source = put_json(tmp_path / "coco.json", coco(images=[{"id": 5, "file_name": name}]))
    assert opened(source).objects == 1


def test_a_folder_of_roboflow(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        put_picture(tmp_path / part / "a.jpg")
        put_json(tmp_path / part / "_annotations.coco.json", coco())
    assert opened(tmp_path).part == "val"
    assert opened(tmp_path, split="train").part == "train"
    assert opened(tmp_path / "train").part == "train"
    with pytest.raises(InputError, match="has no part 'test'"):
        opened(tmp_path, split="test")


def test_the_folder_of_coco_itself(tmp_path: Path) -> None:
    put_picture(tmp_path / "val2017" / "a.jpg")
    put_json(tmp_path / "annotations" / "instances_val2017.json", coco())
    put_json(
        tmp_path / "annotations" / "person_keypoints_val2017.json",
        coco({"keypoints": [15, 25, 2], "num_keypoints": 1}),
    )
    put_json(tmp_path / "annotations" / "captions_val2017.json", {})
    assert opened(tmp_path).objects == 1
    (thing,) = opened(tmp_path, "pose").pictures[0].objects
    assert thing.keypoints == ((15, 25, 2),)


def test_polygons_of_several_parts(tmp_path: Path) -> None:
    square, other = [0, 0, 10, 0, 10, 10, 0, 10], [20, 0, 30, 0, 30, 10, 20, 10]
    found = objects(
        tmp_path,
        "segment",
        {"segmentation": [square, other, [1, 1, 2, 2]], "bbox": None},
        {"segmentation": square, "bbox": [0, 0, 10, 10]},
    )
    assert found[0].outline == (tuple(square), tuple(other))
    assert (found[0].box, found[0].area) == ((0, 0, 30, 10), 200)
    assert found[1].outline == (tuple(square),)


def test_run_lengths_as_numbers_and_as_text(tmp_path: Path) -> None:
    pixels = np.zeros((100, 200), bool)
    pixels[20:60, 10:40] = True
    pixels[90, 199] = True
    packed = coco_mask.encode(np.asfortranarray(pixels, np.uint8))
    mask = Mask.of(pixels)
    plain = {"size": [100, 200], "counts": list(mask.counts)}
    text = {"size": [100, 200], "counts": packed["counts"].decode()}
    found = objects(
        tmp_path,
        "segment",
        {"segmentation": plain, "iscrowd": 1, "bbox": [0, 0, 5, 5]},
        {"segmentation": text, "bbox": []},
    )
    assert found[0].outline == found[1].outline == mask
    assert found[0].crowd
    assert (found[1].box, found[1].area) == ((10, 20, 200, 91), 1201)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(1, 40), st.integers(1, 40))
def test_any_mask_in_cocos_text_is_read_as_coco_reads_it(
    seed: int, share: float, width: int, height: int
) -> None:
    pixels = np.random.default_rng(seed).random((height, width)) < share
    packed = coco_mask.encode(np.asfortranarray(pixels, np.uint8))
    value = {"size": [height, width], "counts": packed["counts"].decode()}
    found = read_outline(value, (width, height))
    assert isinstance(found, Mask)
    assert np.array_equal(found.pixels, pixels)


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [100, 200], "counts": [5, 5]},
        {"size": [100, 200], "counts": [30000, -10000]},
        {"size": [200, 100], "counts": [20000]},
        {"size": [100, 200], "counts": "a"},
        {"size": [100, 200], "counts": "é"},
        {"size": [100, 200], "counts": "o" * 500},
        {"size": [100, 200]},
        {"counts": [20000]},
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [[1, 2, 3, 4, 5, "6"]],
        "polygon",
        [1, [2]],
    ],
)
def test_an_outline_that_cannot_be_read_is_left_out(tmp_path: Path, segmentation: Any) -> None:
    good = {"segmentation": [[1, 2, 30, 4, 5, 60]]}
    put_picture(tmp_path / "a.jpg")
    document = coco(good, {"segmentation": segmentation})
    found = opened(put_json(tmp_path / "coco.json", document), "segment")
    assert found.objects == 1
    assert found.passed_over.total() == 1
    assert "coco.json, annotations[1]" in found.problems[0]


def test_people_without_keypoints_stay_with_none_marked(tmp_path: Path) -> None:
    found = objects(
        tmp_path,
        "pose",
        {"keypoints": [1, 2, 2, 0, 0, 0, 7, 8, 1]},
        {"category_id": 90, "keypoints": [0] * 9, "num_keypoints": 0},
        {"bbox": [1, 2, 3, 4]},
    )
    assert found[0].keypoints == ((1, 2, 2), (0, 0, 0), (7, 8, 1))
    assert found[1].keypoints == found[2].keypoints == ((0, 0, 0),) * 3


def test_boxes_alone_are_refused_for_other_tasks(tmp_path: Path) -> None:
    put_picture(tmp_path / "a.jpg")
    source = put_json(tmp_path / "coco.json", coco())
    with pytest.raises(InputError, match="has no keypoints"):
        opened(source, "pose")
    with pytest.raises(InputError, match="box without an outline"):
        opened(source, "segment")
    with pytest.raises(InputError, match="classifies whole pictures"):
        opened(source, "classify")


def test_a_split_is_refused_for_a_single_file(tmp_path: Path) -> None:
    put_picture(tmp_path / "a.jpg")
    source = put_json(tmp_path / "coco.json", coco())
    with pytest.raises(UsageError, match="--split"):
        opened(source, split="val")


def test_labels_for_another_size_of_the_picture_are_left_out(tmp_path: Path) -> None:
    """Also where it is the size before turning: those labels would lie elsewhere."""
    put_picture(tmp_path / "a.jpg")
    put_picture(tmp_path / "b.jpg", (100, 200), orientation=6)
    put_picture(tmp_path / "c.jpg", orientation=6)
    put_picture(tmp_path / "d.jpg", (50, 50))
    images = [
        {"id": place, "file_name": f"{name}.jpg", "width": 200, "height": 100}
        for place, name in enumerate("abcd")
    ]
    document = coco(*({"image_id": number} for number in range(4)), images=images)
    found = opened(put_json(tmp_path / "coco.json", document))
    assert [picture.path.name for picture in found.pictures] == ["a.jpg", "b.jpg"]
    assert found.passed_over == {"other size than the labels say": 2}
    assert "images[2]" in found.problems[0]
    assert "EXIF" in found.problems[0]


def test_what_does_not_fit_together_is_counted_by_reason(tmp_path: Path) -> None:
    put_picture(tmp_path / "a.jpg")
    put_picture(tmp_path / "b.jpg")
    images = [
        {"id": 5, "file_name": "a.jpg"},
        {"id": 6, "file_name": "gone.jpg"},
        {"id": 7, "file_name": "a.jpg"},
        {"id": 8},
        "x",
        {"id": 9, "file_name": "b.jpg"},
    ]
    document = coco(
        {},
        {},  # the same again
        {"image_id": 99},
        {"image_id": [5]},
        {"category_id": 7},
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, "3", 4]},
        {"bbox": [1, 2, float("nan"), 4]},
        {"bbox": [1, 2, 0, 4]},
        {"bbox": [300, 2, 10, 4]},
        "annotation",
        images=images,
    )
    found = opened(put_json(tmp_path / "coco.json", document))
    assert found.objects == 1
    assert len(found.pictures) == 2
    assert found.passed_over == {
        "picture file missing": 3,
        "named twice": 1,
        "label without a picture": 3,
        "marked twice": 1,
        "class number outside": 1,
        "not numbers": 3,
        "without an area": 1,
        "outside of the picture": 1,
    }
    assert len(found.problems) == 8
    assert any("images[1]: 'gone.jpg'" in problem for problem in found.problems)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read as JSON"),
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "not a data set in COCO's format"),
        ('{"images": [], "annotations": [], "categories": []}', "names no pictures"),
        ('{"images": [1], "annotations": [], "categories": []}', "no categories"),
        ('{"images": [1], "annotations": [], "categories": [{"id": 1}]}', "a category"),
        ('{"images": {}, "annotations": [], "categories": []}', "COCO's format"),
    ],
)
def test_other_json_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        opened(put_text(tmp_path / "coco.json", text))


def test_pictures_that_are_nowhere_are_an_error_that_says_where_was_looked(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    put_picture(tmp_path / "images" / "other.jpg")
    with pytest.raises(InputError, match="none of the 1 pictures") as caught:
        opened(put_json(tmp_path / "coco.json", coco()))
    assert str(tmp_path / "images") in caught.value.hint
