"""Reading a data set's description, as Ultralytics, Roboflow and hand-written ones have it."""

from pathlib import Path

import pytest

from recam_deploy.data_yaml import read_data_yaml
from recam_deploy.errors import InputError

ROBOFLOW = """\
train: ../train/images
val: ../valid/images
test: ../test/images

nc: 3
names: ['yes', no, 007]

roboflow:
  workspace: a
  version: 1
"""


def written(tmp_path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path = tmp_path / "data.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_entries_are_text_as_written(tmp_path: Path, encoding: str, ends: str) -> None:
    description = read_data_yaml(written(tmp_path, ROBOFLOW.replace("\n", ends), encoding))
    assert description.names == ["yes", "no", "007"]
    assert description.val == ("../valid/images",)
    assert description.path is None


def test_sets_may_be_lists_and_empty(tmp_path: Path) -> None:
    text = "path: ../coco\ntrain: [images/a, images/b]\nval:\ntest: ~\nnames:\n  1: car\n  0: on\n"
    description = read_data_yaml(written(tmp_path, text))
    assert description.train == ("images/a", "images/b")
    assert (description.path, description.val, description.test) == ("../coco", (), ())
    assert description.names == {"1": "car", "0": "on"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("names:\n  0: a\n  0: b\n", "line 3, column 3: the key '0' stands twice"),
        ("names: [a, b\n", "line 2, column 1"),
        (b"names: [\xfc]\n", "byte 8"),
        (b"PK\x03\x04" + bytes(60), "byte 2"),
        ("[" * 5000, "nested too deeply"),
        ("a\n", "not a data set's description"),
        ("", "not a data set's description"),
        ("a" * (5 << 20), "too large"),
        ("train: {a: b}\n", "`train`"),
        ("? [a]\n: b\n", "line 1, column 3"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place(
    tmp_path: Path, content: str | bytes, says: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_data_yaml(path)
    assert says in caught.value.message
    assert str(path) in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_data_yaml(tmp_path / "none.yaml")


def test_a_tag_of_a_python_object_makes_none(tmp_path: Path) -> None:
    text = "names: !!python/object/apply:os.getcwd []\n"
    assert read_data_yaml(written(tmp_path, text)).names == []
