"""Thresholds are raised where the next operation gains by it, and only there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import Builder

from recam_deploy.calibrator.observing import float_shapes
from recam_deploy.calibrator.probing import OperationCutter, View, distance, quantized
from recam_deploy.calibrator.tuning import (
    STEPS,
    Bounds,
    TuningPair,
    TuningPictures,
    TuningTask,
    best_threshold,
    patches_of,
    plan_tuning,
    tune,
)
from recam_deploy.network.runtime import Array
from recam_deploy.progress import SilentProgress
from recam_deploy.toolchain.mlir import Operation


def operation(kind: str, name: str, *inputs: str) -> Operation:
    return Operation(kind, name, inputs, (1, 3, 8, 8))


IDENTITY_NAMES = {name: name for name in ("images", "a", "b", "c", "conv", "sum", "joined")}


def test_every_input_is_tried_once_and_the_first_again_where_all_were() -> None:
    a, b = operation("Conv", "a", "images"), operation("SiLU", "b", "a")
    both, more = operation("Add", "sum", "a", "b"), operation("Concat", "joined", "a", "b")
    image = operation("Input", "images")
    assert plan_tuning([image, a, b, both, more]) == (
        TuningPair(a, "images"),
        TuningPair(b, "a"),
        TuningPair(both, "b"),
        TuningPair(more, "a"),
    )


def test_the_best_of_a_valley_is_found_without_trying_all() -> None:
    bounds = Bounds(1.0, 3.0)

    def search(wanted: float) -> tuple[float, int]:
        tried: list[float] = []

        def evaluate(threshold: float) -> float:
            tried.append(threshold)
            return abs(threshold - wanted)

        return best_threshold(bounds, evaluate), len(tried)

    for wanted in bounds.candidates:
        found, tries = search(wanted)
        assert found == wanted
        assert tries < STEPS - 5


def test_of_equal_thresholds_the_lowest_is_kept() -> None:
    assert best_threshold(Bounds(1.0, 2.0), lambda threshold: 0.5) == 1.0


def test_quantizing_keeps_what_8_bits_can_hold() -> None:
    values = np.array([-200.0, -128.0, -0.4, 0.0, 0.6, 127.0, 200.0], np.float32)
    assert quantized(values, 127.0).tolist() == [-128.0, -128.0, 0.0, 0.0, 1.0, 127.0, 127.0]
    assert distance(values, values) == 0


def network() -> onnx.ModelProto:
    builder = Builder()
    conv = builder.conv("images", "conv", (3, 4))
    sigmoid = builder.node("Sigmoid", [conv], "a")
    product = builder.node("Mul", [conv, sigmoid], "b")
    total = builder.node("Add", [product, conv], "sum")
    builder.node("Concat", [total, product], "joined", axis=1)
    model = builder.model({"joined": [1, 8, 8, 8]}, inputs={"images": [1, 3, 8, 8]})
    return onnx.shape_inference.infer_shapes(model)


@pytest.mark.parametrize(
    ("tried", "view", "nodes"),
    [
        (operation("Conv", "conv", "images"), View.PATCHES, 1),
        (operation("SiLU", "b", "conv"), View.INPUT_SAMPLES, 2),
        (operation("Add", "sum", "b", "conv"), View.INPUT_SAMPLES, 1),
        (operation("Concat", "joined", "sum", "b"), View.OUTPUT_SAMPLE, 0),
    ],
    ids=lambda value: value.kind if isinstance(value, Operation) else "",
)
def test_an_operation_is_cut_out_with_no_more_than_it_needs(
    tried: Operation, view: View, nodes: int
) -> None:
    model = network()
    probe = OperationCutter(model, float_shapes(model)).probe(tried, IDENTITY_NAMES)
    assert probe is not None
    assert (probe.view, len(probe.nodes)) == (view, nodes)


def test_an_operation_that_needs_other_tensors_is_not_tried() -> None:
    model = network()
    cutter = OperationCutter(model, float_shapes(model))
    assert cutter.probe(operation("Add", "sum", "b"), IDENTITY_NAMES) is None


def test_nodes_that_are_reached_on_many_ways_are_looked_at_once() -> None:
    """Each addition doubles the ways: without that, forty would take for ever."""
    builder = Builder()
    for index in range(40):
        builder.node("Add", [f"x{index}", f"x{index}"], f"x{index + 1}")
    model = builder.model({"x40": [1, 3, 8, 8]}, inputs={"x0": [1, 3, 8, 8]})
    shaped = onnx.shape_inference.infer_shapes(model)
    names = {"x0": "x0", "x40": "x40"}
    probe = OperationCutter(shaped, float_shapes(shaped)).probe(
        operation("Add", "x40", "x0"), names
    )
    assert probe is not None
    assert len(probe.nodes) == 40


def test_a_convolution_that_lives_on_its_large_values_gets_a_higher_threshold() -> None:
    """One channel is seldom large, and all the output depends on it: the divergence, which only
    sees how seldom, would cut it off."""
    builder = Builder()
    weights = builder.constant("w", np.reshape([0.001, 1.0], (1, 2, 1, 1)), np.float32)
    builder.node("Conv", ["images", weights], "conv")
    model = builder.model({"conv": [1, 1, 16, 16]}, inputs={"images": [1, 2, 16, 16]})
    model = onnx.shape_inference.infer_shapes(model)
    shapes = float_shapes(model)
    cutter = OperationCutter(model, shapes)
    probe = cutter.probe(operation("Conv", "conv", "images"), IDENTITY_NAMES)
    assert probe is not None

    def read(_: Path) -> Array:
        random = np.random.default_rng(1)
        image = random.uniform(0, 1, (1, 2, 16, 16)).astype(np.float32)
        image[0, 1] = np.where(random.random((16, 16)) < 0.05, 10.0, 0.0)
        return image

    pictures = [Path("a"), Path("b")]
    activations = TuningPictures(model, {}, pictures, read, [probe])
    with SilentProgress().step("") as step:
        tuned = tune(
            cutter,
            [TuningTask("images", probe)],
            {"images": Bounds(1.0, 10.0)},
            activations.of,
            step,
        )
    assert tuned["images"] == pytest.approx(10.0, rel=0.06)


@pytest.mark.parametrize("shape", [(1, 4, 80, 80), (1, 4, 20, 20), (1, 4, 2, 9000)])
def test_small_maps_are_taken_whole(shape: tuple[int, ...]) -> None:
    assert patches_of(shape) is None


def test_of_large_maps_as_much_is_taken_as_of_small_ones() -> None:
    patches = patches_of((1, 4, 320, 320))
    assert patches is not None
    assert 0.9 * 6400 <= len(patches.corners) * patches.side**2 <= 6400
    assert all(max(corner) + patches.side <= 320 for corner in patches.corners)
