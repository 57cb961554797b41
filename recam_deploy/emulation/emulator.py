"""Run a lowered network in onnxruntime, many times faster than the compiler's simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..cvimodel.values import Value
from ..errors import SimulatorError
from ..network.runtime import Array, Runtime
from . import bfloat16, int8, moving
from .graph import NetworkGraph, unknown
from .lowered import BF16, F32, INT8, UINT8, LoweredNetwork, Operator, read_lowered

_INPUT = "picture"
_DTYPES = {INT8: "int8", UINT8: "uint8", BF16: "bfloat16", F32: "float32"}
_STORED = (INT8, UINT8, BF16, F32)

_Add = Callable[[NetworkGraph, Operator], str]


def _cast(graph: NetworkGraph, operator: Operator) -> str:
    """Convert between INT8, BF16 and float32."""
    given, made = operator.inputs[0].stored, operator.output.stored
    if given in (INT8, UINT8) and made in (BF16, F32):
        return int8.to_float(graph, operator)
    if (given, made) == (BF16, INT8):
        return int8.from_float(graph, operator)
    if (given, made) in ((BF16, F32), (BF16, BF16)):
        return graph.tensor(operator)
    raise unknown(operator)


# By the operator's kind and its result's type.
_OPERATORS: Mapping[tuple[str, str], _Add] = {
    **{("Reshape", stored): moving.reshape for stored in _STORED},
    **{("Permute", stored): moving.permute for stored in _STORED},
    **{("Slice", stored): moving.cut for stored in _STORED},
    **{("Depth2Space", stored): moving.depth_to_space for stored in _STORED},
    **{("Cast", stored): _cast for stored in _STORED},
    ("Conv2D", INT8): int8.convolve,
    ("Deconv", INT8): int8.deconvolve,
    ("Lut", INT8): int8.look_up,
    ("MatMul", INT8): int8.multiply_matrices,
    ("Add", INT8): int8.add_up,
    ("Concat", INT8): int8.concatenate,
    ("Pool2D", INT8): int8.pool,
    ("Conv2D", BF16): bfloat16.convolve,
    ("Deconv", BF16): bfloat16.convolve,
    ("LutBF16", BF16): bfloat16.look_up,
    ("Softmax", BF16): bfloat16.softmax,
    ("MatMul", BF16): bfloat16.multiply_matrices,
    ("Add", BF16): bfloat16.combine,
    ("Mul", BF16): bfloat16.combine,
    ("Sub", BF16): bfloat16.combine,
    ("Concat", BF16): bfloat16.concatenate,
    ("Pool2D", BF16): bfloat16.pool,
}


class Emulator:
    """A lowered network that was loaded; several threads may run it at once."""

    def __init__(self, network: LoweredNetwork, threads: int = 0) -> None:
        """Build the graph; `threads` share one run, 0 means all cores.

        Raises SimulatorError when the network has an operator that is not known here.
        """
        self._network = network
        self._threads = threads
        self._graph = NetworkGraph(network.weights)
        for operator in network.operators:
            self._graph.define(operator, self._add(operator))
        self._outputs = tuple(map(self._graph.result, network.outputs))
        self._runtime = self._load(self._outputs)

    @classmethod
    def load(cls, path: Path, threads: int = 0) -> Emulator:
        """Load the file that the compiler wrote. Raises SimulatorError."""
        return cls(read_lowered(path), threads)

    def run(self, picture: npt.NDArray[np.uint8]) -> list[Array]:
        """Return the outputs as float32 for a picture, uint8 [H, W, 3], in the network's order."""
        found = self._run(self._runtime, self._outputs, picture)
        return [found[name] for name in self._outputs]

    def run_layers(self, picture: npt.NDArray[np.uint8]) -> dict[str, Value]:
        """Return every tensor by name; INT8 ones are multiplied by their scale."""
        operators = [one for one in self._network.operators if one.name]
        tensors = tuple(self._graph.result(one.result) for one in operators)
        arrays = self._run(self._load(tensors), tensors, picture)
        return {
            one.name: _value(one, arrays[tensor])
            for one, tensor in zip(operators, tensors, strict=True)
        }

    def _add(self, operator: Operator) -> str:
        if operator.kind == "Input":
            return moving.take_input(self._graph, operator, _INPUT)
        add = _OPERATORS.get((operator.kind, operator.output.stored))
        if add is None:
            raise unknown(operator)
        return add(self._graph, operator)

    def _load(self, outputs: tuple[str, ...]) -> Runtime:
        shape = self._network.input.inputs[0].shape
        model = self._graph.model(_INPUT, shape, tuple(dict.fromkeys(outputs)))
        return Runtime(model.SerializeToString(), self._threads)

    def _run(
        self, runtime: Runtime, outputs: tuple[str, ...], picture: npt.NDArray[np.uint8]
    ) -> dict[str, Array]:
        shape = self._network.input.inputs[0].shape
        if picture.dtype != np.uint8 or picture.size != np.prod(shape):
            raise SimulatorError(
                f"the picture is {picture.dtype} {picture.shape}, and the network takes uint8 "
                f"{shape}"
            )
        arrays = runtime.run({_INPUT: picture.reshape(shape)})
        return dict(zip(dict.fromkeys(outputs), arrays, strict=True))


def _value(operator: Operator, array: Array) -> Value:
    stored = operator.output.stored
    if stored in (INT8, UINT8):
        array = array * np.float32(operator.output.scale)
    return Value(_DTYPES.get(stored, stored), array)
