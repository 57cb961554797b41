"""A file of another framework is told by what is in it, and nothing in it is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from foreign_files import (
    CAFFE,
    CHECKPOINT,
    LAYERS_ONLY,
    OWN_NETWORK,
    STATE_DICT,
    YOLOV5_CHECKPOINT,
    calls,
    write_caffe,
    write_saved,
    write_tflite,
    write_torchscript,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recam_deploy.errors import InputError
from recam_deploy.frameworks import FrameworkModel, Refusal, recognise

FLOAT, HALF, INT8 = 0, 1, 9
PICTURE = ("image", (1, 64, 64, 3), FLOAT, False)
SCORES = ("scores", (1, 4), FLOAT, False)


def recognised(path: Path, weights: Path | None = None) -> FrameworkModel:
    model = recognise(path, weights)
    assert model is not None
    return model


def refusal(path: Path) -> Refusal:
    found = recognised(path).refusal
    assert found is not None
    return found


def test_onnx_and_names_that_say_nothing_are_left_to_onnx(tmp_path: Path) -> None:
    assert recognise(tmp_path / "m.onnx") is None
    assert recognise(tmp_path / "model") is None


def test_a_checkpoint_of_ultralytics_is_known_by_its_classes(tmp_path: Path) -> None:
    model = recognised(write_saved(tmp_path / "m.pt", CHECKPOINT))
    assert (model.kind, model.runs_code, model.refusal) == ("ultralytics", True, None)


def test_looking_at_a_checkpoint_runs_nothing_in_it(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    model = recognised(write_saved(tmp_path / "m.pt", calls(f"touch {canary}")))
    assert model.kind == "ultralytics"
    assert not canary.exists()
    # That the file is armed: Python's own unpickler runs it.
    (tmp_path / "pickle").write_bytes(calls(f"touch {canary}"))
    load = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    subprocess.run(
        [sys.executable, "-c", load, tmp_path / "pickle"], capture_output=True, check=False
    )
    assert canary.exists()


def test_torchscript_is_known_by_its_code_and_says_its_size(tmp_path: Path) -> None:
    config = {"imgsz": [96, 96], "names": {"0": "cat"}, "other": 1}
    model = recognised(write_torchscript(tmp_path / "m.torchscript", config))
    assert (model.kind, model.runs_code) == ("torchscript", True)
    assert model.facts == {"imgsz": [96, 96], "names": {"0": "cat"}}


@pytest.mark.parametrize(
    ("pickle", "said", "way_out"),
    [
        (STATE_DICT, "weights only", "torch.jit.trace"),
        (OWN_NETWORK, "source code", "torch.jit.trace"),
        (LAYERS_ONLY, "source code", "torch.jit.trace"),
        (YOLOV5_CHECKPOINT, "YOLOv5", "export.py"),
    ],
)
def test_torch_files_without_a_whole_network_are_refused_with_the_way_out(
    tmp_path: Path, pickle: bytes, said: str, way_out: str
) -> None:
    found = refusal(write_saved(tmp_path / "m.pt", pickle))
    assert said in found.reason
    assert way_out in found.hint


def test_a_torch_file_of_before_zip_archives_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    path.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
    assert "before 1.6" in refusal(path).reason


@pytest.mark.parametrize("name", ["m.pt", "m.tflite"])
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"hello there, all of you", b"\0\0\0\0TFL3"])
def test_damaged_files_are_named(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"is not a .*(cut short|it is )"):
        recognise(path)


PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


@pytest.mark.parametrize("name", ["m.pt", "m.tflite", "m.prototxt", "m.caffemodel"])
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PAGE, "a web page"),
        (POINTER, "a Git LFS pointer"),
        (b"\x1f\x8b\x08", "a gzip file"),
        (b"", "empty"),
    ],
)
def test_what_was_saved_under_a_models_name_is_named_case_27(
    tmp_path: Path, name: str, data: bytes, kind: str
) -> None:
    (tmp_path / "m.prototxt").write_text('layer { type: "Input" }')
    (tmp_path / "m.caffemodel").write_bytes(b"\x0a\x01n\xa2\x06\0")
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=kind):
        recognise(path)


def test_a_checkpoint_of_a_fork_names_the_module_case_21(tmp_path: Path) -> None:
    pickle = CHECKPOINT.removesuffix(b".") + b"cour_layers.attention\nCbam\n."
    found = refusal(write_saved(tmp_path / "m.pt", pickle))
    assert "our_layers.attention" in found.reason
    assert "where it was trained" in found.hint


def test_a_checkpoint_with_paths_and_dates_needs_no_fork_case_21(tmp_path: Path) -> None:
    pickle = b"\x80\x02cpathlib\nPosixPath\nq\x000cultralytics.nn.tasks\nDetectionModel\n)\x81."
    assert recognised(write_saved(tmp_path / "m.pt", pickle)).kind == "ultralytics"


def test_a_tflite_model_says_what_it_takes_and_gives(tmp_path: Path) -> None:
    model = recognised(write_tflite(tmp_path / "m.tflite", [PICTURE, SCORES], [0], [1]))
    assert (model.kind, model.runs_code, model.refusal) == ("tflite", False, None)
    assert model.facts["inputs"][0]["shape"] == [1, 64, 64, 3]
    assert model.facts["outputs"][0]["name"] == "scores"


def test_half_precision_weights_are_no_quantization(tmp_path: Path) -> None:
    weights = ("weights", (3, 3), HALF, False)
    path = write_tflite(tmp_path / "m.tflite", [PICTURE, SCORES, weights], [0], [1])
    assert recognised(path).refusal is None


@pytest.mark.parametrize(
    ("tensors", "inputs", "said"),
    [
        ([PICTURE, ("scores", (1, 4), INT8, True)], [0], "quantized"),
        ([("image", (1, 64, 64, 3), INT8, False), SCORES], [0], "quantized"),
        ([("image", (1, -1, -1, 3), FLOAT, False), SCORES], [0], "1×?×?×3 is dynamic"),
        ([("image", (1, 3, 64, 64), FLOAT, False), SCORES], [0], "not one RGB image"),
        ([PICTURE, SCORES], [0, 1], "2 inputs (image, scores)"),
    ],
)
def test_tflite_models_that_cannot_be_taken_are_refused(
    tmp_path: Path, tensors: list[tuple[str, tuple[int, ...], int, bool]], inputs: list[int],
    said: str,
) -> None:  # fmt: skip
    assert said in refusal(write_tflite(tmp_path / "m.tflite", tensors, inputs, [1])).reason


def test_both_files_of_a_caffe_network_are_found_from_either(tmp_path: Path) -> None:
    prototxt = write_caffe(tmp_path)
    caffemodel = tmp_path / "net.caffemodel"
    assert recognised(prototxt).files == (prototxt, caffemodel)
    assert recognised(caffemodel).files == (prototxt, caffemodel)


def test_the_weights_of_a_caffe_network_can_have_another_name(tmp_path: Path) -> None:
    prototxt = write_caffe(tmp_path, weights="other.caffemodel")
    with pytest.raises(InputError, match=r"net\.caffemodel is missing") as caught:
        recognise(prototxt)
    assert "--weights" in caught.value.hint
    other = tmp_path / "other.caffemodel"
    assert recognised(prototxt, other).files == (prototxt, other)
    with pytest.raises(InputError, match=r"other\.prototxt is missing"):
        recognise(other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CAFFE.replace("Input", "ImageData"), "for training (ImageData)"),
        (CAFFE.replace("layer {", "layers {"), "first format"),
        (CAFFE.replace("Convolution", "DetectionOutput"), "DetectionOutput"),
        ("name: 'n' # layer { type: 'Input' }", "describes no layers"),
    ],
)
def test_caffe_networks_that_cannot_be_taken_are_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    assert said in refusal(write_caffe(tmp_path, text)).reason


@pytest.mark.parametrize("name", ["m.keras", "m.pb", "m.engine", "m.mlmodel", "m.safetensors"])
def test_files_of_frameworks_that_are_not_taken_name_a_way(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        recognise(tmp_path / name)
    assert ".tflite" in caught.value.hint or "TFLite" in caught.value.hint


def test_weights_beside_anything_but_a_prototxt_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="belongs to a .prototxt"):
        recognise(tmp_path / "m.onnx", tmp_path / "w.caffemodel")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pickle=st.binary(max_size=200), cut=st.integers(0, 80), flip=st.integers(0, 300))
def test_no_bytes_break_the_readers(tmp_path: Path, pickle: bytes, cut: int, flip: int) -> None:
    saved = write_saved(tmp_path / "m.pt", CHECKPOINT[:cut] + pickle)
    tflite = write_tflite(tmp_path / "m.tflite", [PICTURE, SCORES], [0], [1])
    for path in (saved, tflite):
        data = bytearray(path.read_bytes())
        data[flip % len(data)] ^= 0x5A
        for content in (path.read_bytes(), bytes(data), bytes(data[: flip or 1])):
            path.write_bytes(content)
            try:
                recognise(path)
            except InputError as error:
                assert error.hint
