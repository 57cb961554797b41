"""Class names come from the files that people have, or the file is refused (cases 1, 13, 51)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from recam_deploy.class_names import read_labels, refuse_other_count, shown_names
from recam_deploy.errors import InputError

ROBOFLOW = """train: ../train/images
val: ../valid/images
test: ../test/images

nc: 5
names: ['a', 'b', 'c', 'd', 'e']
"""
OF_ROBOFLOW = """
roboflow:
  workspace: w
  project: p
  version: 1
  license: MIT
  url: https://universe.roboflow.com/w/p/dataset/1
"""
FIVE = ("a", "b", "c", "d", "e")


def _read(folder: Path, name: str, text: str | bytes) -> tuple[str, ...]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(path)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (ROBOFLOW, FIVE),
        (ROBOFLOW + OF_ROBOFLOW, FIVE),
        (ROBOFLOW.replace("\n", "\r\n"), FIVE),
        (b"\xef\xbb\xbf" + ROBOFLOW.encode(), FIVE),
        ("path: d\ntrain: t\nval: v\nnames:\n  0: person\n  1: car\n", ("person", "car")),
        ("names:\n  2: c\n  0: a\n  1: b\n", ("a", "b", "c")),
        ("names:\n  '1': b\n  \"0\": a\n", ("a", "b")),
        ("nc: 5\nnames:\n- no\n- yes\n- on\n- 12\n- 007\n", ("no", "yes", "on", "12", "007")),
        ("names: {0: y, 1: n}\nnc: '2'\n", ("y", "n")),
        ("- person\n- car\n", ("person", "car")),
        ("1: car\n0: person\n", ("person", "car")),
    ],
)
@pytest.mark.parametrize("name", ["data.yaml", "DATA.YML", "names.txt"])
def test_case_1_a_data_yaml_names_the_classes(
    tmp_path: Path, name: str, text: str | bytes, names: tuple[str, ...]
) -> None:
    assert _read(tmp_path, name, text) == names


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("names:\n  0: a\n  2: b\n", "without gaps, and 1 is missing"),
        ("names:\n  1: a\n  2: b\n", "and 0 is missing"),
        ("names:\n  0: a\n  0: b\n", "stands twice"),
        ("names:\n  0: a\n  00: b\n", "number 0 stands twice"),
        ("names: [a, a]\n", "'a' twice"),
        ("nc: 3\nnames: [a, b]\n", "`nc` is 3, and it has 2 names: a, b"),
        ("nc: many\nnames: [a, b]\n", "`nc` is not a number"),
        ("nc: 80\ndepth_multiple: 0.33\n", "no `names`"),
        ("train: x\nval: y\n", "no `names`"),
        ("names: classes.txt\n", "neither a list nor"),
        ("names: [a, [b]]\n", "must be a list"),
        ("names:\n  0: a\n  1:\n", "class 1 has an empty name"),
        ("names: [", "YAML"),
        ("names: " + "[" * 5000, "nested too deeply"),
        ("a: &a [x, x]\nnames: [*a, *a]\n", "must be a list"),
        ("", "must be a list"),
    ],
)
def test_case_1_a_data_yaml_that_does_not_name_them_is_refused(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(InputError) as refused:
        _read(tmp_path, "data.yaml", text)
    assert reason in refused.value.message
    assert refused.value.message.count("\n") == 0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("# darknet\nperson\n\ncar  # four wheels\n", ("person", "car")),
        ("0: person\n1: traffic light\n", ("person", "traffic light")),
        ("0 person\n1 traffic light\n", ("person", "traffic light")),
        ("1,car\n0,person\n", ("person", "car")),
        ("0\tperson\n1\tcar\n", ("person", "car")),
        ("0. person\n1. car\n", ("person", "car")),
        ("0: 'person'\n1: \"car\"\n", ("person", "car")),
        ("id,name\n0,person\n1,car\n", ("person", "car")),
        ("person,0\ncar,1\n", ("person", "car")),
        ("car: 1\nperson: 0\n", ("person", "car")),
        ("'person'\n\"car\"\n", ("person", "car")),
        ("'person',\n'car',\n", ("person", "car")),
        ("person, car, dog\n", ("person", "car", "dog")),
        ("0: person, 1: car\n", ("person", "car")),
        ('"a, b", c,\n', ("a, b", "c")),
        ("['a', 'b']\n", ("a", "b")),
        ("[\n  'a',\n  'b',\n]\n", ("a", "b")),
        # Numbers that belong to the names stay.
        ("0\n1\n2\n", ("0", "1", "2")),
        ("5 euro\n10 euro\n20 euro\n", ("5 euro", "10 euro", "20 euro")),
        ("'0 ml'\n'1 ml'\n", ("0 ml", "1 ml")),
        ("7 up\ncola\n", ("7 up", "cola")),
        (
            "tench, Tinca tinca\ngoldfish, Carassius auratus\n",
            ("tench, Tinca tinca", "goldfish, Carassius auratus"),
        ),
    ],
)
def test_case_1_lines_are_read_as_people_write_them(
    tmp_path: Path, text: str, names: tuple[str, ...]
) -> None:
    assert _read(tmp_path, "obj.names", text) == names


@pytest.mark.parametrize(
    "text",
    [
        "train: ../train/images\nval: ../valid/images\nnc: 1\n",
        "person\nnc: 2\n",
        "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n",
        "person\n- car\n",
        "item {\n  id: 1\n  name: 'x'\n}\n",
        "<!DOCTYPE html>\n<html>\n</html>\n",
        "person, nc: 5\n",
        "0: person\n2: car\n",
        "0 person\n0 car\n",
        "1 person\n2 car\n",
        "0 person\n1 car\ndog\n",
        "0,person,red\n1,car,blue\n",
        "a\nb\na\n",
        "a\x1b[31m\n",
    ],
)
def test_case_1_lines_that_are_no_names_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError) as refused:
        _read(tmp_path, "classes.txt", text)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"names": {"1": "b", "0": "a"}}', ("a", "b")),
        ('{"b": 1, "a": 0}', ("a", "b")),
        ('{"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}', ("a", "b")),
        ('{"categories": [{"id": 2, "name": "b"}, {"id": 1, "name": "a"}]}', ("a", "b")),
        (
            '{"categories": [{"id": 0, "name": "objects"}, {"id": 1, "name": "a"}]}',
            ("objects", "a"),
        ),
        ('[{"name": "a"}, {"name": "b"}]', ("a", "b")),
        ('{"0": "1", "1": "0"}', ("1", "0")),
    ],
)
@pytest.mark.parametrize("name", ["labels.json", "labels.txt"])
def test_case_1_label_maps_in_json(
    tmp_path: Path, name: str, text: str, names: tuple[str, ...]
) -> None:
    assert _read(tmp_path, name, text) == names


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"0": "a", "0": "b"}', "stands twice"),
        ('{"0": "a", "2": "b"}', "1 is missing"),
        ('{"categories": [{"id": 1, "name": "a"}, {"id": 3, "name": "b"}]}', "2 is missing"),
        ('{"categories": [{"id": 1}]}', "needs a `name`"),
        ("[0, 1]", "must be a list"),
        ('["a", NaN]', "NaN"),
        ("[" + "9" * 9000 + "]", "too large"),
        ("[" * 99_999, "nested too deeply"),
        ("[" * 300 + "]" * 300, "nested too deeply"),
        ("null", "must be a list"),
    ],
)
def test_other_json_is_refused_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError) as refused:
        _read(tmp_path, "labels.json", text)
    assert reason in refused.value.message


def test_case_51_a_wrong_count_shows_the_first_names_of_both() -> None:
    given = ("background", "person", "car", "dog")
    with pytest.raises(InputError) as refused:
        refuse_other_count(given, 2, ("person", "car"), "m.onnx")
    assert "4 class names are given (background, person, car and 1 more)" in refused.value.message
    assert "m.onnx has 2 classes (person, car)" in refused.value.message
    refuse_other_count(("a", "b"), 2, (), "m.onnx")


def test_names_are_shown_on_one_short_line() -> None:
    assert shown_names(()) == "none"
    assert shown_names(("a\nb", "x" * 99)) == "a b, " + "x" * 40


def test_a_long_list_with_a_name_twice_is_refused_at_once(tmp_path: Path) -> None:
    """Counting each of a hundred thousand names took minutes."""
    path = tmp_path / "names.txt"
    path.write_text("\n".join([*(f"name {n}" for n in range(100_000)), "name 7"]))
    started = time.monotonic()
    with pytest.raises(InputError, match="twice"):
        read_labels(path)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("classes=2\ntrain=data/train.txt\nnames=data/obj.names\n", "'classes=2'"),
        ("images/a.jpg\nimages/b.jpg\n", "'images/a.jpg'"),
        ("C:\\data\\a.PNG\n", "a.PNG"),
        ("https://example.org/names\n", "example.org"),
        ("0 0.5 0.5 0.1 0.1\n1 0.2 0.2 0.3 0.3\n", "'0.5 0.5 0.1 0.1'"),
        ("* cat\n* dog\n", "'* cat'"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS"),
        ("<!doctype html>\n<p>names</p>\n", "a web page"),
    ],
    ids=["darknet", "pictures", "Windows", "address", "boxes", "bullets", "LFS", "page"],
)
def test_case_1_lines_of_other_files_are_no_names(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "names.txt"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_labels(path)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "name,id\ncat,0\ndog,1\n",
        "label\tid\ncat\t0\ndog\t1\n",
        "{0: 'cat', 1: 'dog'}\n",
        "{0: cat,\n 1: dog}\n",
    ],
    ids=["header", "tabs", "Python", "flow"],
)
def test_case_1_further_forms_are_understood(tmp_path: Path, text: str) -> None:
    path = tmp_path / "names.txt"
    path.write_text(text)
    assert read_labels(path) == ("cat", "dog")


def test_case_1_a_yaml_without_names_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "data.yaml"
    path.write_text("Names: [cat, dog]\n")
    with pytest.raises(InputError, match="has no `names`"):
        read_labels(path)
