"""Labels of YOLO are read from wherever Ultralytics, Roboflow and annotation tools put them."""

from __future__ import annotations

from pathlib import Path

import pytest
from labelled_data import opened, put_picture, put_text, yolo

from recam_deploy.errors import InputError
from recam_deploy.evaluation.splits import ON_TRAINING_PICTURES

BOX = "1 0.5 0.5 0.1 0.2\n"


def test_a_box_is_in_pixels_of_the_picture(tmp_path: Path) -> None:
    found = opened(yolo(tmp_path, {"a": BOX}))
    (picture,) = found.pictures
    (thing,) = picture.objects
    assert picture.size == (200, 100)
    assert thing.class_id == 1
    assert thing.box == pytest.approx((90, 40, 110, 60))
    assert thing.area == pytest.approx(400)
    assert (found.part, found.of, found.objects, found.problems) == ("val", 1, 1, ())
    assert found.labels == ("cat", "dog")
    assert found.evaluated is None


def test_a_picture_that_is_turned_by_its_exif_data_has_its_upright_size(tmp_path: Path) -> None:
    source = yolo(tmp_path, {"a": BOX})
    put_picture(tmp_path / "images" / "val" / "a.jpg", orientation=6)
    (picture,) = opened(source).pictures
    assert picture.size == (100, 200)
    assert picture.objects[0].box == pytest.approx((45, 80, 55, 120))


@pytest.mark.parametrize(
    ("picture", "label"),
    [
        ("images/val/a.jpg", "labels/val/a.txt"),
        ("images/images/a.jpg", "images/labels/a.txt"),
        ("val/images/a.jpg", "val/labels/a.txt"),
        ("val/a.jpg", "val/a.txt"),
        ("val/a.jpg", "labels/val/a.txt"),
        ("val/a.jpg", "val/labels/a.txt"),
        ("val/a.b.jpg", "val/a.b.txt"),
    ],
)
def test_labels_are_found_where_tools_put_them(tmp_path: Path, picture: str, label: str) -> None:
    put_picture(tmp_path / picture)
    put_text(tmp_path / label, BOX)
    folder = Path(picture).parent
    assert (
        opened(put_text(tmp_path / "data.yaml", f"val: {folder}\nnames: [cat, dog]")).objects == 1
    )
    (tmp_path / "data.yaml").unlink()
    assert opened(tmp_path).objects == 1


def test_the_root_of_a_data_set_is_its_data_yaml(tmp_path: Path) -> None:
    put_picture(tmp_path / "valid" / "images" / "a.jpg")
    put_text(tmp_path / "valid" / "labels" / "a.txt", BOX)
    put_text(tmp_path / "data.yaml", "val: ../valid/images\nnc: 2\nnames: ['dog', 'cat']")
    (thing,) = opened(tmp_path).pictures[0].objects
    assert thing.class_id == 0


@pytest.mark.parametrize(("there", "part"), [("val test train", "val"), ("test train", "test")])
def test_the_part_is_val_else_test(tmp_path: Path, there: str, part: str) -> None:
    text = "names: [cat, dog]\n"
    for name in there.split():
        put_picture(tmp_path / name / f"{name}.jpg")
        put_text(tmp_path / name / f"{name}.txt", BOX)
        text += f"{name}: {name}\n"
    source = put_text(tmp_path / "data.yaml", text)
    found = opened(source)
    assert (found.part, found.pictures[0].path.name) == (part, f"{part}.jpg")
    assert found.problems == ()
    assert opened(source, split="train").part == "train"
    with pytest.raises(InputError, match="has no part 'xyz'") as caught:
        opened(source, split="xyz")
    assert "test, train" in caught.value.hint
    source.unlink()
    assert opened(tmp_path).part == part


def test_training_pictures_are_measured_on_with_a_word(tmp_path: Path) -> None:
    put_picture(tmp_path / "train" / "a.jpg")
    put_text(tmp_path / "train" / "a.txt", BOX)
    text = "names: [cat, dog]\nval: gone\ntrain: train\n"
    found = opened(put_text(tmp_path / "data.yaml", text))
    assert found.part == "train"
    assert any("gone" in problem for problem in found.problems)
    assert ON_TRAINING_PICTURES in found.problems


def test_a_polygon_is_an_outline_to_segment_and_a_box_to_detect(tmp_path: Path) -> None:
    source = yolo(tmp_path, {"a": "0 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5\n"})
    (thing,) = opened(source, "segment").pictures[0].objects
    assert isinstance(thing.outline, tuple)
    assert thing.outline[0] == pytest.approx((20, 10, 60, 10, 60, 50, 20, 50))
    assert len(thing.outline) == 1
    assert thing.box == pytest.approx((20, 10, 60, 50))
    assert thing.area == pytest.approx(1600)
    (box,) = opened(source).pictures[0].objects
    assert (box.outline, box.box) == (None, thing.box)


def test_boxes_alone_are_refused_for_a_model_of_outlines(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="box without an outline: 1 object was left out") as caught:
        opened(yolo(tmp_path, {"a": BOX}), "segment")
    assert "polygons" in caught.value.hint
    found = opened(yolo(tmp_path, {"b": "0 0.1 0.1 0.3 0.1 0.3 0.5\n" + BOX}), "segment")
    assert found.objects == 1
    assert found.passed_over["box without an outline"] == 2


@pytest.mark.parametrize(
    ("shape", "line", "keypoints"),
    [
        ("[2, 3]", "0 .5 .5 .2 .2 .5 .5 2 .25 .5 1", ((100, 50, 2), (50, 50, 1))),
        ("[2, 3]", "0 .5 .5 .2 .2 .5 .5 2 -7 9 0", ((100, 50, 2), (0, 0, 0))),
        ("[2, 2]", "0 .5 .5 .2 .2 .5 .5 .25 .5", ((100, 50, 2), (50, 50, 2))),
        ("[2, 2]", "0 .5 .5 .2 .2 .5 .5 0 0", ((100, 50, 2), (0, 0, 0))),
        ("[2, 2]", "0 .5 .5 .2 .2 .5 .5 -1 .5", ((100, 50, 2), (0, 0, 0))),
    ],
)
def test_keypoints(
    tmp_path: Path, shape: str, line: str, keypoints: tuple[tuple[float, float, int], ...]
) -> None:
    source = yolo(tmp_path, {"a": line}, f"kpt_shape: {shape}\n")
    (thing,) = opened(source, "pose").pictures[0].objects
    assert thing.keypoints == keypoints
    assert thing.box == pytest.approx((80, 40, 120, 60))
    assert opened(source).pictures[0].objects[0].box == thing.box
    assert opened(source).pictures[0].objects[0].keypoints == ()
    (tmp_path / "data.yaml").unlink()
    if "-1" not in line:
        assert opened(tmp_path, "pose").pictures[0].objects == (thing,)


@pytest.mark.parametrize("shape", ["17", "[17]", "[0, 3]", "[17, 4]", "[a, b]", "[9999, 3]", "{}"])
def test_a_kpt_shape_that_is_none_is_refused(tmp_path: Path, shape: str) -> None:
    source = yolo(tmp_path, {"a": BOX}, f"kpt_shape: {shape}\n")
    with pytest.raises(InputError, match="`kpt_shape`"):
        opened(source, "pose")


def test_a_data_set_of_boxes_is_refused_for_a_model_of_poses(tmp_path: Path) -> None:
    source = yolo(tmp_path, {"a": BOX})
    with pytest.raises(InputError, match="has no `kpt_shape`"):
        opened(source, "pose")
    source.unlink()
    with pytest.raises(InputError, match="have no keypoints"):
        opened(tmp_path, "pose")


def test_a_plain_folder_has_the_models_own_numbers(tmp_path: Path) -> None:
    put_picture(tmp_path / "a.png")
    put_text(tmp_path / "a.txt", BOX + "2 .5 .5 .1 .1\n")
    found = opened(tmp_path)
    assert [thing.class_id for thing in found.pictures[0].objects] == [1]
    assert found.passed_over == {"class number outside": 1}
    nameless = opened(tmp_path, labels=())
    assert [thing.class_id for thing in nameless.pictures[0].objects] == [1, 2]
    assert nameless.labels == ("0", "1", "2")


def test_classes_txt_names_the_numbers_of_a_plain_folder(tmp_path: Path) -> None:
    put_picture(tmp_path / "images" / "a.png")
    put_text(tmp_path / "labels" / "a.txt", BOX)
    put_text(tmp_path / "classes.txt", "dog\ncat\n")
    assert opened(tmp_path).pictures[0].objects[0].class_id == 0
    assert opened(tmp_path).passed_over == {}


def test_a_folder_without_parts_says_so(tmp_path: Path) -> None:
    put_picture(tmp_path / "a.png")
    put_text(tmp_path / "a.txt", BOX)
    with pytest.raises(InputError, match="has no part 'val'") as caught:
        opened(tmp_path, split="val")
    assert caught.value.hint == "Leave --split out."


def test_a_list_names_the_pictures_and_one_named_twice_is_read_once(tmp_path: Path) -> None:
    yolo(tmp_path, {"a": BOX, "b": BOX, "c": BOX})
    put_text(tmp_path / "val.txt", "images/val/a.jpg\nimages/val/b.jpg\nimages/val/a.jpg\n")
    source = put_text(tmp_path / "data.yaml", "val: val.txt\nnames: [cat, dog]\n")
    found = opened(source)
    assert [picture.path.name for picture in found.pictures] == ["a.jpg", "b.jpg"]
    assert found.passed_over == {"named twice": 1}


def test_a_limit_takes_pictures_spread_over_all(tmp_path: Path) -> None:
    found = opened(yolo(tmp_path, {f"{number:02}": BOX for number in range(10)}), limit=3)
    assert [picture.path.stem for picture in found.pictures] == ["00", "03", "06"]
    assert found.of == 10


def test_the_digest_tells_what_was_measured_on(tmp_path: Path) -> None:
    first = opened(yolo(tmp_path / "a", {"a": BOX, "b": ""})).digest
    assert len(first) == 64
    assert opened(yolo(tmp_path / "b", {"a": BOX, "b": ""})).digest == first
    assert opened(tmp_path / "b", labels=("dog",)).digest == first
    others = {first}
    others.add(opened(yolo(tmp_path / "c", {"a": BOX, "b": BOX})).digest)
    others.add(opened(yolo(tmp_path / "d", {"a": BOX, "c": ""})).digest)
    put_picture(tmp_path / "b" / "images" / "val" / "b.jpg", (64, 64))
    others.add(opened(tmp_path / "b").digest)
    assert len(others) == 4


def test_a_data_yaml_is_refused_for_a_classifier(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="classifies whole pictures"):
        opened(yolo(tmp_path, {"a": BOX}), "classify")
