"""A network as the TPU computes it, layer by layer in INT8 or in BF16, written as ordinary ONNX.

It is close enough to tell which layers lose most, and costs no compilation: an INT8 layer has its
weights rounded to 255 levels an output channel, reads its inputs and writes its output in 255
levels between the thresholds of a calibration table; a BF16 layer has 8 bits of mantissa. What the
chip adds to that (tables instead of functions, integer rescaling) is left out: measured on
YOLOX-nano, whose SiLUs come from tables with twice the error of rounding, cosines are 0.001 to
0.002 above those of the simulator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from ..errors import UnsupportedModelError

Weights: TypeAlias = npt.NDArray[np.float32]

INT8_LEVELS = 127
_OLDEST_OPSET = 10
"""QuantizeLinear's."""
_SPLIT = "recam_bf16_split"
# Where a layer has weights, they are its second input; the axis of the output channels.
_CHANNEL_AXIS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0, "MatMul": -1}
# What the compiler computes together with the convolution before it.
_ACTIVATIONS = frozenset(
    {"Sigmoid", "Mul", "Relu", "LeakyRelu", "Clip", "Tanh", "HardSwish", "HardSigmoid", "Elu"}
)
# These only move values, or pick among them: the compiler leaves them in the levels of their input,
# whatever a calibration table says of them.
_MOVES = frozenset(
    {"Reshape", "Transpose", "MaxPool", "Resize", "Upsample", "Slice", "Split", "Squeeze"}
    | {"Unsqueeze", "Flatten", "Identity", "Tile", "Expand", "Gather", "DepthToSpace"}
    | {"SpaceToDepth"}
)


@dataclass(frozen=True)
class Layer:
    """What is quantized together: a convolution, its activation, and what only moves its result;
    or one other operation.

    `names` are the compiler's (as in its tables), `tensors` those of the ONNX graph.
    """

    names: tuple[str, ...]
    tensors: tuple[str, ...]


class QuantizedNetwork:
    """Makes copies of a network in which chosen layers are in INT8."""

    def __init__(self, model: onnx.ModelProto, thresholds: Mapping[str, float]) -> None:
        """`thresholds` are those of a calibration table, by the compiler's name of each tensor.

        Raises UnsupportedModelError for models older than INT8 in ONNX.
        """
        if max(entry.version for entry in model.opset_import) < _OLDEST_OPSET:
            raise UnsupportedModelError(
                "the search for mixed precision needs a model of opset 10 or newer",
                "Export the model with opset=17.",
            )
        self._model = model
        graph = model.graph
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        self._inputs = {value.name for value in graph.input} - self._weights.keys()
        made = {name for node in graph.node for name in node.output} | self._inputs
        names = {name: _tensor_of(name, made) for name in thresholds}
        self._thresholds = {
            tensor: thresholds[name] for name, tensor in names.items() if tensor is not None
        }
        self._owners = self._find_owners()
        self._readers = self._find_readers()
        self.layers = self._find_layers({t: name for name, t in names.items() if t is not None})

    def _find_owners(self) -> dict[str, str]:
        """For each node, by its first output, the calibrated tensor that it goes into: the nodes
        between two calibrated tensors are one operation of the compiler's."""
        owners: dict[str, str] = {}
        readers: dict[str, str] = {}
        for node in reversed(self._model.graph.node):
            own = next((name for name in node.output if name in self._thresholds), None)
            owner = own or next((readers[name] for name in node.output if name in readers), "")
            owners[node.output[0]] = owner
            for name in node.input:
                readers[name] = owner
        return owners

    def _find_readers(self) -> dict[str, set[str]]:
        readers: dict[str, set[str]] = {}
        for node in self._model.graph.node:
            for name in node.input:
                readers.setdefault(name, set()).add(self._owners[node.output[0]])
        return readers

    def _find_layers(self, names: Mapping[str, str]) -> tuple[Layer, ...]:
        """The layers in the order of the graph; what only moves a tensor takes its threshold."""
        found: list[list[str]] = []
        layer_of: dict[str, list[str]] = {}
        activations: set[str] = set()
        makers = {name: node for node in self._model.graph.node for name in node.output}
        for node in self._model.graph.node:
            for tensor in (name for name in node.output if name in self._thresholds):
                source = node.input[0] if node.input else ""
                if tensor in activations:
                    continue
                if node.op_type in _MOVES and source in self._thresholds:
                    self._thresholds[tensor] = self._thresholds[source]
                if node.op_type in _MOVES and source in layer_of:
                    layer_of[tensor] = layer_of[source]
                    layer_of[tensor].append(tensor)
                    continue
                layer_of[tensor] = [tensor]
                found.append(layer_of[tensor])
                activation = self._activation(node, tensor, makers)
                if activation:
                    activations.add(activation)
                    layer_of[tensor].append(activation)
                    layer_of[activation] = layer_of[tensor]
        return tuple(Layer(tuple(names[t] for t in layer), tuple(layer)) for layer in found)

    def _activation(
        self, node: onnx.NodeProto, tensor: str, makers: Mapping[str, onnx.NodeProto]
    ) -> str | None:
        """The tensor that the activation after a convolution makes, if that alone reads it."""
        readers = self._readers.get(tensor, set())
        follower = next(iter(readers), "")
        convolution = node.op_type in _CHANNEL_AXIS or node.op_type == "BatchNormalization"
        if not convolution or len(readers) != 1 or not follower:
            return None
        return follower if makers[follower].op_type in _ACTIVATIONS else None

    def with_int8(self, int8: frozenset[str], *, bf16: bool) -> onnx.ModelProto:
        """A copy with the layers that make the tensors `int8` in INT8, the others in BF16, or as
        they are in float32 where `bf16` is False."""
        copy = onnx.ModelProto()
        copy.CopyFrom(self._model)
        del copy.graph.node[:]
        del copy.graph.value_info[:]
        narrowed: set[str] = set()
        for node in self._model.graph.node:
            owner = self._owners[node.output[0]]
            changed = onnx.NodeProto()
            changed.CopyFrom(node)
            if owner in int8 or bf16:
                copy.graph.initializer.extend(self._rounded_weights(changed, owner in int8))
            if owner in int8:
                for index, name in enumerate(node.input):
                    if name in self._thresholds and name not in int8:
                        changed.input[index] = f"{name}_int8"
                        if name not in narrowed:
                            narrowed.add(name)
                            copy.graph.node.extend(self._int8(copy, name, name, f"{name}_int8"))
            after: list[onnx.NodeProto] = []
            for index, name in enumerate(node.output):
                if name in self._thresholds and (name in int8 or bf16):
                    changed.output[index] = wide = f"{name}_wide"
                    if name in int8:
                        after += self._int8(copy, name, wide, name)
                    else:
                        after += _bf16(copy, wide, name)
            copy.graph.node.append(changed)
            copy.graph.node.extend(after)
        return copy

    def _int8(
        self, copy: onnx.ModelProto, tensor: str, source: str, target: str
    ) -> list[onnx.NodeProto]:
        scale = np.float32(max(self._thresholds[tensor], 1e-8) / INT8_LEVELS)
        zero = np.int8(0)
        copy.graph.initializer.append(numpy_helper.from_array(np.array(scale), f"{target}_scale"))
        copy.graph.initializer.append(numpy_helper.from_array(np.array(zero), f"{target}_zero"))
        constants = [f"{target}_scale", f"{target}_zero"]
        return [
            helper.make_node("QuantizeLinear", [source, *constants], [f"{target}_levels"]),
            helper.make_node("DequantizeLinear", [f"{target}_levels", *constants], [target]),
        ]

    def _rounded_weights(self, node: onnx.NodeProto, int8: bool) -> Iterator[onnx.TensorProto]:
        """The node's weights rounded, which `node` then reads; nothing where it has none."""
        axis = _CHANNEL_AXIS.get(node.op_type)
        if axis is None or node.input[1] not in self._weights:
            return
        values = numpy_helper.to_array(self._weights[node.input[1]])
        if values.dtype != np.float32 or values.ndim < 2:
            return
        rounded = int8_weights(values, axis) if int8 else bf16_values(values)
        node.input[1] = f"{node.output[0]}_weights"
        yield numpy_helper.from_array(rounded, node.input[1])


def _tensor_of(name: str, made: set[str]) -> str | None:
    """The ONNX tensor behind a name of the compiler's, which appends `_` and the operator; where it
    joined operators, several of them."""
    while name not in made:
        name, separator, _ = name.rpartition("_")
        if not separator:
            return None
    return name


def _bf16(copy: onnx.ModelProto, wide: str, target: str) -> list[onnx.NodeProto]:
    """Veltkamp's splitting, which every operator set can do: x * (2^16 + 1) minus all of it but x
    leaves the upper 8 of 24 bits, rounded to nearest."""
    if not any(tensor.name == _SPLIT for tensor in copy.graph.initializer):
        split = numpy_helper.from_array(np.array(65537, np.float32), _SPLIT)
        copy.graph.initializer.append(split)
    return [
        helper.make_node("Mul", [wide, _SPLIT], [f"{target}_high"]),
        helper.make_node("Sub", [f"{target}_high", wide], [f"{target}_low"]),
        helper.make_node("Sub", [f"{target}_high", f"{target}_low"], [target]),
    ]


def bf16_values(values: Weights) -> Weights:
    """Float32 values rounded to the nearest that BF16 holds, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + ((bits >> 16) & 1) + 0x7FFF) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


def int8_weights(values: Weights, axis: int) -> Weights:
    """Weights rounded to 255 levels, symmetric, an output channel of `axis` at a time."""
    others = tuple(i for i in range(values.ndim) if i != axis % values.ndim)
    step = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-12) / INT8_LEVELS
    rounded: Weights = (np.round(values / step) * step).astype(np.float32)
    return rounded
