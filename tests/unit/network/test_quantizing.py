"""The emulated INT8 and BF16 round as the chip's do, and only where they are asked to."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx_models import Builder

from recam_deploy.conversion.reference import Array, FloatModel
from recam_deploy.errors import UnsupportedModelError
from recam_deploy.network.quantizing import QuantizedNetwork, bf16_values, int8_weights

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


def test_bf16_is_rounded_to_eight_bits_to_the_nearest_even() -> None:
    given = np.array([1 + 2**-9, 1 + 2**-8, 1 + 3 * 2**-8, -140.6, 0, 1e-30], np.float32)
    assert bf16_values(given)[:5].tolist() == [1, 1, 1 + 2**-6, -141, 0]
    assert np.all(np.abs(bf16_values(given) - given) <= np.abs(given) * 2**-8)


def test_weights_have_255_levels_a_channel() -> None:
    weights = np.array([[[[1.0, 0.3]]], [[[-100.0, 0.3]]]], np.float32)
    rounded = int8_weights(weights, 0)
    assert rounded[:, 0, 0, 0].tolist() == [1, -100]
    assert rounded[0, 0, 0, 1] == pytest.approx(38 / 127)
    assert rounded[1, 0, 0, 1] == 0


def test_a_convolution_goes_with_its_activation_and_what_moves_its_result() -> None:
    layers = QuantizedNetwork(silu_network(), THRESHOLDS).layers
    assert [layer.names for layer in layers] == [
        ("conv_Conv", "silu_Mul", "flat_Reshape"),
        ("output0_MulConst",),
    ]
    assert layers[0].tensors == ("conv", "silu", "flat")


def test_nothing_is_rounded_in_float32() -> None:
    model = silu_network()
    same = QuantizedNetwork(model, THRESHOLDS).with_int8(frozenset(), bf16=False)
    assert np.array_equal(run(same), run(model))


def test_every_layer_in_bf16_ends_in_values_of_bf16() -> None:
    model = silu_network()
    rounded = run(QuantizedNetwork(model, THRESHOLDS).with_int8(frozenset(), bf16=True))
    assert np.array_equal(rounded, bf16_values(rounded))
    assert not np.array_equal(rounded, run(model))
    assert rounded == pytest.approx(run(model), rel=0.05, abs=0.05)


def test_an_int8_layer_ends_in_levels_of_its_threshold() -> None:
    network = QuantizedNetwork(silu_network(), THRESHOLDS)
    levels = run(network.with_int8(frozenset({"output0"}), bf16=False)) / (4.0 / 127)
    assert levels == pytest.approx(np.round(levels), abs=1e-3)
    assert levels.max() <= 127


def test_the_table_is_not_believed_for_what_only_moves_values() -> None:
    network = QuantizedNetwork(silu_network(), THRESHOLDS)
    tensors = frozenset(t for layer in network.layers for t in layer.tensors)
    result = run(network.with_int8(tensors, bf16=False))
    assert result == pytest.approx(run(silu_network()), abs=0.2)


def test_a_bf16_result_is_narrowed_for_its_int8_reader_alone() -> None:
    builder = Builder()
    base = builder.node("Relu", ["images"], "base")
    builder.node("Mul", [base, builder.constant("one", [1], np.float32)], "narrow")
    builder.node("Concat", [base, base], "wide", axis=1)
    model = builder.model({"narrow": [1, 3, 8, 8], "wide": [1, 6, 8, 8]}, inputs=INPUT)
    thresholds = {"images": 3.0, "base_Relu": 0.5, "narrow_MulConst": 9.0, "wide_Concat": 9.0}
    changed = QuantizedNetwork(model, thresholds).with_int8(frozenset({"narrow"}), bf16=False)
    narrow, wide = FloatModel(changed.SerializeToString(), as_written=True).run(IMAGE)
    assert narrow.max() < 0.6
    assert wide.max() > 1


def test_models_older_than_int8_are_refused() -> None:
    model = silu_network()
    model.opset_import[0].version = 9
    with pytest.raises(UnsupportedModelError, match="opset 10"):
        QuantizedNetwork(model, THRESHOLDS)
