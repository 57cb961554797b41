"""Whatever is wrong in labels is left out, counted by its reason, and named with file and line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from labelled_data import CLASSES, opened, put_json, put_picture, put_text, yolo

from recam_deploy.errors import InputError

GOOD = "0 0.5 0.5 0.1 0.2"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0.1 x", "not numbers"),
        ("cat 0.5 0.5 0.1 0.2", "not numbers"),
        ("0 0.5 0.5 0.1 nan", "not numbers"),
        ("nan 0.5 0.5 0.1 0.2", "not numbers"),
        ("0 0.5 0.5 0.1 1e999", "not numbers"),
        ("0 0,5 0,5 0,1 0,2", "not numbers"),
        ("0 0.5 0.5 0.1", "wrong number of values"),
        ("0", "wrong number of values"),
        ("0 0.5 0.5 0.1 0.2 0.9", "wrong number of values"),
        ("0 0.5 0.5 0.1 0.2 0.9 0.9 0.9", "wrong number of values"),
        ("0 320 240 50 50", "outside of the picture"),
        ("0 1.02 0.5 0.1 0.2", "outside of the picture"),
        ("0 -0.02 0.5 0.1 0.2", "outside of the picture"),
        ("0 0.1 0.1 0.5 0.1 0.5 1.1", "outside of the picture"),
        ("0 0.5 0.5 0 0.2", "without an area"),
        ("0 0.5 0.5 0.1 -0.005", "without an area"),
        ("0 0.1 0.1 0.5 0.1 0.9 0.1", "without an area"),
        ("2 0.5 0.5 0.1 0.2", "class number outside"),
        ("-1 0.5 0.5 0.1 0.2", "class number outside"),
        ("0.5 0.5 0.5 0.1 0.2", "class number outside"),
        (GOOD, "marked twice"),
    ],
)
def test_a_corrupt_line_is_left_out_and_named(tmp_path: Path, line: str, reason: str) -> None:
    source = yolo(tmp_path, {"a": f"{GOOD}\n\n{line}\n1 0.2 0.2 0.1 0.1\n", "b": f"{line}\n"})
    found = opened(source)
    count = 1 if line == GOOD else 2
    assert found.objects == 2 + (line == GOOD)
    assert found.passed_over == {reason: count}
    (problem,) = found.problems
    assert problem.startswith(f"{reason}: {count} object")
    assert f"{tmp_path / 'labels' / 'val' / 'a.txt'}, line 3: {line}" in problem


def test_values_that_are_outside_by_rounding_are_taken(tmp_path: Path) -> None:
    found = opened(yolo(tmp_path, {"a": "0 0.5 0.5 1.0000001 1.005\n1 1.0 -0.0004 0.1 0.1\n"}))
    assert (found.objects, found.passed_over) == (2, {})


@pytest.mark.parametrize(
    "text", ["\ufeff" + GOOD, GOOD + "\r\n", "\n \t\n" + GOOD, "0.0" + GOOD[1:]]
)
def test_marks_and_blanks_of_editors_do_not_matter(tmp_path: Path, text: str) -> None:
    found = opened(yolo(tmp_path, {"a": text}))
    assert (found.objects, found.passed_over) == (1, {})


def test_files_that_are_missing_empty_unreadable_or_left_over(tmp_path: Path) -> None:
    labels: dict[str, str | None] = {"a": GOOD, "b": None, "c": "", "d": " \n"}
    source = yolo(tmp_path, labels)
    pictures, texts = tmp_path / "images" / "val", tmp_path / "labels" / "val"
    for name in "efghi":
        put_picture(pictures / f"{name}.jpg")
        put_text(texts / f"{name}.txt", GOOD)
    (pictures / "e.jpg").write_bytes(b"no picture")
    whole = (pictures / "f.jpg").read_bytes()
    (pictures / "f.jpg").write_bytes(whole[: len(whole) - 60])
    (pictures / "g.jpg").write_bytes(b"")
    (texts / "h.txt").write_bytes(b"\0\1\2")
    (texts / "i.txt").unlink()
    (texts / "i.txt").mkdir()
    put_text(texts / "gone.txt", GOOD)
    put_text(texts / "classes.txt", "cat\ndog\n")
    found = opened(source)
    assert [picture.path.stem for picture in found.pictures] == ["a", "b", "c", "d"]
    assert found.of == 9
    assert found.passed_over == {
        "no label file": 1,
        "empty label file": 2,
        "unreadable picture": 3,
        "unreadable label file": 2,
        "label without a picture": 1,
    }
    told = {problem.split(":")[0]: problem for problem in found.problems}
    assert "2 pictures were taken for background" in told["empty label file"]
    assert "1 picture was taken for background" in told["no label file"]
    assert str(pictures / "b.jpg") in told["no label file"]
    assert f"{pictures / 'e.jpg'}: not a picture" in told["unreadable picture"]
    assert str(texts / "gone.txt") in told["label without a picture"]


def test_other_texts_beside_pictures_are_no_labels(tmp_path: Path) -> None:
    source = yolo(tmp_path, {"a": GOOD})
    put_text(tmp_path / "images" / "val" / "about the pictures.txt", "taken in May")
    put_text(tmp_path / "labels" / "val" / "README.txt", "by hand")
    assert opened(source).passed_over == {}


def test_labels_of_another_part_are_not_left_over(tmp_path: Path) -> None:
    for name in "ab":
        put_picture(tmp_path / "images" / f"{name}.jpg")
        put_text(tmp_path / "labels" / f"{name}.txt", GOOD)
    put_text(tmp_path / "val.txt", "images/a.jpg\n")
    source = put_text(tmp_path / "data.yaml", "val: val.txt\nnames: [cat, dog]")
    assert (opened(source).objects, opened(source).passed_over) == (1, {})


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"a": None, "b": None}, "has a label file"),
        ({"a": "", "b": "\n"}, "empty label file: 2 pictures"),
        ({"a": "x\n", "b": "0 0 0\n"}, "not numbers: 1 object"),
        ({"a": "0 5 5 5 5\n"}, "outside of the picture"),
    ],
)
def test_a_set_with_nothing_to_use_is_an_error_with_the_reason(
    tmp_path: Path, labels: dict[str, str | None], says: str
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        opened(yolo(tmp_path, labels))
    assert caught.value.hint


def test_unreadable_pictures_alone_are_an_error(tmp_path: Path) -> None:
    source = yolo(tmp_path, {"a": GOOD})
    (tmp_path / "images" / "val" / "a.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match="unreadable picture: 1 picture was left out"):
        opened(source)


def test_classes_that_do_not_match(tmp_path: Path) -> None:
    source = yolo(tmp_path, {"a": GOOD + "\n1 0.2 0.2 0.1 0.1\n1 0.7 0.7 0.1 0.1\n"})
    found = opened(source, labels=("Cat", "horse", "cow"))
    assert found.objects == 1
    assert found.evaluated == frozenset({0})
    assert found.passed_over == {"class unknown to the model": 2}
    assert "2 objects were left out: 2 dog" in found.problems[0]
    assert "1 of the model's 3 classes" in found.problems[1]
    with pytest.raises(InputError, match=r"\(cat, dog\) is one of the model's \(horse, cow\)"):
        opened(source, labels=("horse", "cow"))


def test_only_classes_that_the_model_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="class unknown to the model: 1 object was"):
        opened(yolo(tmp_path, {"a": GOOD}), labels=("dog", "cow"))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none", None, "does not exist"),
        ("data.txt", "x", "neither a data.yaml nor"),
        ("data.yaml", "a", "not a data set's description"),
        ("data.yaml", "names: [a]\n", "names no pictures"),
        ("data.yaml", "val: gone\nnames: [a]\n", "which is not there"),
        ("data.yaml", "val: .\nnames: {1: a}\n", "class names"),
        ("data.yaml", "val: .\nnames: {a: {b: c}}\n", "class names"),
        ("a\0b", None, "cannot be read|does not exist"),
        ("a" * 5000, None, "cannot be read|does not exist"),
    ],
)
def test_other_sources_are_refused(
    tmp_path: Path, name: str, content: str | None, says: str
) -> None:
    if content is not None:
        put_text(tmp_path / name, content)
    with pytest.raises(InputError, match=says):
        opened(tmp_path / name)


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    source = yolo(tmp_path, {"a": GOOD})
    os.mkfifo(tmp_path / "images" / "val" / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe.json")
    os.mkfifo(tmp_path / "labels" / "val" / "b.txt")
    put_picture(tmp_path / "images" / "val" / "b.jpg")
    found = opened(source)
    assert found.objects == 1
    assert found.passed_over["unreadable label file"] == 1
    with pytest.raises(InputError, match="no regular file"):
        opened(tmp_path / "pipe.json")


def test_ten_thousand_files_with_every_tenth_broken(tmp_path: Path) -> None:
    """Each picture is the same file by another name; none is lost without a word."""
    pictures, texts = tmp_path / "images", tmp_path / "labels"
    one = put_picture(pictures / "0000.jpg")
    texts.mkdir()
    for number in range(10_000):
        if number:
            (pictures / f"{number:04}.jpg").hardlink_to(one)
        (texts / f"{number:04}.txt").write_text("x y\n" if number % 10 == 3 else GOOD)
    source = put_text(tmp_path / "data.yaml", "val: images\nnames: [cat, dog]\n")
    found = opened(source)
    assert (len(found.pictures), found.of, found.objects) == (10_000, 10_000, 9_000)
    assert found.passed_over == {"not numbers": 1_000}
    (problem,) = found.problems
    assert problem.startswith("not numbers: 1,000 objects were left out; the first:")
    assert "0003.txt, line 1: x y" in problem


def test_ten_thousand_pictures_of_coco(tmp_path: Path) -> None:
    one = put_picture(tmp_path / "0.jpg")
    for number in range(1, 10_000):
        (tmp_path / f"{number}.jpg").hardlink_to(one)
    document = {
        "images": [{"id": n, "file_name": f"{n}.jpg"} for n in range(10_000)],
        "annotations": [
            {"image_id": n, "category_id": 3, "bbox": [1, 1, 5, 0 if n == 7 else 5]}
            for n in range(10_000)
        ],
        "categories": [{"id": 3, "name": CLASSES[1]}],
    }
    found = opened(put_json(tmp_path / "coco.json", document))
    assert (len(found.pictures), found.objects) == (10_000, 9_999)
    assert found.passed_over == {"without an area": 1}
    assert "annotations[7]" in found.problems[0]
