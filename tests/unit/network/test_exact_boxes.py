"""Boxes that stay in BF16 are computed without cancellation, and to the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from decoding_models import CELLS, Decoder, a_pose_model, a_segmenter
from onnx import helper, numpy_helper

from recam_deploy.emulation.graph import bf16
from recam_deploy.network.exact_boxes import compute_boxes_exactly
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network
from recam_deploy.network.runtime import Runtime

Change = Callable[[onnx.GraphProto], object]


def operators(graph: onnx.GraphProto) -> list[str]:
    return [node.op_type for node in graph.node]


def pose_with_corners() -> onnx.ModelProto:
    """The model with the nodes of its boxes as an export writes them."""
    decoder = Decoder(1, extra=15)
    parts = [decoder.decoded_boxes(), decoder.scores(), decoder.key_points()]
    rows = decoder.builder.node("Concat", parts, "output0", axis=1)
    return decoder.model({rows: [1, 20, CELLS]})


def run(model: onnx.ModelProto) -> list[np.ndarray]:
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    image = np.random.default_rng(3).random(shape, np.float32)
    return list(Runtime(model.SerializeToString(), 1).run({model.graph.input[0].name: image}))


def test_the_numbers_stay_the_same() -> None:
    model = pose_with_corners()
    before = run(model)
    compute_boxes_exactly(model.graph)
    onnx.checker.check_model(model)
    for a, b in zip(before, run(model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4)
    by_name = {node.output[0]: node for node in model.graph.node}
    assert by_name["box_size"].op_type == "Add"
    assert set(by_name["box_size"].input) == {"sides_0", "sides_1"}
    assert by_name["centre"].op_type == "Add"
    assert "first" not in by_name


def rounded(left: float, right: float, anchor: float, *, exact: bool) -> tuple[float, float]:
    """Compute centre and size as the chip does: each result is rounded to BF16."""
    before, after, own = (bf16(np.float32(value)) for value in (left, right, anchor))
    if exact:
        half = bf16(bf16(after - before) * np.float32(0.5))
        centre, size = bf16(own + half), bf16(before + after)
    else:
        first, second = bf16(own - before), bf16(own + after)
        centre, size = bf16(bf16(first + second) * 0.5), bf16(second - first)
    return float(centre), float(size)


def test_in_bf16_a_size_is_many_times_closer() -> None:
    rng = np.random.default_rng(1)
    off = {True: 0.0, False: 0.0}
    for _ in range(500):
        left, right = (float(x) for x in bf16(rng.uniform(0.2, 3, 2).astype(np.float32)))
        anchor = float(rng.integers(33, 79)) + 0.5
        for exact in off:
            _, size = rounded(left, right, anchor, exact=exact)
            off[exact] = max(off[exact], abs(size - (left + right)))
    assert off[True] <= 2.0**-6
    assert off[False] >= 0.2


def _divided(graph: onnx.GraphProto) -> None:
    """Halve as Ultralytics writes it: a division by 2."""
    centre = next(node for node in graph.node if node.output[0] == "centre")
    graph.initializer.append(numpy_helper.from_array(np.float32(2), "two_whole"))
    centre.CopyFrom(helper.make_node("Div", [centre.input[0], "two_whole"], ["centre"], "centre"))


def _second_first(graph: onnx.GraphProto) -> None:
    total = next(node for node in graph.node if node.output[0] == "first_and_second")
    total.input[:] = list(reversed(total.input))
    second = next(node for node in graph.node if node.output[0] == "second")
    second.input[:] = list(reversed(second.input))


def _two_constants(graph: onnx.GraphProto) -> None:
    """Two tensors with the same anchors, as one export writes them."""
    points = next(one for one in graph.initializer if one.name == "points")
    copy = graph.initializer.add()
    copy.CopyFrom(points)
    copy.name = "points_again"
    second = next(node for node in graph.node if node.output[0] == "second")
    second.input[0] = "points_again"


@pytest.mark.parametrize("change", [_divided, _second_first, _two_constants])
def test_exports_write_it_in_several_ways(change: Change) -> None:
    model = pose_with_corners()
    change(model.graph)
    before = run(model)
    compute_boxes_exactly(model.graph)
    for a, b in zip(before, run(model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4)
    assert "first" not in {node.output[0] for node in model.graph.node}


def _corner_is_an_output(graph: onnx.GraphProto) -> None:
    graph.output.append(helper.make_tensor_value_info("second", onnx.TensorProto.FLOAT, None))


def _corner_is_read(graph: onnx.GraphProto) -> None:
    graph.node.append(helper.make_node("Neg", ["first"], ["read"], "read"))
    graph.output.append(helper.make_tensor_value_info("read", onnx.TensorProto.FLOAT, None))


def _sum_is_read(graph: onnx.GraphProto) -> None:
    graph.node.append(helper.make_node("Neg", ["first_and_second"], ["read"], "read"))
    graph.output.append(helper.make_tensor_value_info("read", onnx.TensorProto.FLOAT, None))


def _other_anchor(graph: onnx.GraphProto) -> None:
    second = next(node for node in graph.node if node.output[0] == "second")
    second.input[0] = "cells"


def _other_share(graph: onnx.GraphProto) -> None:
    half = next(one for one in graph.initializer if one.name == "half")
    half.CopyFrom(numpy_helper.from_array(np.float32(0.25), "half"))


def _twice_the_same(graph: onnx.GraphProto) -> None:
    total = next(node for node in graph.node if node.output[0] == "first_and_second")
    total.input[:] = ["second", "second"]


@pytest.mark.parametrize(
    "change",
    [
        _corner_is_an_output,
        _corner_is_read,
        _sum_is_read,
        _other_anchor,
        _other_share,
        _twice_the_same,
    ],
)
def test_what_is_something_else_stays(change: Change) -> None:
    model = pose_with_corners()
    change(model.graph)
    before = model.SerializeToString()
    compute_boxes_exactly(model.graph)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("make", [a_pose_model, a_segmenter])
@pytest.mark.parametrize("ranked", [False, True], ids=["plain", "ranked"])
def test_a_float_tail_is_prepared_so(
    make: Callable[..., onnx.ModelProto], ranked: bool, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(make(ranked=ranked, form="xyxy" if ranked else "xywh"), path)
    network, graph = read_network(path)
    prepared = prepare(graph, network)
    kinds = {node.output[0]: node.op_type for node in prepared.graph.node}
    assert "first" not in kinds
    assert [kinds[name] for name in kinds if name.endswith("size")] == ["Add"]
