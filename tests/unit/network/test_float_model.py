"""What is not finite is never taken for near to the float model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_models import Builder

from recam_deploy.conversion.verification import Verification
from recam_deploy.detection.match import Agreement
from recam_deploy.frameworks.export import _difference
from recam_deploy.network.float_model import (
    Array,
    cosine,
    largest_difference,
    output_cosines,
    relative_difference,
)

NAN, INF = float("nan"), float("inf")


def array(*values: float) -> Array:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("found", "wanted", "difference"),
    [
        (array(1, 2), array(1, 2), 0),
        (array(0.5, 0), array(0.25, 0), 0.25),
        (array(10, 0), array(8, 0), 0.25),
        (array(NAN, 1), array(NAN, 1), 0),
        (array(INF, 1), array(INF, 1), 0),
        (array(NAN, 1), array(1, 1), INF),
        (array(1, 1), array(1, NAN), INF),
        (array(INF), array(-INF), INF),
        (array(), array(), 0),
    ],
)
def test_the_difference_is_a_share_and_infinite_where_only_one_is_finite(
    found: Array, wanted: Array, difference: float
) -> None:
    assert relative_difference(found, wanted) == difference


def test_a_nan_in_the_last_output_is_seen_as_well() -> None:
    """Python's max and min pass over a NaN that does not come first."""
    expected = [[array(1, 2), array(1, 2)]]
    broken = [[array(1, 2), array(NAN, 2)]]
    cosines = output_cosines(expected, broken)
    assert cosines[0] == pytest.approx(1)
    assert cosines[1] == 0
    assert not Verification(cosines, Agreement(), ("a.jpg",)).passed(0.9, 0.75)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_the_cosine_of_what_is_not_finite_is_none(value: float) -> None:
    assert cosine(array(1, value), array(1, 2)) == 0
    assert cosine(array(0, 0), array(0, 0)) == 1


def test_a_lowering_that_gives_nan_is_seen() -> None:
    good, bad = Builder(), Builder()
    for builder, amount in ((good, 1.0), (bad, -2.0)):
        builder.node("Relu", ["images"], "a")
        shifted = builder.node("Add", ["a", builder.constant("c", [amount], np.float32)], "shifted")
        builder.node("Sqrt", [shifted], "b")
    outputs = {"a": [1, 3, 64, 64], "b": [1, 3, 64, 64]}
    image = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    assert largest_difference(good.model(outputs), bad.model(outputs), ["a", "b"], image) == INF


def test_an_export_that_gives_nan_is_seen(tmp_path: Path) -> None:
    builder = Builder()
    builder.node("Relu", ["images"], "a")
    builder.node("Sqrt", ["images"], "b")
    outputs = {"a": [1, 3, 64, 64], "b": [1, 3, 64, 64]}
    onnx.save(builder.model(outputs), tmp_path / "model.onnx")
    picture = -np.ones((1, 3, 64, 64), np.float32)
    zeros = np.zeros((1, 3, 64, 64), np.float32)
    np.savez(tmp_path / "proof.npz", output_0=zeros, output_1=zeros, input=picture)
    assert _difference(tmp_path / "model.onnx", tmp_path / "proof.npz") == INF
