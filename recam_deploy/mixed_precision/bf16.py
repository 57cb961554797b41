"""Write the TPU's BF16 arithmetic as ordinary ONNX: rounding, and functions by lookup tables.

The TPU computes a sigmoid, and so a SiLU, as 256 linear pieces from -12 to 12, the outer ones
extended (tpu-mlir, lib/Support/LutFunc.cpp: `bf16_gen_base_slope_table`, `bf16_lut_slope`; and
lib/Conversion/TopToTpu/CV18xx/SiLU.cpp). Pieces, positions and products are rounded to BF16, which
loses more than rounding the result alone: with that alone, YOLOX-nano all in BF16 had a cosine of
0.9987, where the simulator has 0.9975 and these tables have 0.9976.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Values: TypeAlias = npt.NDArray[np.float32]
_Doubles: TypeAlias = npt.NDArray[np.float64]
_Function: TypeAlias = Callable[[_Doubles], _Doubles]

_PIECES = 256
_RANGE = 12.0
_PREFIX = "recam_bf16_"


def bf16_values(values: Values) -> Values:
    """Round float32 values to the nearest BF16 values, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + ((bits >> 16) & 1) + 0x7FFF) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


def _sigmoid(x: _Doubles) -> _Doubles:
    values: _Doubles = 1 / (1 + np.exp(-x))
    return values


def _silu(x: _Doubles) -> _Doubles:
    return x * _sigmoid(x)


_FUNCTIONS: Mapping[str, _Function] = MappingProxyType({"sigmoid": _sigmoid, "silu": _silu})


def function_table(function: str) -> tuple[Values, Values]:
    """Return the lookup table of "sigmoid" or "silu".

    It has the value at each piece's end nearest to zero, and the change along the piece; each
    [256], the first for -12.
    """
    compute = _FUNCTIONS[function]
    half = _PIECES // 2
    width = 2 * _RANGE / _PIECES
    starts = bf16_values(
        compute(np.arange(-half, half, dtype=np.float64) * width).astype(np.float32)
    )
    slopes = np.zeros(_PIECES, np.float32)
    slopes[half:-1] = np.diff(starts[half:])
    slopes[1:half] = np.diff(starts[:half])
    for end, sign in ((0, -1), (-1, 1)):
        near, far = compute(sign * _RANGE * np.array([1.0, 3.0]))
        slopes[end] = sign * (far - near) / (2 * _RANGE) * width
    return starts, bf16_values(slopes)


class Bf16Writer:
    """Builds nodes that compute in BF16, and adds the constants that they read to a graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._constants: set[str] = set()

    def rounded(self, source: str, target: str) -> list[onnx.NodeProto]:
        """Build nodes that round `source`, float32, to `target`, BF16.

        Veltkamp's splitting needs no newer operators: with h = x * (2^16 + 1), the difference
        h - (h - x) is the upper 8 of the 24 bits of x, rounded to nearest.
        """
        split = self._constant("split", np.array(65537, np.float32))
        return [
            helper.make_node("Mul", [source, split], [f"{target}_high"]),
            helper.make_node("Sub", [f"{target}_high", source], [f"{target}_low"]),
            helper.make_node("Sub", [f"{target}_high", f"{target}_low"], [target]),
        ]

    def table_lookup(self, function: str, source: str, target: str) -> list[onnx.NodeProto]:
        """Build nodes that compute "sigmoid" or "silu" by its table; the result is not rounded."""
        starts, slopes = function_table(function)
        half = _PIECES // 2
        # The number of pieces for each unit of x is rounded to BF16 too, and is 0.2 % too large.
        pieces = bf16_values(np.array(_PIECES / (2 * _RANGE), np.float32))
        lowest = self._constant("lowest", np.array(-half, np.float32))
        highest = self._constant("highest", np.array(half - 1, np.float32))
        below = self._constant("below", np.array(half, np.int32))
        name = f"{target}_{function}"
        made = helper.make_node
        return [
            made("Mul", [source, self._constant("pieces", pieces)], [f"{name}_wide"]),
            *self.rounded(f"{name}_wide", f"{name}_at"),
            made("Max", [f"{name}_at", lowest], [f"{name}_from"]),
            made("Min", [f"{name}_from", highest], [f"{name}_within"]),
            made("Cast", [f"{name}_within"], [f"{name}_piece"], to=TensorProto.INT32),
            made("Cast", [f"{name}_piece"], [f"{name}_begin"], to=TensorProto.FLOAT),
            made("Sub", [f"{name}_at", f"{name}_begin"], [f"{name}_rest"]),
            made("Add", [f"{name}_piece", below], [f"{name}_row"]),
            *self._picked(f"{function}_starts", starts, name, f"{name}_start"),
            *self._picked(f"{function}_slopes", slopes, name, f"{name}_slope"),
            made("Mul", [f"{name}_slope", f"{name}_rest"], [f"{name}_more"]),
            made("Add", [f"{name}_start", f"{name}_more"], [target]),
        ]

    def _picked(self, table: str, values: Values, name: str, target: str) -> list[onnx.NodeProto]:
        rows = self._constant(table, values)
        return [helper.make_node("Gather", [rows, f"{name}_row"], [target])]

    def _constant(self, name: str, value: npt.NDArray[np.float32] | npt.NDArray[np.int32]) -> str:
        name = f"{_PREFIX}{name}"
        if name not in self._constants:
            self._constants.add(name)
            self._graph.initializer.append(numpy_helper.from_array(value, name))
        return name
