"""The emulator's arithmetic is the chip's, and what it does not know it refuses by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recam_deploy.emulation.emulator import Emulator, emulate_layers, emulated_model
from recam_deploy.emulation.graph import GraphBuilder
from recam_deploy.emulation.lowered import read_lowered
from recam_deploy.errors import SimulatorError
from recam_deploy.network.runtime import Runtime

NETWORK = Path(__file__).with_name("small_tpu.mlir").read_text("utf-8")


def write(folder: Path, text: str = NETWORK) -> Path:
    """Write a lowered network whose table halves, and whose convolution adds the colours up."""
    table = (np.arange(256) // 2).astype(np.int8)
    np.savez(folder / "weights.npz", table=table, filter=np.ones(3, np.int8))
    path = folder / "network_tpu.mlir"
    path.write_text(text, "utf-8")
    return path


def load(path: Path) -> Emulator:
    return Emulator(emulated_model(read_lowered(path)))


def test_a_small_network_gives_what_its_integers_give(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20
    sums = (pixels.astype(int) // 2).sum(axis=2)
    # The sum times 2**30 / 2**31, rounded up at ties, then halved, rounded away from zero.
    wanted = np.minimum(((sums + 1) // 2 + 1) // 2, 127) * 0.5
    (found,) = load(write(tmp_path)).run(pixels)
    assert found.reshape(2, 2).tolist() == wanted.tolist()


def test_a_sum_that_rounds_to_zero_from_below_is_no_negative_zero(tmp_path: Path) -> None:
    """INT8 has one zero, so the simulator's floats have no other."""
    path = write(tmp_path, NETWORK.replace("rshift = [1]", "rshift = [3]"))
    with np.load(tmp_path / "weights.npz") as weights:
        np.savez(tmp_path / "weights.npz", table=weights["table"], filter=-weights["filter"])
    (found,) = load(path).run(np.full((2, 2, 3), 2, np.uint8))
    assert found.ravel().tolist() == [0.0] * 4
    assert not np.signbit(found).any()


def test_int8_outputs_are_what_is_stored(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 3), 200, np.uint8)
    network = read_lowered(write(tmp_path))
    (wanted,) = Emulator(emulated_model(network)).run(pixels)
    model = emulated_model(network.with_stored_outputs())
    (found,) = Runtime(model.SerializeToString(), 1).run({"picture": pixels[np.newaxis]})
    assert found.dtype == np.int8
    assert (found * 0.5).tolist() == wanted.tolist()
    assert Emulator(model).run(pixels)[0].tolist() == wanted.tolist()


def test_every_tensor_can_be_read_by_its_name(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 3), 9, np.uint8)
    layers = emulate_layers(read_lowered(write(tmp_path)), pixels)
    assert list(layers) == ["raw", "reshaped", "planar", "looked_up", "conv", "conv_f32"]
    assert layers["looked_up"].dtype == "int8"
    assert layers["looked_up"].array.max() == 4 * 0.5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"tpu.Cast"', '"tpu.Mystery"', "does not know Mystery .*conv_f32"),
        ("rq_mode QDM", "rq_mode Other", "does not know Conv2D .*conv"),
        ("#loc6 = loc", "#loc66 = loc", "weights lack"),
        ('"weights.npz"', '"../weights.npz"', "does not name its weights"),
        ("weights.npz", "other.npz", "cannot be read"),
        ("return", "retrun", "no operators or no outputs"),
    ],
)
def test_what_is_not_known_is_refused_by_name(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(SimulatorError, match=message):
        load(write(tmp_path, NETWORK.replace(old, new)))


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="takes uint8"):
        load(write(tmp_path)).run(np.zeros((3, 2, 3), np.uint8))


def gemmlowp(accumulator: int, multiplier: int, shift: int, relu: bool) -> int:
    """Requantize one sum with integers alone, as gemmlowp's fixedpoint.h does."""
    high = (accumulator * multiplier + (1 << 30)) >> 31
    mask = (1 << shift) - 1
    rest, threshold = high & mask, (mask >> 1) + (high < 0)
    value = (high >> shift) + (rest > threshold)
    return max(0 if relu else -128, min(127, value))


@given(
    st.lists(st.integers(-(1 << 24) + 1, (1 << 24) - 1), min_size=1, max_size=50),
    st.integers(1 << 23, (1 << 24) - 1),
    st.integers(0, 15),
    st.integers(-(1 << 22), 1 << 22),
    st.booleans(),
)
def test_sums_are_requantized_to_the_last_bit(
    sums: list[int], mantissa: int, shift: int, bias: int, relu: bool
) -> None:
    """The compiler's multipliers are float32 mantissas, 24 bits, times 128."""
    # The graph takes uint8: the sums come as four bytes each, put together again.
    bytes_: NDArray[np.uint8] = np.array(sums, ">i4").view(np.uint8).reshape(-1, 4)
    multiplier = mantissa << 7
    graph = GraphBuilder()
    parts = graph.add("Cast", "picture", to=1)
    weights = np.array([[float(1 << 24)], [float(1 << 16)], [256.0], [1.0]], np.float32)
    wide = graph.add("Cast", parts, to=11)
    total = graph.add("MatMul", wide, graph.constant(weights, np.float64))
    # Two's complement.
    negative = graph.add("Greater", total, graph.constant(float(1 << 31), np.float64))
    amount = graph.add("Cast", negative, to=11)
    taken = graph.add("Mul", amount, graph.constant(float(1 << 32), np.float64))
    signed = graph.add("Cast", graph.add("Sub", total, taken), to=1)
    one = np.array([1.0])
    out = graph.requantized([signed], one * multiplier, one * shift, one * bias, relu=relu)
    model = graph.model("picture", bytes_.shape, [(out, 1)])
    (found,) = Runtime(model.SerializeToString(), 1).run({"picture": bytes_})
    wanted = [gemmlowp(value + bias, multiplier, shift, relu) for value in sums]
    assert found.reshape(-1).astype(int).tolist() == wanted
