"""BF16 is emulated as the TPU computes it: its rounding, and its tables instead of functions."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_models import Builder

from recam_deploy.mixed_precision.bf16 import Bf16Writer, bf16_values, function_table
from recam_deploy.network.float_model import Array, FloatModel

POINTS = np.array([-40, -12.5, -3.1, -0.04, 0, 0.04, 1.0, 5.7, 11.9, 12.5, 40, 140], np.float32)


def table_lookup(function: str) -> Array:
    """What the nodes compute at POINTS."""
    builder = Builder()
    builder.node("Identity", ["images"], "x")
    model = builder.model({"y": [1, 1, 1, len(POINTS)]}, inputs={"images": [1, 1, 1, len(POINTS)]})
    model.graph.node.extend(Bf16Writer(model.graph).table_lookup(function, "x", "y"))
    found = FloatModel(model.SerializeToString(), as_written=True).run(POINTS.reshape(1, 1, 1, -1))
    return found[0].ravel()


def by_hand(function: str, x: float) -> float:
    """One value, step by step as the TPU does it."""
    starts, slopes = function_table(function)
    at = float(bf16_values(np.array([np.float32(x) * np.float32(10.6875)]))[0])
    piece = max(-128, min(127, int(at)))
    return float(starts[piece + 128] + slopes[piece + 128] * np.float32(at - piece))


def test_bf16_is_rounded_to_eight_bits_to_the_nearest_even() -> None:
    given = np.array([1 + 2**-9, 1 + 2**-8, 1 + 3 * 2**-8, -140.6, 0, 1e-30], np.float32)
    assert bf16_values(given)[:5].tolist() == [1, 1, 1 + 2**-6, -141, 0]
    assert np.all(np.abs(bf16_values(given) - given) <= np.abs(given) * 2**-8)


def test_nodes_round_as_the_numbers_do() -> None:
    builder = Builder()
    builder.node("Identity", ["images"], "x")
    model = builder.model({"y": [1, 1, 1, 64]}, inputs={"images": [1, 1, 1, 64]})
    model.graph.node.extend(Bf16Writer(model.graph).rounded("x", "y"))
    given = np.random.default_rng(0).normal(0, 30, (1, 1, 1, 64)).astype(np.float32)
    (found,) = FloatModel(model.SerializeToString(), as_written=True).run(given)
    assert np.array_equal(found, bf16_values(given))


@pytest.mark.parametrize("function", ["silu", "sigmoid"])
def test_functions_are_straight_pieces(function: str) -> None:
    found = table_lookup(function)
    assert found.tolist() == pytest.approx([by_hand(function, float(x)) for x in POINTS], rel=1e-6)


def test_tables_come_near_their_functions_and_go_on_beyond_their_ends() -> None:
    sigmoid = 1 / (1 + np.exp(-POINTS.astype(np.float64)))
    assert table_lookup("sigmoid") == pytest.approx(sigmoid, abs=0.004)
    silu = table_lookup("silu")
    assert silu == pytest.approx(POINTS * sigmoid, rel=0.01, abs=0.01)
    assert silu[-1] > 138
    assert silu[4] == 0
