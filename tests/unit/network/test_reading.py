"""What the camera cannot run is refused at once, with the reason and the way out."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto
from onnx_models import detector

from recam_deploy.artifact import sha256_of
from recam_deploy.class_names import read_labels
from recam_deploy.errors import InputError, UnsupportedModelError
from recam_deploy.network.onnx_file import digest_of
from recam_deploy.network.reading import read_network


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def test_labels_and_size_come_from_the_model(tmp_path: Path) -> None:
    path = saved(detector(2, names={0: "cat", 1: "dog"}, size=96), tmp_path)
    network, _ = read_network(path)
    assert network.labels == ("cat", "dog")
    assert (network.input.height, network.input.width) == (96, 96)
    assert network.family == "yolo11-detect"


def test_given_labels_replace_those_of_the_model(tmp_path: Path) -> None:
    network, _ = read_network(saved(detector(2), tmp_path), ("x", "y"))
    assert network.labels == ("x", "y")


def test_weights_in_a_file_of_their_own_belong_to_what_the_model_is(tmp_path: Path) -> None:
    """Exporters put them into MODEL.onnx.data; a cache that did not see them would take a model
    trained anew for the old one."""
    model, path = detector(2), tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    first, _ = read_network(path)
    weights = bytearray((tmp_path / "m.onnx.data").read_bytes())
    weights[:4] = b"\0\0\0\0"
    (tmp_path / "m.onnx.data").write_bytes(weights)
    second, _ = read_network(path)
    assert first.sha256 != second.sha256
    assert digest_of(path) == second.sha256


def test_a_model_in_one_file_is_known_by_its_sha256(tmp_path: Path) -> None:
    path = saved(detector(2), tmp_path)
    assert read_network(path)[0].sha256 == sha256_of(path)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (detector(inputs={"images": ["batch", 3, 64, 64]}), "dynamic"),
        (detector(inputs={"images": [1, 3, "height", "width"]}), "dynamic"),
        (detector(inputs={"images": [1, 3, 64, 96]}), "square"),
        (detector(inputs={"images": [1, 3, 72, 72]}), "multiple of 32"),
        (detector(inputs={"images": [1, 3, 64, 64], "scale": [1]}), "2 inputs"),
        (detector(inputs={"images": [2, 3, 64, 64]}), "a batch of 2 pictures"),
        (detector(inputs={"images": [1, 3, 4096]}), "not one RGB image"),
        (detector(input_type=TensorProto.FLOAT16), "float16"),
    ],
    ids=["batch", "sizes", "wide", "odd", "two inputs", "two images", "rank", "half"],
)
def test_inputs_that_the_camera_cannot_feed_are_refused(
    tmp_path: Path, model: onnx.ModelProto, message: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=message) as caught:
        read_network(saved(model, tmp_path))
    assert caught.value.hint


def test_what_is_no_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for content in (b"", b"PK\x03\x04 a zip", b"\x00" * 100, b"plain text\n" * 20):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not an ONNX file"):
            read_network(path)


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    path = saved(detector(), tmp_path)
    data = path.read_bytes()
    for length in (len(data) - 1, len(data) // 2, 10):
        path.write_bytes(data[:length])
        with pytest.raises(InputError):
            read_network(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere.onnx does not exist"):
        read_network(tmp_path / "nowhere.onnx")


def test_names_are_never_guessed(tmp_path: Path) -> None:
    path = saved(detector(3, names={}), tmp_path)
    with pytest.raises(InputError, match="no class names") as caught:
        read_network(path)
    assert "Give 3 names" in caught.value.hint


@pytest.mark.parametrize("text", ["{0: 'a', 2: 'b'}", "{0: 1}", "{0: 'a'", "__import__('os')", "7"])
def test_names_that_cannot_be_understood_are_refused(tmp_path: Path, text: str) -> None:
    model = detector(2)
    model.metadata_props[0].value = text
    with pytest.raises(InputError, match="metadata cannot be read"):
        read_network(saved(model, tmp_path))


def test_too_few_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"2 class names are given \(a, b\), and model\.onnx has 3 classes"
    ):
        read_network(saved(detector(3), tmp_path), ("a", "b"))


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("names.txt", "cat\n\n  dog  \n", ("cat", "dog")),
        ("names.json", '["cat", "dog"]', ("cat", "dog")),
        ("names.json", '{"1": "dog", "0": "cat"}', ("cat", "dog")),
        ("names.txt", "Katze über\nчеловек\n", ("Katze über", "человек")),
    ],
)
def test_label_files(tmp_path: Path, name: str, text: str, labels: tuple[str, ...]) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read_labels(path) == labels


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("names.txt", b"\n \n"),
        ("names.txt", b"\xff\xfe\x00"),
        ("names.txt", b"cat\ncat\n"),
        ("names.json", b"["),
        ("names.json", b"[1, 2]"),
        ("names.json", b'{"a": "b"}'),
    ],
)
def test_unusable_label_files_are_refused(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_labels(path)


@pytest.mark.parametrize(
    ("name", "text"), [("n.txt", "cat\r\ndog\r\n"), ("n.json", '["cat", "dog"]')]
)
def test_a_file_of_names_may_begin_as_windows_editors_begin_it(
    tmp_path: Path, name: str, text: str
) -> None:
    """With a byte order mark, which is no part of the first name."""
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_labels(tmp_path / name) == ("cat", "dog")
