"""Quantized models are refused; those that only store their weights so are made float again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from decoding_models import a_detector
from onnx import TensorProto, helper, numpy_helper
from onnx_models import SIZE

from recam_deploy.errors import UnsupportedModelError
from recam_deploy.network.float_model import FloatModel
from recam_deploy.network.quantized import without_quantization
from recam_deploy.network.reading import read_network, read_raw_network


def weights_of(model: onnx.ModelProto, kind: str) -> list[onnx.TensorProto]:
    """The convolutions' weights; in eight bits float without the DFL's, which end at 15."""
    least = 2 if kind == "eight bits float" else 1
    weights = [tensor for tensor in model.graph.initializer if len(tensor.dims) == 4]
    return [tensor for tensor in weights if tensor.dims[1] > 1 and tensor.dims[0] >= least]


def store(model: onnx.ModelProto, kind: str) -> onnx.ModelProto:
    """Store the weights of a float model in fewer bits, behind nodes that widen them again."""
    graph, added = model.graph, []
    for tensor in weights_of(model, kind):
        values, name = numpy_helper.to_array(tensor), tensor.name
        options: dict[str, Any] = {}
        parts: list[Any]
        if kind == "per tensor":
            scale = np.asarray(np.abs(values).max() / 127, np.float32)
            parts = [np.rint(values / scale).astype(np.int8), scale]
        elif kind == "per channel, zero point":
            scale = (np.abs(values).max(axis=(1, 2, 3)) / 127).astype(np.float32)
            zero = np.arange(len(scale)).astype(np.uint8)
            wide = np.rint(values / scale[:, None, None, None]) + zero[:, None, None, None]
            parts, options = [np.clip(wide, 0, 255).astype(np.uint8), scale, zero], {"axis": 0}
        elif kind == "rounded float":
            scale = np.asarray(np.abs(values).max() / 127, np.float32)
            parts = [values, scale, np.zeros((), np.int8)]
        else:
            scale = np.asarray(0.1, np.float32)
            parts = [values / scale, scale]
        graph.initializer.remove(tensor)
        names = [f"{name}_{place}" for place in ("stored", "scale", "zero")][: len(parts)]
        graph.initializer.extend(
            numpy_helper.from_array(part, n) for n, part in zip(names, parts, strict=True)
        )
        if kind == "eight bits float":
            stored = helper.make_tensor(
                names[0], TensorProto.FLOAT8E4M3FN, tensor.dims, parts[0].ravel().tolist()
            )
            graph.initializer[-2].CopyFrom(stored)
        if kind == "rounded float":
            added.append(helper.make_node("QuantizeLinear", names, [f"{name}_rounded"]))
            names[0] = f"{name}_rounded"
        added.append(helper.make_node("DequantizeLinear", names, [name], **options))
    nodes = [*added, *(onnx.NodeProto.FromString(n.SerializeToString()) for n in graph.node)]
    del graph.node[:]
    graph.node.extend(nodes)
    if kind == "eight bits float":
        model.opset_import[0].version = 19
        model.ir_version = 9
    return model


KINDS = ["per tensor", "per channel, zero point", "rounded float", "eight bits float"]


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_stored_in_fewer_bits_become_float_exactly(
    tmp_path: Path, kind: str
) -> None:
    """Case 35: bit by bit what onnxruntime computes of the file as it is."""
    model = store(a_detector(3), kind)
    onnx.checker.check_model(model)
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    network, graph = read_network(path)
    assert network.family == "yolo11-detect"
    assert not any("Linear" in node.op_type for node in graph.graph.node)
    image = np.random.default_rng(5).random((1, 3, SIZE, SIZE), np.float32)
    (own,) = FloatModel(model.SerializeToString(), as_written=True).run(image)
    plain, steps = without_quantization(model)
    assert set(steps) <= set(network.normalised)
    (found,) = FloatModel(plain.SerializeToString(), as_written=True).run(image)
    assert np.array_equal(own, found)


def with_activations(kind: str) -> onnx.ModelProto:
    """Round what the first layer reads, in the ways that tools write."""
    model = a_detector(3)
    graph = model.graph
    scale = numpy_helper.from_array(np.asarray(1 / 127, np.float32), "scale")
    zero = numpy_helper.from_array(np.zeros((), np.uint8), "zero")
    graph.initializer.extend([scale, zero])
    first = graph.node[0]
    given = ["images", "scale", "zero"]
    if kind == "QDQ":
        added = [
            helper.make_node("QuantizeLinear", given, ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"]),
        ]
    elif kind == "dynamic":
        added = [
            helper.make_node("DynamicQuantizeLinear", ["images"], ["q", "s", "z"]),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["dq"]),
        ]
    elif kind == "FakeQuantize":
        added = [
            helper.make_node(
                "FakeQuantize", given, ["dq"], domain="org.openvinotoolkit", levels=256
            )
        ]
        model.opset_import.append(helper.make_opsetid("org.openvinotoolkit", 1))
    else:
        added = [
            helper.make_node("QuantizeLinear", given, ["q"]),
            helper.make_node("QLinearMul", [], ["dq"], domain="com.microsoft"),
        ]
        added[1].input.extend(["q", "scale", "zero", "q", "scale", "zero", "scale", "zero"])
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    first.input[0] = "dq"
    nodes = [*added, *(onnx.NodeProto.FromString(n.SerializeToString()) for n in graph.node)]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


@pytest.mark.parametrize("kind", ["QDQ", "dynamic", "FakeQuantize", "QLinear"])
@pytest.mark.parametrize("read", [read_network, read_raw_network])
def test_a_model_that_rounds_between_its_layers_is_refused(
    tmp_path: Path, kind: str, read: type
) -> None:
    """Case 35: it was planned as a float model, and failed minutes later or was rounded twice."""
    path = tmp_path / "m.onnx"
    onnx.save(with_activations(kind), path)
    with pytest.raises(UnsupportedModelError, match="already quantized") as caught:
        read(path)
    assert "float model that it was made from" in caught.value.hint
