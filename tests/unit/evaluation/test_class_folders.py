"""Pictures for a classifier lie in one folder a class."""

from __future__ import annotations

from pathlib import Path

import pytest
from labelled_data import opened, put_picture, put_text

from recam_deploy.errors import InputError


@pytest.mark.parametrize("base", ["val", "valid", ".", "images/val"])
def test_the_folders_name_the_classes(tmp_path: Path, base: str) -> None:
    put_picture(tmp_path / base / "Dog" / "x.jpg")
    put_picture(tmp_path / base / "cat" / "more" / "y.jpg", (64, 32))
    found = opened(tmp_path, "classify")
    assert {picture.path.name: picture.objects[0].class_id for picture in found.pictures} == {
        "x.jpg": 1,
        "y.jpg": 0,
    }
    (thing,) = found.pictures[1].objects
    assert (thing.box, thing.area) == ((0, 0, 64, 32), 64 * 32)
    assert found.part == ("" if base == "." else "val")


def test_parts_are_chosen_and_named(tmp_path: Path) -> None:
    for part in ("train", "test"):
        put_picture(tmp_path / part / "cat" / f"{part}.jpg")
    assert opened(tmp_path, "classify").part == "test"
    assert opened(tmp_path, "classify", split="train").part == "train"
    assert opened(tmp_path / "train", "classify").part == "train"
    with pytest.raises(InputError, match="has no part 'val'"):
        opened(tmp_path, "classify", split="val")


def test_train_may_be_a_class(tmp_path: Path) -> None:
    put_picture(tmp_path / "train" / "x.jpg")
    put_picture(tmp_path / "bus" / "y.jpg")
    found = opened(tmp_path, "classify", ("bus", "train"))
    assert [picture.objects[0].class_id for picture in found.pictures] == [0, 1]


def test_identifiers_of_imagenet_are_in_the_order_of_the_classes(tmp_path: Path) -> None:
    for name in ("n01443537", "n01440764"):
        put_picture(tmp_path / "val" / name / f"{name}.JPEG")
    found = opened(tmp_path, "classify", ("tench", "goldfish"))
    assert [picture.path.stem for picture in found.pictures] == ["n01440764", "n01443537"]
    assert [picture.objects[0].class_id for picture in found.pictures] == [0, 1]


def test_numbers_as_folders_are_the_models_own(tmp_path: Path) -> None:
    for name in ("2", "10"):
        put_picture(tmp_path / name / f"{name}.jpg")
    labels = tuple(f"thing {letter}" for letter in "abcdefghijk")
    found = opened(tmp_path, "classify", labels)
    assert {picture.objects[0].class_id for picture in found.pictures} == {2, 10}
    assert found.evaluated == frozenset({2, 10})


def test_a_limit_takes_from_all_classes(tmp_path: Path) -> None:
    for number in range(6):
        put_picture(tmp_path / "cat" / f"{number}.jpg")
        put_picture(tmp_path / "dog" / f"{number}.jpg")
    found = opened(tmp_path, "classify", limit=4)
    assert [picture.objects[0].class_id for picture in found.pictures] == [0, 0, 1, 1]


def test_classes_that_the_model_does_not_have_are_left_out(tmp_path: Path) -> None:
    for name in ("cat", "horse", "hidden/.git"):
        put_picture(tmp_path / name / "x.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "cat" / "bad.jpg").write_bytes(b"x")
    found = opened(tmp_path, "classify")
    assert [picture.path.parent.name for picture in found.pictures] == ["cat"]
    assert found.evaluated == frozenset({0})
    assert found.passed_over == {"class unknown to the model": 1, "unreadable picture": 1}
    assert any("1 horse" in problem for problem in found.problems)
    assert any("empty" in problem for problem in found.problems)


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    put_picture(tmp_path / "x.jpg")
    with pytest.raises(InputError, match="no folders of classes"):
        opened(tmp_path, "classify")
    put_text(tmp_path / "cat" / "x.txt", "")
    with pytest.raises(InputError, match="no folders of classes"):
        opened(tmp_path, "classify")
