"""What the compiler stops at is written in another form, or refused before it is started."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import SIZE, Builder

from recam_deploy.errors import InputError, UnsupportedModelError
from recam_deploy.network.float_model import largest_difference
from recam_deploy.network.lowering import lower
from recam_deploy.network.onnx_file import load_onnx

IMAGE = np.random.default_rng(1).random((1, 3, SIZE, SIZE), np.float32)
GELU = ["Div", "Erf", "Add", "Mul", "Mul"]

Body = Callable[[Builder, str], str]


def network(body: Body, opset: int = 17) -> onnx.ModelProto:
    """A convolution, and `body` on its output."""
    builder = Builder()
    last = body(builder, builder.conv("images", "x", (3, 8)))
    builder.node("Neg", [last], "out")
    model = builder.model({"out": [1, 8, SIZE, SIZE]}, opset=opset)
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def operators(model: onnx.ModelProto) -> list[str]:
    """All operators of a network but its first and last."""
    return [node.op_type for node in model.graph.node][1:-1]


def number(builder: Builder, name: str, value: float, *shape: int) -> str:
    return builder.constant(name, np.full(shape, value), np.float32)


def erf_of(builder: Builder, x: str, divided: bool = False) -> str:
    """1 + erf(x / sqrt(2))"""
    factor = math.sqrt(2) if divided else 1 / math.sqrt(2)
    scaled = builder.node("Div" if divided else "Mul", [x, number(builder, "k", factor)], "scaled")
    erf = builder.node("Erf", [scaled], "erf")
    return builder.node("Add", [number(builder, "one", 1, 1), erf], "plus")


def half_last(builder: Builder, x: str) -> str:
    product = builder.node("Mul", [erf_of(builder, x), x], "product")
    return builder.node("Mul", [number(builder, "half", 0.5), product], "gelu")


def half_first(builder: Builder, x: str) -> str:
    """As torch's newer exporter writes it."""
    halved = builder.node("Mul", [number(builder, "half", 0.5), erf_of(builder, x)], "halved")
    return builder.node("Mul", [x, halved], "gelu")


def halved_input(builder: Builder, x: str) -> str:
    halved = builder.node("Div", [x, number(builder, "two", 2)], "halved")
    return builder.node("Mul", [halved, erf_of(builder, x, divided=True)], "gelu")


@pytest.mark.parametrize("body", [half_last, half_first, halved_input])
def test_gelu_gets_the_order_that_the_compiler_recognises(body: Body) -> None:
    model = network(body)
    lowered = lower(model)
    assert operators(lowered) == GELU
    assert largest_difference(model, lowered, ["out"], IMAGE) <= 1e-6


def test_gelu_in_that_order_keeps_its_nodes() -> None:
    def body(builder: Builder, x: str) -> str:
        product = builder.node("Mul", [x, erf_of(builder, x, divided=True)], "product")
        return builder.node("Mul", [product, number(builder, "half", 0.5)], "gelu")

    model = network(body)
    assert [node.name for node in lower(model).graph.node] == [n.name for n in model.graph.node]


def test_what_only_looks_like_gelu_stays() -> None:
    def body(builder: Builder, x: str) -> str:
        product = builder.node("Mul", [x, erf_of(builder, x)], "product")
        return builder.node("Mul", [product, number(builder, "half", 0.4)], "almost")

    assert operators(lower(network(body))) == ["Mul", "Erf", "Add", "Mul", "Mul"]


@pytest.mark.parametrize("given", [{}, {"alpha": 1.5, "gamma": 2.0}])
def test_selu_becomes_an_elu(given: dict[str, float]) -> None:
    model = network(lambda builder, x: builder.node("Selu", [x], "selu", **given))
    lowered = lower(model)
    assert operators(lowered) == ["Elu", "Mul"]
    assert largest_difference(model, lowered, ["out"], IMAGE) <= 1e-6


@pytest.mark.parametrize("shape", [[1, 4, -1], [1, 4, 2 * SIZE, SIZE]])
@pytest.mark.parametrize("affine", [False, True])
def test_normalisation_of_groups_is_written_out(shape: list[int], affine: bool) -> None:
    def body(builder: Builder, x: str) -> str:
        grouped = builder.node("Reshape", [x, builder.constant("groups", shape)], "grouped")
        scale = builder.constant("scale", [1.0, 2, 3, 4] if affine else [1.0] * 4, np.float32)
        bias = builder.constant("bias", [0.1, 0, 0, 1] if affine else [0.0] * 4, np.float32)
        builder.node("InstanceNormalization", [grouped, scale, bias], "normal", epsilon=1e-3)
        back = builder.constant("whole", [1, 8, SIZE, SIZE])
        return builder.node("Reshape", ["normal", back], "back")

    model = network(body)
    lowered = lower(model)
    assert "InstanceNormalization" not in operators(lowered)
    assert largest_difference(model, lowered, ["out"], IMAGE) <= 1e-5


def test_normalisation_of_channels_stays() -> None:
    def body(builder: Builder, x: str) -> str:
        scale, bias = number(builder, "scale", 1, 8), number(builder, "bias", 0, 8)
        return builder.node("InstanceNormalization", [x, scale, bias], "normal")

    assert operators(lower(network(body))) == ["InstanceNormalization"]


def softplus(builder: Builder, x: str) -> str:
    """As torch takes it apart: it is x itself where x is large."""
    plus = builder.node("Add", [builder.node("Exp", [x], "e"), number(builder, "one", 1)], "plus")
    large = builder.node("Greater", [x, number(builder, "limit", 20)], "large")
    return builder.node("Where", [large, x, builder.node("Log", [plus], "log")], "softplus")


REFUSED: dict[str, Body] = {
    "Greater": softplus,
    "Erf": lambda builder, x: builder.node("Erf", [x], "e"),
    "Softsign": lambda builder, x: builder.node("Softsign", [x], "s"),
    "Floor": lambda builder, x: builder.node("Floor", [x], "f"),
}


@pytest.mark.parametrize("operator", REFUSED)
def test_what_has_no_code_is_refused_by_name(operator: str) -> None:
    with pytest.raises(UnsupportedModelError, match=rf"no code for the operator {operator} \(\w"):
        lower(network(REFUSED[operator]))


def test_the_same_operators_on_constants_and_shapes_are_left_to_the_compiler() -> None:
    def body(builder: Builder, x: str) -> str:
        builder.node("Shape", [x], "shape")
        builder.node("Cast", ["shape"], "sizes", to=onnx.TensorProto.FLOAT)
        builder.node("Floor", ["sizes"], "whole")
        builder.node("Cast", ["whole"], "to", to=onnx.TensorProto.INT64)
        signs = builder.node("Sign", [number(builder, "k", 3, 8, 1, 1)], "signs")
        return builder.node("Mul", [builder.node("Reshape", [x, "to"], "same"), signs], "y")

    assert "Floor" in operators(lower(network(body)))


def test_a_group_normalization_that_onnx_has_withdrawn_is_named(tmp_path: Path) -> None:
    def body(builder: Builder, x: str) -> str:
        scale, bias = number(builder, "scale", 1, 4), number(builder, "bias", 0, 4)
        return builder.node("GroupNormalization", [x, scale, bias], "normal", num_groups=4)

    onnx.save(network(body, opset=18), tmp_path / "m.onnx")
    with pytest.raises(InputError, match="GroupNormalization of opset 18") as caught:
        load_onnx(tmp_path / "m.onnx")
    assert "opset=17" in caught.value.hint
