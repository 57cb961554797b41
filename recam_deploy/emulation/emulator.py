"""Run a lowered network in onnxruntime, many times faster than the compiler's simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from ..cvimodel.values import Value
from ..errors import InputError, SimulatorError
from ..network.runtime import Array, Runtime
from . import bfloat16, int8, moving
from .graph import NetworkGraph, unknown
from .lowered import BF16, F32, INT8, UINT8, LoweredNetwork, Operator

_INPUT = "picture"
_SCALES = "scales"
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
    ("Mul", INT8): int8.multiply,
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


def emulated_model(network: LoweredNetwork) -> onnx.ModelProto:
    """Return the ONNX model that computes a lowered network's outputs.

    It takes a picture, uint8 of the cvimodel's input shape, and gives the outputs in the network's
    order: float32, or INT8 as int8. Raises SimulatorError for an operator that is not known here.
    """
    graph = _graph(network)
    outputs, scales = [], []
    types = {one.result: one.output for one in network.operators}
    for value in network.outputs:
        stored = types[value].stored
        whole = stored in (INT8, UINT8)
        kind = {INT8: TensorProto.INT8, UINT8: TensorProto.UINT8}.get(stored, TensorProto.FLOAT)
        outputs.append((graph.add("Cast", graph.result(value), to=kind), kind))
        scales.append(types[value].scale if whole else 1.0)
    model = graph.model(_INPUT, network.input.inputs[0].shape, outputs)
    model.metadata_props.add(key=_SCALES, value=" ".join(map(repr, scales)))
    return model


def emulate_layers(
    network: LoweredNetwork, picture: npt.NDArray[np.uint8], threads: int = 0
) -> dict[str, Value]:
    """Return every tensor of a lowered network by name; INT8 ones are multiplied by their scale.

    Raises SimulatorError for an operator that is not known here, and for another input.
    """
    graph = _graph(network)
    operators = [one for one in network.operators if one.name]
    tensors = tuple(dict.fromkeys(graph.result(one.result) for one in operators))
    shape = network.input.inputs[0].shape
    model = graph.model(_INPUT, shape, [(one, TensorProto.FLOAT) for one in tensors])
    found = Runtime(model.SerializeToString(), threads).run({_INPUT: _fitted(picture, shape)})
    arrays = dict(zip(tensors, found, strict=True))
    return {one.name: _value(one, arrays[graph.result(one.result)]) for one in operators}


class Emulator:
    """An emulated network that was loaded; several threads may run it at once."""

    def __init__(self, model: onnx.ModelProto, threads: int = 0) -> None:
        """Load what `emulated_model` returns; `threads` share one run, 0 means all cores.

        Raises SimulatorError when the model is something else.
        """
        known = {one.key: one.value for one in model.metadata_props}
        if _SCALES not in known:
            raise SimulatorError("this ONNX model is not an emulated network")
        self._scales = [np.float32(one) for one in known[_SCALES].split()]
        sides = model.graph.input[0].type.tensor_type.shape.dim
        self._shape = tuple(side.dim_value for side in sides)
        self._runtime = Runtime(model.SerializeToString(), threads)

    @classmethod
    def load(cls, path: Path, threads: int = 0) -> Emulator:
        """Load a file that holds what `emulated_model` returns. Raises SimulatorError."""
        try:
            return cls(onnx.load(path), threads)
        except (OSError, DecodeError, InputError) as error:
            raise SimulatorError(
                f"the emulated network {path} cannot be read: {error}",
                "Run `recam cache clean`, and convert again.",
            ) from error

    def run(self, picture: npt.NDArray[np.uint8]) -> list[Array]:
        """Return the outputs as float32 for a picture, uint8 [H, W, 3], in the network's order.

        Raises SimulatorError for a picture of another size.
        """
        found = self._runtime.run({_INPUT: _fitted(picture, self._shape)})
        return [
            one if one.dtype == np.float32 else one.astype(np.float32) * scale
            for one, scale in zip(found, self._scales, strict=True)
        ]


def _graph(network: LoweredNetwork) -> NetworkGraph:
    graph = NetworkGraph(network.weights)
    for operator in network.operators:
        if operator.kind == "Input":
            tensor = moving.take_input(graph, operator, _INPUT)
        else:
            add = _OPERATORS.get((operator.kind, operator.output.stored))
            if add is None:
                raise unknown(operator)
            tensor = add(graph, operator)
        graph.define(operator, tensor)
    return graph


def _fitted(picture: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    if picture.dtype != np.uint8 or picture.size != np.prod(shape):
        raise SimulatorError(
            f"the picture is {picture.dtype} {picture.shape}, and the network takes uint8 {shape}"
        )
    return picture.reshape(shape)


def _value(operator: Operator, array: Array) -> Value:
    stored = operator.output.stored
    if stored in (INT8, UINT8):
        array = array * np.float32(operator.output.scale)
    return Value(_DTYPES.get(stored, stored), array)
