"""A lowered and cut model computes what the original did."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import version_converter
from onnx_models import SIZE, Builder, detector

from recam_deploy.errors import UnsupportedModelError
from recam_deploy.network.cutting import cut
from recam_deploy.network.float_model import FloatModel, largest_difference
from recam_deploy.network.lowering import lower

IMAGE = np.random.default_rng(1).random((1, 3, SIZE, SIZE), np.float32)


def with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


@pytest.mark.parametrize(("opset", "ir"), [(18, 9), (20, 10), (22, 12), (23, 11)])
@pytest.mark.parametrize("style", ["yolo11", "yolov8"])
def test_newer_exports_give_the_same_outputs_at_opset_17(opset: int, ir: int, style: str) -> None:
    model = version_converter.convert_version(detector(style=style), opset)
    model.ir_version = ir
    model = with_shapes(model)
    lowered = lower(model)
    assert (lowered.ir_version, lowered.opset_import[0].version) == (8, 17)
    outputs = [value.name for value in model.graph.output]
    assert largest_difference(model, lowered, outputs, IMAGE) <= 1e-4


def test_an_older_model_keeps_its_opset() -> None:
    lowered = lower(with_shapes(detector(opset=13, ir=7)))
    assert (lowered.ir_version, lowered.opset_import[0].version) == (7, 13)


def test_what_onnx_means_by_silence_is_written_down() -> None:
    """The compiler takes other slopes, and pools that step by their kernel."""
    builder = Builder()
    leaky = builder.node("LeakyRelu", [builder.conv("images", "c", (3, 4))], "leaky")
    elu = builder.node("Elu", [leaky], "elu")
    builder.node("MaxPool", [elu], "pooled", kernel_shape=[3, 3], pads=[1] * 4)
    builder.node("AveragePool", ["pooled"], "out", kernel_shape=[2, 2], strides=[2, 2])
    model = with_shapes(builder.model({"out": [1, 4, SIZE // 2, SIZE // 2]}))
    lowered = lower(model)
    said = {
        (node.op_type, attribute.name): onnx.helper.get_attribute_value(attribute)
        for node in lowered.graph.node
        for attribute in node.attribute
    }
    assert said["LeakyRelu", "alpha"] == pytest.approx(0.01)
    assert said["Elu", "alpha"] == 1.0
    assert said["MaxPool", "strides"] == [1, 1]
    assert said["AveragePool", "strides"] == [2, 2]
    assert largest_difference(model, lowered, ["out"], IMAGE) == 0


def test_cutting_keeps_the_wanted_order_and_values() -> None:
    model = with_shapes(detector())
    wanted = ["head32_cls", "head8_box", "head16_cls"]
    part = cut(model, "images", wanted)
    assert [value.name for value in part.graph.output] == wanted
    assert len(part.graph.node) < len(model.graph.node)
    assert largest_difference(model, part, wanted, IMAGE) == 0


def equal_split(builder: Builder) -> list[str]:
    outputs = ["a", "b"]
    builder.nodes.append(onnx.helper.make_node("Split", ["images"], outputs, axis=2, num_outputs=2))
    return outputs


def uneven_split(builder: Builder) -> list[str]:
    outputs = ["a", "b"]
    builder.nodes.append(
        onnx.helper.make_node("Split", ["images"], outputs, axis=-3, num_outputs=2)
    )
    return outputs


def mean_over_axes(builder: Builder) -> list[str]:
    axes = builder.constant("axes", [2, 3])
    return [builder.node("ReduceMean", ["images", axes], "a", keepdims=1)]


def pad_some_axes(builder: Builder) -> list[str]:
    pads = builder.constant("pads", [1, 2, 3, 4])
    axes = builder.constant("pad_axes", [2, 3])
    return [builder.node("Pad", ["images", pads, "", axes], "a")]


def resize_with_defaults(builder: Builder) -> list[str]:
    scales = builder.constant("scales", [1, 1, 2, 2], np.float32)
    return [
        builder.node(
            "Resize",
            ["images", "", scales],
            "a",
            mode="nearest",
            antialias=0,
            keep_aspect_ratio_policy="stretch",
        )
    ]


@pytest.mark.parametrize(
    "build",
    [
        equal_split,
        uneven_split,
        mean_over_axes,
        pad_some_axes,
        resize_with_defaults,
    ],
)
def test_operators_that_changed_after_opset_17_are_rewritten(
    build: Callable[[Builder], list[str]],
) -> None:
    builder = Builder()
    outputs = build(builder)
    model = builder.model({}, opset=20, ir=9)
    for name in outputs:
        model.graph.output.add(name=name)
    model = with_shapes(model)
    lowered = lower(model)
    before = FloatModel(model.SerializeToString()).run(IMAGE)
    after = FloatModel(lowered.SerializeToString()).run(IMAGE)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_reduction_over_no_axes_at_all_changes_nothing() -> None:
    builder = Builder()
    builder.node("ReduceMax", ["images"], "a", noop_with_empty_axes=1)
    lowered = lower(with_shapes(builder.model({"a": [1, 3, SIZE, SIZE]}, opset=20, ir=9)))
    (after,) = FloatModel(lowered.SerializeToString()).run(IMAGE)
    np.testing.assert_array_equal(after, IMAGE)


@pytest.mark.parametrize(
    ("op", "attributes", "message"),
    [
        ("Resize", {"antialias": 1, "mode": "linear"}, "uses `antialias`"),
        ("Gelu", {}, "does not exist"),
    ],
)
def test_what_has_no_equivalent_is_refused_by_name(
    op: str, attributes: dict[str, object], message: str
) -> None:
    builder = Builder()
    inputs = ["images"]
    if op == "Resize":
        inputs += ["", builder.constant("scales", [1, 1, 0.5, 0.5], np.float32)]
    builder.node(op, inputs, "a", **attributes)
    model = builder.model({"a": [1, 3, "h", "w"]}, opset=20, ir=9)
    with pytest.raises(UnsupportedModelError, match=message) as caught:
        lower(with_shapes(model))
    assert op in caught.value.message
    assert "opset=17" in caught.value.hint


def test_operators_of_other_domains_are_refused() -> None:
    builder = Builder()
    builder.nodes.append(onnx.helper.make_node("EfficientNMS_TRT", ["images"], ["a"], domain="TRT"))
    model = builder.model({"a": [1]}, opset=17)
    model.opset_import.append(onnx.helper.make_opsetid("TRT", 1))
    with pytest.raises(UnsupportedModelError, match=r"TRT\.EfficientNMS_TRT"):
        lower(model)


def test_kernel_shapes_are_spelled_out_for_the_compiler() -> None:
    lowered = lower(with_shapes(detector()))
    shapes = {
        node.output[0]: attribute.ints
        for node in lowered.graph.node
        for attribute in node.attribute
        if node.op_type == "Conv" and attribute.name == "kernel_shape"
    }
    assert list(shapes["f2"]) == [3, 3]
    assert list(shapes["head8_box"]) == [1, 1]


def split_unevenly(builder: Builder) -> list[str]:
    source = builder.conv("images", "c", (3, 8))
    outputs = ["a", "b", "d"]
    builder.nodes.append(onnx.helper.make_node("Split", [source], outputs, axis=1, num_outputs=3))
    return outputs


def resize_some_axes(builder: Builder) -> list[str]:
    source = builder.conv("images", "c", (3, 8))
    scales = builder.constant("scales", [2, 3], np.float32)
    return [
        builder.node("Resize", [source, "", scales], "a", mode="nearest", axes=[2, 3]),
        builder.node("Resize", [source, "", scales], "b", mode="linear", axes=[-1, 2]),
    ]


def resize_some_axes_to_sizes(builder: Builder) -> list[str]:
    source = builder.conv("images", "c", (3, 8))
    sizes = builder.constant("sizes", [100, 80])
    return [builder.node("Resize", [source, "", "", sizes], "a", mode="linear", axes=[2, 3])]


def enlarge_with_antialias(builder: Builder) -> list[str]:
    """Anti-aliasing is for pictures that shrink."""
    scales = builder.constant("scales", [1, 1, 2, 2], np.float32)
    inputs = ["images", "", scales]
    return [builder.node("Resize", inputs, "a", mode="linear", antialias=1)]


def symmetric_half_pixels(builder: Builder) -> list[str]:
    """They differ from half pixels where a size was rounded."""
    scales = builder.constant("scales", [1, 1, 2, 2], np.float32)
    mode = "half_pixel_symmetric"
    inputs = ["images", "", scales]
    name = "coordinate_transformation_mode"
    return [builder.node("Resize", inputs, "a", mode="linear", **{name: mode})]


def pad_inner_axes(builder: Builder) -> list[str]:
    source = builder.conv("images", "c", (3, 8))
    pads = builder.constant("pads", [1, 2, 3, 4])
    axes = builder.constant("pad_axes", [-1, -2])
    return [builder.node("Pad", [source, pads, "", axes], "a", mode="reflect")]


def pool_without_dilation(builder: Builder) -> list[str]:
    source = builder.conv("images", "c", (3, 8))
    ones = {"dilations": [1, 1], "kernel_shape": [2, 2], "strides": [2, 2]}
    return [builder.node("AveragePool", [source], "a", **ones)]


def reduce_over_an_empty_list(builder: Builder) -> list[str]:
    source = builder.conv("images", "c", (3, 8))
    axes = builder.constant("axes", [])
    return [builder.node("ReduceMax", [source, axes], "a", keepdims=1)]


def sample_a_grid(builder: Builder) -> list[str]:
    source = builder.conv("images", "c", (3, 8))
    grid = builder.constant("grid", np.linspace(-1, 1, 32).reshape(1, 4, 4, 2), np.float32)
    return [
        builder.node("GridSample", [source, grid], "a", mode="linear"),
        builder.node("GridSample", [source, grid], "b"),
    ]


@pytest.mark.parametrize(
    "build",
    [
        split_unevenly,
        resize_some_axes,
        resize_some_axes_to_sizes,
        enlarge_with_antialias,
        symmetric_half_pixels,
        pad_inner_axes,
        pool_without_dilation,
        reduce_over_an_empty_list,
        sample_a_grid,
    ],
)
def test_newer_forms_are_rewritten_inside_a_network(
    build: Callable[[Builder], list[str]],
) -> None:
    """Case 18. Cutting forgets the shapes of inner tensors, which lowering has to know."""
    builder = Builder()
    outputs = build(builder)
    model = builder.model({}, opset=20, ir=9)
    for name in outputs:
        model.graph.output.add(name=name)
    model = with_shapes(model)
    lowered = lower(cut(model, "images", outputs))
    before = FloatModel(model.SerializeToString()).run(IMAGE)
    after = FloatModel(lowered.SerializeToString()).run(IMAGE)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "message"),
    [
        ("Pad", ["images", "pads"], {"mode": "wrap"}, "uses `mode` wrap"),
        ("Resize", ["images", "", "", "odd"], {"axes": [2, 3], "mode": "linear"} | {
            "coordinate_transformation_mode": "half_pixel_symmetric"
        }, "uses `coordinate_transformation_mode` half_pixel_symmetric"),
        ("Resize", ["images", "", "", "odd"], {"axes": [2, 3]} | {
            "keep_aspect_ratio_policy": "not_larger"
        }, "uses `keep_aspect_ratio_policy`"),
        ("AveragePool", ["images"], {"kernel_shape": [2, 2], "dilations": [2, 2]}, "`dilations`"),
        ("ReduceMax", ["truth"], {}, "reduces truth values"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_operator_the_reason_and_a_way_that_exists(
    op: str, inputs: list[str], attributes: dict[str, object], message: str
) -> None:
    """Case 18: torch's newer exporter writes opset 18 whatever is asked for."""
    builder = Builder()
    builder.constant("pads", [0, 0, 1, 1, 0, 0, 1, 1])
    builder.constant("odd", [101, 99])
    builder.constant("zero", 0.0, np.float32)
    builder.node("Greater", ["images", "zero"], "truth")
    builder.node(op, inputs, "a", **attributes)
    model = builder.model({}, opset=20, ir=9)
    model.graph.output.add(name="a")
    with pytest.raises(UnsupportedModelError, match=message) as caught:
        lower(with_shapes(model))
    assert f"{op} (a)" in caught.value.message
    assert "dynamo=False" in caught.value.hint
