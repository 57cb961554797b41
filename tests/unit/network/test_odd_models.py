"""Rare forms of models work, or are refused by their cause, before anything is computed on them."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import SIZE, Builder, detector

from recam_deploy.conversion.preparation_check import check_prepared
from recam_deploy.errors import UnsupportedModelError
from recam_deploy.network.model import CLASSIFY
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network, read_raw_network


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def classifier(*after: tuple[str, dict[str, Any]]) -> onnx.ModelProto:
    """A classifier of three classes with operators after its softmax."""
    builder = Builder()
    features = builder.conv("images", "c", (3, 3))
    pooled = builder.node("GlobalAveragePool", [features], "pooled")
    result = builder.node("Softmax", [builder.node("Flatten", [pooled], "flat")], "softmax")
    for number, (op, attributes) in enumerate(after):
        result = builder.node(op, [result], f"after{number}", **attributes)
    names = {"names": "['a', 'b', 'c']", "task": "classify"}
    return builder.model({result: [1, 3]}, metadata=names)


def refusal(model: onnx.ModelProto, folder: Path, *, raw: bool = False) -> UnsupportedModelError:
    read = read_raw_network if raw else read_network
    with pytest.raises(UnsupportedModelError) as caught:
        read(saved(model, folder))
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("raw", [False, True], ids=["family", "raw"])
def test_a_picture_larger_than_the_camera_s_memory_is_refused_before_it_is_made(
    tmp_path: Path, raw: bool
) -> None:
    """A relative of cases 62 and 68: the picture alone would take 12 TB."""
    model = detector()
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = 1 << 20
    model.graph.output[0].type.tensor_type.ClearField("shape")
    assert "larger than the camera's memory" in refusal(model, tmp_path, raw=raw).message


def test_weights_that_are_no_numbers_are_said_and_not_warned_of(tmp_path: Path) -> None:
    """A relative of case 63: a training that failed leaves such weights."""
    model = detector()
    weight = model.graph.initializer[0]
    broken = np.full(tuple(weight.dims), np.nan, np.float32)
    weight.CopyFrom(numpy_helper.from_array(broken, weight.name))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "NaN" in refusal(model, tmp_path).message


@pytest.mark.parametrize("per_axis", [False, True], ids=["linear", "per axis"])
def test_sparse_weights_are_read_like_others(tmp_path: Path, per_axis: bool) -> None:
    """A relative of case 11; the name is one that the compiler could not process."""
    model = detector()
    index = next(i for i, t in enumerate(model.graph.initializer) if t.name == "f2_w")
    weight = numpy_helper.to_array(model.graph.initializer[index])
    del model.graph.initializer[index]
    places = np.argwhere(weight != 0) if per_axis else np.flatnonzero(weight)
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(
            numpy_helper.from_array(weight[weight != 0], "f2 w"),
            numpy_helper.from_array(places.astype(np.int64), "places"),
            weight.shape,
        )
    )
    for node in model.graph.node:
        node.input[:] = ["f2 w" if name == "f2_w" else name for name in node.input]
    network, graph = read_network(saved(model, tmp_path))
    result = prepare(graph, network)
    check_prepared(graph, result, network)
    found = next(tensor for tensor in result.graph.initializer if tensor.name == "f2_w")
    np.testing.assert_array_equal(numpy_helper.to_array(found), weight)


def test_what_leaves_a_softmax_s_values_alone_may_follow_it(tmp_path: Path) -> None:
    network, _ = read_network(saved(classifier(("Identity", {}), ("Flatten", {})), tmp_path))
    assert (network.family, network.classes) == (CLASSIFY, 3)


def test_what_changes_a_softmax_s_values_may_not_follow_it(tmp_path: Path) -> None:
    model = classifier(("Identity", {}), ("Log", {}))
    assert "does not end in a softmax" in refusal(model, tmp_path).message


@pytest.mark.parametrize("opset", [13, 17, 18])
def test_a_sum_over_no_axes_that_keeps_its_input_is_no_sum(tmp_path: Path, opset: int) -> None:
    """A relative of case 18: the compiler overlooks `noop_with_empty_axes` and sums up all."""
    builder = Builder()
    source = builder.conv("images", "c", (3, 4))
    builder.node("ReduceSum", [source], "kept", noop_with_empty_axes=1)
    shape = [1, 4, SIZE, SIZE]
    network, graph = read_raw_network(saved(builder.model({"kept": shape}, opset=opset), tmp_path))
    result = prepare(graph, network)
    check_prepared(graph, result, network)
    assert [node.op_type for node in result.graph.node] == ["Conv", "Identity"]


def test_an_output_of_text_is_refused(tmp_path: Path) -> None:
    builder = Builder()
    builder.conv("images", "c", (3, 4))
    builder.weights.append(numpy_helper.from_array(np.array(["a"], object), "words"))
    builder.node("StringNormalizer", ["words"], "text")
    model = builder.model({"c": [1, 4, SIZE, SIZE], "text": [1]})
    model.graph.output[1].type.tensor_type.elem_type = TensorProto.STRING
    assert "the output text is text" in refusal(model, tmp_path, raw=True).message


def test_an_output_of_one_number_is_not_called_unknown(tmp_path: Path) -> None:
    builder = Builder()
    builder.node("ReduceMean", [builder.conv("images", "c", (3, 4))], "mean", keepdims=0)
    assert "one number" in refusal(builder.model({"mean": []}), tmp_path, raw=True).message


def test_what_onnx_cannot_expand_is_said_without_the_place_in_its_source(tmp_path: Path) -> None:
    builder = Builder()
    source = builder.conv("images", "c", (3, 4))
    theta = builder.constant("theta", [[[1, 0, 0], [0, 1, 0]]], np.float32)
    grid = builder.node("AffineGrid", [theta, builder.constant("size", [1, 4, SIZE, SIZE])], "grid")
    builder.node("GridSample", [source, grid], "out")
    model = builder.model({"out": [1, 4, SIZE, SIZE]}, opset=20, ir=10)
    message = refusal(model, tmp_path, raw=True).message
    assert "cannot expand" in message
    assert ".cc" not in message


def test_a_thousand_casts_are_removed_at_once(tmp_path: Path) -> None:
    """A relative of case 3, as mixed precision exports; renaming after each took 14 seconds."""
    builder = Builder()
    source = builder.conv("images", "c", (3, 4))
    for number in range(500):
        half = builder.node("Cast", [source], f"half{number}", to=TensorProto.FLOAT16)
        positive = builder.node("Relu", [half], f"relu{number}")
        source = builder.node("Cast", [positive], f"wide{number}", to=TensorProto.FLOAT)
    model = builder.model({source: [1, 4, SIZE, SIZE]})
    started = time.monotonic()
    _, graph = read_raw_network(saved(model, tmp_path))
    assert time.monotonic() - started < 2
    assert "Cast" not in [node.op_type for node in graph.graph.node]
    assert graph.graph.output[0].name == "wide499"
