"""The virtual camera runs an emulated network only where it is proved and is the model's own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from virtual.sscma.emulated import NotEmulatedError, dense_picture, find, load_emulated
from virtual.sscma.engine import EngineError
from virtual.sscma.input_image import Format, InputImage, frame_bytes, input_bytes
from virtual.sscma.tensors import Model, Tensor

SIDE = 2
PADDED = Tensor("in", (1, SIDE, SIDE, 3), "uint8", SIDE * 64)
DENSE = Tensor("in", (1, SIDE, SIDE, 3), "uint8", SIDE * SIDE * 3)
OUTPUT = Tensor("out", (1, SIDE * SIDE * 3), "float32", SIDE * SIDE * 3 * 4)
IMAGE = InputImage(SIDE, SIDE, Format.PACKED)
PIXELS: NDArray[np.uint8] = np.arange(1, 13, dtype=np.uint8).reshape(SIDE, SIDE, 3)
PROOF = {"values": 12, "different": 0, "largest": 0.0}


def write_step(
    steps: Path, cvimodel: Path, proof: Any = PROOF, kind: int = TensorProto.FLOAT, name: str = "a"
) -> Path:
    """Write a finished step whose network gives the picture itself; return the ONNX file."""
    folder = steps / f"emulate-{name}"
    folder.mkdir(parents=True)
    node = helper.make_node("Cast", ["picture"], ["out"], to=kind)
    given = helper.make_tensor_value_info("picture", TensorProto.UINT8, DENSE.shape)
    made = helper.make_tensor_value_info("out", kind, DENSE.shape)
    graph = helper.make_graph([node], "copy", [given], [made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path = folder / f"{hashlib.sha256(cvimodel.read_bytes()).hexdigest()}.onnx"
    onnx.save(model, path)
    (folder / "proof.json").write_text(json.dumps(proof))
    files = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir()}
    (folder / "step.json").write_text(json.dumps({"files": files}))
    return path


@pytest.fixture
def cvimodel(tmp_path: Path) -> Path:
    path = tmp_path / "model.cvimodel"
    path.write_bytes(b"a model")
    return path


def test_the_file_of_this_very_model_is_found(tmp_path: Path, cvimodel: Path) -> None:
    steps = tmp_path / "steps"
    assert find(steps, cvimodel) is None
    path = write_step(steps, cvimodel)
    assert find(steps, cvimodel) == path
    cvimodel.write_bytes(b"another model")
    assert find(steps, cvimodel) is None


@pytest.mark.parametrize("largest", [0.0, 2.0**-7, 2.0**-6])
def test_bf16_sums_in_another_order_are_a_proof_too(
    tmp_path: Path, cvimodel: Path, largest: float
) -> None:
    path = write_step(tmp_path, cvimodel, PROOF | {"largest": largest})
    assert find(tmp_path, cvimodel) == path


@pytest.mark.parametrize(
    "proof", [PROOF | {"largest": 0.02}, PROOF | {"largest": float("nan")}, {}, [], None]
)
def test_a_proof_that_failed_or_says_nothing_is_none(
    tmp_path: Path, cvimodel: Path, proof: Any
) -> None:
    write_step(tmp_path, cvimodel, proof)
    assert find(tmp_path, cvimodel) is None


@pytest.mark.parametrize("missing", ["proof.json", "step.json"])
def test_an_unfinished_step_is_not_used(tmp_path: Path, cvimodel: Path, missing: str) -> None:
    write_step(tmp_path, cvimodel).with_name(missing).unlink()
    assert find(tmp_path, cvimodel) is None


def test_a_damaged_file_is_not_used(tmp_path: Path, cvimodel: Path) -> None:
    path = write_step(tmp_path, cvimodel)
    path.write_bytes(path.read_bytes() + b"\0")
    assert find(tmp_path, cvimodel) is None


def test_of_two_the_damaged_one_is_passed_over(tmp_path: Path, cvimodel: Path) -> None:
    whole = write_step(tmp_path, cvimodel, name="a")
    write_step(tmp_path, cvimodel, name="b").write_bytes(b"")
    assert find(tmp_path, cvimodel) == whole


@pytest.mark.parametrize("tensor", [DENSE, PADDED], ids=["dense", "padded"])
def test_the_outputs_come_in_the_cvimodels_shape(
    tmp_path: Path, cvimodel: Path, tensor: Tensor
) -> None:
    """The bytes as the live path and the test program lay them out for such an input."""
    model = Model((tensor,), (OUTPUT,))
    write_step(tmp_path, cvimodel)
    network = load_emulated(tmp_path, cvimodel, model)
    assert network
    fill = frame_bytes if tensor is PADDED else input_bytes
    run = network.run(fill(model, IMAGE, PIXELS))
    assert [array.tolist() for array in run.arrays] == [[list(range(1, 13))]]
    assert run.arrays[0].dtype == np.float32
    assert run.milliseconds > 0


def test_int8_outputs_stay_int8(tmp_path: Path, cvimodel: Path) -> None:
    output = Tensor("out", OUTPUT.shape, "int8", SIDE * SIDE * 3, 0.5)
    write_step(tmp_path, cvimodel, kind=TensorProto.INT8)
    network = load_emulated(tmp_path, cvimodel, Model((DENSE,), (output,)))
    assert network
    assert network.run(PIXELS.tobytes()).arrays[0].dtype == np.int8


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (Tensor("in", DENSE.shape, "int8", DENSE.size), OUTPUT),
        (Tensor("in", DENSE.shape, "uint8", DENSE.size + 1), OUTPUT),
        (Tensor("in", (1, 4, 4, 3), "uint8", 48), OUTPUT),
        (DENSE, Tensor("out", OUTPUT.shape, "bfloat16", 24)),
        (DENSE, Tensor("out", (1, 6), "float32", 24)),
    ],
    ids=["signed", "odd rows", "another size", "another type", "fewer values"],
)
def test_a_model_of_another_form_goes_to_the_simulator(
    tmp_path: Path, cvimodel: Path, given: Tensor, made: Tensor
) -> None:
    write_step(tmp_path, cvimodel)
    assert load_emulated(tmp_path, cvimodel, Model((given,), (made,))) is None


def test_without_a_folder_everything_goes_to_the_simulator(cvimodel: Path) -> None:
    assert load_emulated(None, cvimodel, Model((DENSE,), (OUTPUT,))) is None


def test_input_of_another_size_is_an_error_of_the_engine(tmp_path: Path, cvimodel: Path) -> None:
    write_step(tmp_path, cvimodel)
    network = load_emulated(tmp_path, cvimodel, Model((DENSE,), (OUTPUT,)))
    assert network
    with pytest.raises(EngineError, match="13 bytes"):
        network.run(bytes(13))


def test_padded_frames_slide_in_a_model_that_was_built_for_dense_rows() -> None:
    seen = dense_picture(DENSE, frame_bytes(Model((DENSE,), ()), IMAGE, PIXELS))
    assert seen.ravel().tolist() == [1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0]


def test_planar_rows_lose_their_padding_too() -> None:
    tensor = Tensor("in", (1, 3, 2, 5), "uint8", 6 * 64)
    lines = np.zeros((6, 64), np.uint8)
    lines[:, :5] = np.arange(30).reshape(6, 5)
    assert dense_picture(tensor, lines.tobytes()).ravel().tolist() == list(range(30))
    with pytest.raises(NotEmulatedError):
        dense_picture(tensor, lines.tobytes()[:-1])
