"""What is wrong with an ONNX file is said by its cause, whatever the onnx library raises."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx_models import Builder, detector

from recam_deploy.errors import InputError, RecamError, UnsupportedModelError
from recam_deploy.network.onnx_file import digest_of, load_onnx
from recam_deploy.network.reading import read_network, read_raw_network
from recam_deploy.workflows.inspect import inspect


def saved_apart(folder: Path, location: str = "m.onnx.data") -> Path:
    path = folder / "m.onnx"
    onnx.save(detector(2), path, save_as_external_data=True, location=location, size_threshold=0)
    return path


def pointing_to(folder: Path, **entries: str) -> Path:
    """A model whose first weights are, as it says, elsewhere."""
    path = saved_apart(folder)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = entries.get(entry.key, entry.value)
    path.write_bytes(model.SerializeToString())
    return path


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_network(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value


def test_weights_that_were_left_behind_are_named(tmp_path: Path) -> None:
    """Case 4, and row 9 of what was found by reading."""
    path = saved_apart(tmp_path)
    (tmp_path / "m.onnx.data").unlink()
    error = refusal(path)
    assert "m.onnx.data must be in the same folder" in error.message
    assert "both files" in error.hint


def test_weights_in_a_subfolder_are_read_and_missed_by_their_path(tmp_path: Path) -> None:
    """Case 4."""
    (tmp_path / "data").mkdir()
    path = saved_apart(tmp_path, "data/w.bin")
    assert read_network(path)[0].classes == 2
    (tmp_path / "data/w.bin").unlink()
    assert "data/w.bin" in refusal(path).message


def test_weights_that_are_cut_short_are_measured(tmp_path: Path) -> None:
    """Case 4."""
    path = saved_apart(tmp_path)
    data = (tmp_path / "m.onnx.data").read_bytes()
    (tmp_path / "m.onnx.data").write_bytes(data[:-1])
    assert f"cut short: {len(data) - 1:,} bytes of {len(data):,}" in refusal(path).message


def test_weights_that_are_a_pointer_of_git_lfs_are_recognised(tmp_path: Path) -> None:
    """Cases 4 and 27: the larger of the two files is the one that is kept there."""
    path = saved_apart(tmp_path)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 9\n"
    (tmp_path / "m.onnx.data").write_text(pointer)
    assert "git lfs pull" in refusal(path).hint


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "/etc/passwd"}, "absolute path /etc/passwd"),
        ({"location": "C:\\models\\w.data"}, "absolute path"),
        ({"location": "../w.data"}, "outside its own folder"),
        ({"location": "a/../../w.data"}, "outside its own folder"),
        ({"location": ""}, "names no file"),
        ({"length": "7"}, "does not fit"),
        ({"length": "many"}, "does not fit"),
        ({"offset": "-8"}, "does not fit"),
    ],
)
def test_weights_are_read_from_the_models_own_folder_alone(
    tmp_path: Path, entries: dict[str, str], message: str
) -> None:
    """Case 4."""
    assert message in refusal(pointing_to(tmp_path, **entries)).message


def test_weights_that_are_no_file_of_ones_own_are_refused(tmp_path: Path) -> None:
    """Case 4: a folder, a link that leads elsewhere, a file without the right to read it."""
    (tmp_path / "model").mkdir()
    path = saved_apart(tmp_path / "model")
    data = path.with_name("m.onnx.data")
    data.rename(tmp_path / "elsewhere")
    data.symlink_to(tmp_path / "elsewhere")
    assert "outside the model's folder" in refusal(path).message
    data.unlink()
    data.mkdir()
    assert "are not a file" in refusal(path).message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_weights_that_may_not_be_read_are_named(tmp_path: Path) -> None:
    """Case 4."""
    path = saved_apart(tmp_path)
    (tmp_path / "m.onnx.data").chmod(0)
    assert "cannot be read: Permission denied" in refusal(path).message


def test_more_than_two_gigabytes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """Case 62: sparse files, one for the weights and one for all."""
    builder = Builder()
    builder.conv("images", "c", (3, 4))
    builder.constant("big", np.zeros((1, 1)), np.float32)
    model = builder.model({"c": [1, 4, 64, 64]})
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    big = next(tensor for tensor in model.graph.initializer if tensor.name == "big")
    big.dims[:] = [560, 1_000_000]
    for entry in big.external_data:
        entry.value = str(4 * 560_000_000) if entry.key == "length" else entry.value
    path.write_bytes(model.SerializeToString())
    os.truncate(tmp_path / "m.data", 2_300_000_000)
    with pytest.raises(UnsupportedModelError, match=r"2\.2 GB of weights; the camera has 256 MB"):
        read_raw_network(path)
    os.truncate(path, 2_300_000_000)
    with pytest.raises(UnsupportedModelError, match=r"2\.3 GB"):
        read_raw_network(path)


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n", "Git LFS", "git lfs pull"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "a web page", "file itself"),
        (b"", "it is empty", "again"),
        (b"PK\x03\x04" + b"\0" * 26 + b"best.onnx", "a zip archive", "Unpack it"),
        (b"PK\x03\x04" + b"\0" * 26 + b"best/data.pkl", "a PyTorch file", ".pt"),
        (b"\x1c\0\0\0TFL3" + b"\0" * 40, "a TFLite model", ".tflite"),
        (b"CviModel" + b"\0" * 80, "a cvimodel", "recam deploy"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 80, "a Keras model", "TFLite"),
        (b'{"error": "not logged in"}', "JSON text", "server"),
        (b"\0" * 5000, "nothing but zeros", "again"),
    ],
)
def test_another_file_under_the_name_of_an_onnx_model_is_recognised(
    tmp_path: Path, content: bytes, message: str, hint: str
) -> None:
    """Case 27."""
    path = tmp_path / "best.onnx"
    path.write_bytes(content)
    error = refusal(path)
    assert message in error.message
    assert hint in error.hint


def test_a_model_that_was_not_copied_whole_is_said_to_be_cut_short(tmp_path: Path) -> None:
    """Case 27."""
    path = tmp_path / "m.onnx"
    data = detector(2).SerializeToString()
    path.write_bytes(data[: len(data) // 2])
    assert f"cut short at {len(data) // 2:,} bytes" in refusal(path).message


def test_what_is_no_file_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").mkdir()
    assert "is a folder" in refusal(tmp_path / "m.onnx").message
    assert "does not exist" in refusal(tmp_path / "n.onnx").message


@pytest.mark.parametrize("where", [b"head8_box", b"class 0", b"Concat", b"tiny"])
def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path, where: bytes) -> None:
    """Row 3 of what was found by reading."""
    path = tmp_path / "m.onnx"
    data = detector(2).SerializeToString()
    assert where in data
    path.write_bytes(data.replace(where, b"\xff" + where[1:]))
    assert "not UTF-8" in refusal(path).message
    with pytest.raises(InputError):
        inspect(path)


@pytest.mark.parametrize(("ir", "opset", "named"), [(99, 17, "IR version 99"), (8, 99, "opset 99")])
def test_what_is_newer_than_the_library_is_named(
    tmp_path: Path, ir: int, opset: int, named: str
) -> None:
    """Case 18."""
    path = tmp_path / "m.onnx"
    path.write_bytes(detector(2, ir=ir, opset=opset).SerializeToString())
    error = refusal(path)
    assert named in error.message
    assert "opset=17" in error.hint


def test_a_model_of_other_operators_than_onnxs_is_refused(tmp_path: Path) -> None:
    builder = Builder()
    node = onnx.helper.make_node("Scaler", ["images"], ["y"], domain="ai.onnx.ml", offset=[0.0])
    builder.nodes.append(node)
    model = builder.model({"y": [1, 3, 64, 64]})
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 3))
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    with pytest.raises(UnsupportedModelError, match=r"ai\.onnx\.ml\.Scaler"):
        read_raw_network(path)


@pytest.mark.parametrize("kind", ["weight", "input", "constant"])
def test_an_output_that_no_picture_changes_is_named(tmp_path: Path, kind: str) -> None:
    """Row 5 of what was found by reading: a KeyError before."""
    builder = Builder()
    builder.conv("images", "c", (3, 4))
    if kind == "weight":
        builder.constant("fixed", np.ones((1, 4)), np.float32)
    elif kind == "constant":
        value = numpy_helper.from_array(np.ones((1, 4), np.float32))
        builder.nodes.append(onnx.helper.make_node("Constant", [], ["fixed"], value=value))
    name = "images" if kind == "input" else "fixed"
    shape = [1, 3, 64, 64] if kind == "input" else [1, 4]
    path = tmp_path / "m.onnx"
    onnx.save(builder.model({name: shape}), path)
    for read in (read_network, read_raw_network):
        with pytest.raises(UnsupportedModelError, match=f"the output {name} does not depend"):
            read(path)


@pytest.mark.parametrize(
    ("op", "weights", "bias", "groups", "message"),
    [
        ("Conv", (8, 3, 1, 1), 5, 1, "its bias is 5, and it has 8 output channels"),
        ("Conv", (8, 3, 1, 1), 9, 1, "its bias is 9"),
        ("ConvTranspose", (3, 4, 2, 2), 3, 1, "its bias is 3, and it has 4"),
        ("Conv", (7, 1, 1, 1), 7, 3, "7 channels cannot be 3 groups"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_the_name_of_the_node(
    tmp_path: Path, op: str, weights: tuple[int, ...], bias: int, groups: int, message: str
) -> None:
    """Case 63: onnxruntime reads past the end of a bias that is too short."""
    builder = Builder()
    builder.constant("w", np.ones(weights), np.float32)
    builder.constant("b", np.ones(bias), np.float32)
    builder.node(op, ["images", "w", "b"], "wrong", group=groups)
    path = tmp_path / "m.onnx"
    onnx.save(builder.model({"wrong": [1, "c", "h", "w"]}), path)
    with pytest.raises(InputError, match="wrong") as caught:
        read_raw_network(path)
    assert message in caught.value.message
    assert "dynamo=False" in caught.value.hint


def test_normalization_parameters_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Case 63."""
    builder = Builder()
    for name, length in (("s", 3), ("b", 3), ("m", 4), ("v", 3)):
        builder.constant(name, np.ones(length), np.float32)
    builder.node("BatchNormalization", ["images", "s", "b", "m", "v"], "bn")
    path = tmp_path / "m.onnx"
    onnx.save(builder.model({"bn": [1, 3, 64, 64]}), path)
    with pytest.raises(InputError, match="bn"):
        read_raw_network(path)


def test_the_digest_of_a_file_of_anything_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\xff" * 4000)
    assert len(digest_of(path)) == 64
    with pytest.raises(RecamError):
        load_onnx(path)
