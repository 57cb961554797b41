"""The emulated INT8 and BF16 round as the chip's do, and only where they are asked to."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx_models import Builder

from recam_deploy.errors import UnsupportedModelError
from recam_deploy.mixed_precision.bf16 import bf16_values
from recam_deploy.mixed_precision.emulation import QuantizedNetwork, Source, int8_weights
from recam_deploy.network.float_model import Array, FloatModel
from recam_deploy.network.runtime import Runtime

IMAGE = np.random.default_rng(1).normal(0, 1, (1, 3, 8, 8)).astype(np.float32)
INPUT = {"images": [1, 3, 8, 8]}


def run(model: onnx.ModelProto) -> Array:
    return FloatModel(model.SerializeToString(), as_written=True).run(IMAGE)[0]


def silu_network() -> onnx.ModelProto:
    """conv → SiLU → flattened → times 2."""
    builder = Builder()
    conv = builder.conv("images", "conv", (3, 4))
    gate = builder.node("Sigmoid", [conv], "gate")
    silu = builder.node("Mul", [conv, gate], "silu")
    flat = builder.node("Reshape", [silu, builder.constant("rows", [1, 4, 64])], "flat")
    builder.node("Mul", [flat, builder.constant("two", [2], np.float32)], "output0")
    return builder.model({"output0": [1, 4, 64]}, inputs=INPUT)


THRESHOLDS = {
    "images": 3.0,
    "conv_Conv": 3.0,
    "silu_Mul": 2.0,
    "flat_Reshape": 0.01,
    "output0_MulConst": 4.0,
}


def test_weights_have_255_levels_a_channel() -> None:
    weights = np.array([[[[1.0, 0.3]]], [[[-100.0, 0.3]]]], np.float32)
    rounded = int8_weights(weights, 0)
    assert rounded[:, 0, 0, 0].tolist() == [1, -100]
    assert rounded[0, 0, 0, 1] == pytest.approx(38 / 127)
    assert rounded[1, 0, 0, 1] == 0


def test_a_layer_is_one_operation_with_what_moves_its_result() -> None:
    layers = QuantizedNetwork(silu_network(), THRESHOLDS).layers
    assert [layer.names for layer in layers] == [
        ("conv_Conv",),
        ("silu_Mul", "flat_Reshape"),
        ("output0_MulConst",),
    ]
    assert layers[1].tensors == ("silu", "flat")


def test_every_layer_in_bf16_ends_in_values_of_bf16() -> None:
    model = silu_network()
    rounded = run(QuantizedNetwork(model, THRESHOLDS).with_int8(()))
    assert np.array_equal(rounded, bf16_values(rounded))
    assert not np.array_equal(rounded, run(model))
    assert rounded == pytest.approx(run(model), rel=0.05, abs=0.05)


def test_an_int8_layer_ends_in_levels_of_its_threshold() -> None:
    network = QuantizedNetwork(silu_network(), THRESHOLDS)
    levels = run(network.with_int8({"output0"})) / (4.0 / 127)
    assert levels == pytest.approx(np.round(levels), abs=1e-3)
    assert levels.max() <= 127


def test_a_silu_in_int8_takes_no_part_in_the_tables_of_bf16() -> None:
    network = QuantizedNetwork(silu_network(), THRESHOLDS)
    in_int8 = network.with_int8({"silu", "flat"})
    assert [node.op_type for node in in_int8.graph.node].count("Sigmoid") == 1
    in_bf16 = network.with_int8({"conv", "output0"})
    kinds = [node.op_type for node in in_bf16.graph.node]
    assert "Sigmoid" not in kinds
    assert kinds.count("Gather") == 2


def test_the_table_is_not_believed_for_what_only_moves_values() -> None:
    network = QuantizedNetwork(silu_network(), THRESHOLDS)
    tensors = frozenset(t for layer in network.layers for t in layer.tensors)
    result = run(network.with_int8(tensors))
    assert result == pytest.approx(run(silu_network()), abs=0.2)


def branches() -> QuantizedNetwork:
    """relu → times 1; relu → joined with itself. The relu's threshold is far too low."""
    builder = Builder()
    base = builder.node("Relu", ["images"], "base")
    builder.node("Mul", [base, builder.constant("one", [1], np.float32)], "narrow")
    builder.node("Concat", [base, base], "wide", axis=1)
    model = builder.model({"narrow": [1, 3, 8, 8], "wide": [1, 6, 8, 8]}, inputs=INPUT)
    thresholds = {"images": 3.0, "base_Relu": 0.5, "narrow_MulConst": 9.0, "wide_Concat": 9.0}
    return QuantizedNetwork(model, thresholds)


def test_a_bf16_result_is_narrowed_for_its_int8_reader_alone() -> None:
    changed = branches().with_int8({"narrow"})
    narrow, wide = FloatModel(changed.SerializeToString(), as_written=True).run(IMAGE)
    assert narrow.max() < 0.6
    assert wide.max() > 1


def test_a_tensor_has_errors_by_whoever_makes_or_reads_it() -> None:
    assert branches().sources == (
        Source("images", frozenset({0})),
        Source("base", frozenset({0, 1, 2})),
        Source("narrow", frozenset({1})),
        Source("wide", frozenset({2})),
    )


def test_a_cast_is_counted_where_int8_and_bf16_meet() -> None:
    network = branches()
    base, narrow, wide = network.layers
    assert [network.casts(kept) for kept in ((), (base, narrow, wide))] == [0, 0]
    assert [network.casts(kept) for kept in ((base,), (wide,), (narrow, wide))] == [1, 1, 1]


def test_only_what_lies_behind_a_tensor_is_computed_anew() -> None:
    network = branches()
    values = {"base": np.maximum(IMAGE, 0), "images": IMAGE}
    behind = {source.tensor: network.affected_part(source, values) for source in network.sources}
    assert [o.name for o in behind["narrow"].graph.output] == ["narrow"]
    assert behind["narrow"].graph.node[0].op_type == "Mul"
    assert [i.name for i in behind["narrow"].graph.input] == ["base"]
    assert [o.name for o in behind["base"].graph.output] == ["narrow", "wide"]
    narrow, wide = FloatModel(behind["base"].SerializeToString(), as_written=True).run(IMAGE)
    assert narrow.max() == wide.max() == pytest.approx(0.5)


@pytest.mark.parametrize("tensor", ["images", "conv", "silu", "output0"])
def test_one_tensor_alone_in_int8_differs_by_half_a_level(tensor: str) -> None:
    network = QuantizedNetwork(silu_network(), {**THRESHOLDS, "silu_Mul": 9.0})
    model = silu_network()
    inside = onnx.ModelProto()
    inside.CopyFrom(model)
    names = [node.output[0] for node in model.graph.node if node.op_type != "Constant"]
    del inside.graph.output[:]
    inside.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    found = FloatModel(inside.SerializeToString(), as_written=True).run(IMAGE)
    values = {"images": IMAGE, **dict(zip(names, found, strict=True))}
    (source,) = (s for s in network.sources if s.tensor == tensor)
    changed = network.affected_part(source, values)
    runtime = Runtime(changed.SerializeToString(), as_written=True)
    (result,) = runtime.run({name: values[name] for name in runtime.inputs})
    difference = np.abs(result - values["output0"]).max()
    assert 0 < difference < 0.4


def test_models_older_than_int8_are_refused() -> None:
    model = silu_network()
    model.opset_import[0].version = 9
    with pytest.raises(UnsupportedModelError, match="opset 10"):
        QuantizedNetwork(model, THRESHOLDS)
