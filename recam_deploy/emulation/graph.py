"""Build an ONNX graph node by node, with the chip's roundings as building blocks.

All tensors are float32: INT8 values as whole numbers, BF16 values as they are. float32 holds both
exactly, and onnxruntime's convolutions are fastest in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import SimulatorError
from .lowered import Operator

_OPSET, _IR = 17, 8
# Moves a tie off the middle, away from zero, and nothing else across it: INT8 results have at most
# 15 bits behind the point.
_AWAY_FROM_ZERO = 1 + 2.0**-23


class GraphBuilder:
    """Collects nodes and constants, and names the tensors."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; return the output's name."""
        name = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant; return its name."""
        name = f"c{len(self._constants)}"
        array = np.ascontiguousarray(np.asarray(values, dtype))
        self._constants.append(numpy_helper.from_array(array.reshape(np.shape(values)), name))
        return name

    def reshape(self, tensor: str, shape: tuple[int, ...]) -> str:
        """Add a Reshape."""
        return self.add("Reshape", tensor, self.constant(shape, np.int64))

    def clip(self, tensor: str, low: float, high: float) -> str:
        """Add a Clip."""
        return self.add("Clip", tensor, self.constant(low), self.constant(high))

    def scaled(self, tensor: str, factor: npt.ArrayLike) -> str:
        """Add a multiplication with a constant."""
        return self.add("Mul", tensor, self.constant(factor))

    def to_bf16(self, tensor: str) -> str:
        """Round to bfloat16, to the nearest, ties to even."""
        rounded = self.add("Cast", tensor, to=TensorProto.BFLOAT16)
        return self.add("Cast", rounded, to=TensorProto.FLOAT)

    def to_int8(self, tensor: str, *, relu: bool = False) -> str:
        """Round to the nearest, ties to even, and saturate to 8 bits, from 0 after a ReLU."""
        return self.add("Round", self.clip(tensor, 0 if relu else -128, 127))

    def shifted(self, tensor: str, multiplier: int, shift: int, *, relu: bool = False) -> str:
        """Multiply whole numbers, divide by 2**shift, ties up, and saturate to 8 bits."""
        if shift == 0 and multiplier == 1 and not relu:
            return tensor
        value = self.scaled(tensor, multiplier * 2.0**-shift)
        if shift:
            value = self.add("Floor", self.add("Add", value, self.constant(0.5)))
        return self.clip(value, 0 if relu else -128, 127)

    def requantized(
        self,
        sums: Sequence[str],
        multipliers: npt.NDArray[np.float64],
        shifts: npt.NDArray[np.float64],
        bias: npt.NDArray[np.float64],
        *,
        relu: bool,
    ) -> str:
        """Add `bias` to the sum of int32 `sums`, requantize and saturate it to 8 bits.

        The arithmetic of gemmlowp: a high multiplication, doubled, that rounds ties up, then a
        division by 2**shift that rounds ties away from zero. None of this loses a bit, for all
        products fit into the 53 bits of a double: a convolution's multipliers are float32 numbers
        times 2**31, and other operators' sums are short.
        The arguments are arrays that the sums broadcast with.
        """
        multipliers = multipliers * 2.0**-31
        value = ""
        for one in sums:
            exact = self.add("Cast", one, to=TensorProto.DOUBLE)
            value = self.add("Add", value, exact) if value else exact
        value = self.add("Mul", value, self.constant(multipliers, np.float64))
        value = self.add("Add", value, self.constant(bias * multipliers + 0.5, np.float64))
        value = self.add("Cast", self.add("Floor", value), to=TensorProto.FLOAT)
        value = self.scaled(value, 2.0**-shifts * _AWAY_FROM_ZERO)
        return self.to_int8(value, relu=relu)

    def looked_up(self, index: str, table: npt.ArrayLike) -> str:
        """Look whole numbers up in a table of float32 values."""
        return self.add(
            "Gather", self.constant(table), self.add("Cast", index, to=TensorProto.INT32)
        )

    def model(
        self, name: str, shape: tuple[int, ...], outputs: Sequence[tuple[str, int]]
    ) -> onnx.ModelProto:
        """Return the graph as a model of one uint8 input; `outputs` are tensors and types."""
        graph = helper.make_graph(
            self._nodes,
            "emulated",
            [helper.make_tensor_value_info(name, TensorProto.UINT8, shape)],
            [helper.make_tensor_value_info(one, kind, None) for one, kind in outputs],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
        model.ir_version = _IR
        return model


class NetworkGraph(GraphBuilder):
    """A graph that knows the network's constants, and the tensors of its values."""

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        super().__init__()
        self._weights = weights
        self._tensors: dict[str, str] = {}

    def define(self, operator: Operator, tensor: str) -> None:
        """Make `tensor` the result of an operator."""
        self._tensors[operator.result] = tensor

    def result(self, value: str) -> str:
        """Return the tensor of a value. Raises SimulatorError when nothing computes it."""
        if value not in self._tensors:
            raise SimulatorError(f"the lowered network does not compute {value}")
        return self._tensors[value]

    def tensors(self, operator: Operator) -> list[str]:
        """Return an operator's operands; constants become constants of the graph."""
        return [
            self.constant(self._weights[one].astype(np.float32))
            if one in self._weights
            else self.result(one)
            for one in operator.operands
            if one is not None
        ]

    def tensor(self, operator: Operator) -> str:
        """Return an operator's first operand, which must be computed."""
        return self.result((*operator.operands, "")[0] or "")

    def weights(self, operator: Operator, place: int) -> npt.NDArray[np.float32]:
        """Return the operand at `place`, a constant. Raises SimulatorError when it is not one."""
        values = self.optional_weights(operator, place)
        if values is None:
            raise SimulatorError(f"{operator.name} has no constant as its operand {place}")
        return values.astype(np.float32)

    def optional_weights(self, operator: Operator, place: int) -> npt.NDArray[Any] | None:
        """Return the operand at `place` in its own type; None where it is missing."""
        name = operator.operands[place] if place < len(operator.operands) else None
        return self._weights.get(name) if name is not None else None


def unknown(operator: Operator) -> SimulatorError:
    """Return the error for an operator that is not known here."""
    return SimulatorError(
        f"the emulator does not know {operator.kind} in {operator.output.stored} as "
        f"{operator.name} has it"
    )


def bf16(values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Round finite float32 values to bfloat16, to the nearest, ties to even."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)
