"""Run one operation alone, to measure the effect of its input's threshold on its output.

Most operations need no whole tensors. Operations that only pass values on (a Concat, a MaxPool) are
evaluated on samples of the output, those that compute each value alone on samples of the inputs,
and a convolution on patches. The others run on whole tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import onnx
from onnx import TensorProto, helper

from ..network.runtime import Array, Runtime
from ..toolchain.mlir import Operation

# Quantizing commutes with these operations: quantized inputs give the quantized output.
_PASSING = frozenset(
    {
        *("Concat", "Slice", "Reshape", "Permute", "Squeeze", "Unsqueeze", "Depth2Space"),
        *("MaxPool", "Upsample", "Pad", "Reverse", "ShuffleChannel", "Tile", "Relu", "Gather"),
    }
)
_POINTWISE = frozenset(
    {
        *("Add", "Sub", "Mul", "Div", "Sigmoid", "Relu", "LeakyRelu", "Clip", "Tanh", "Elu"),
        *("HardSigmoid", "HardSwish", "Softplus", "Mish", "Exp", "Log", "Sqrt", "Abs", "Neg"),
        *("Pow", "Erf", "Gelu", "Min", "Max", "Identity"),
    }
)
_LOCAL = _POINTWISE | {"Conv", "AveragePool"}


class View(Enum):
    """The part of its tensors that a probe needs."""

    OUTPUT_SAMPLE = "a sample of the output"
    INPUT_SAMPLES = "samples of the inputs, all at the same places"
    PATCHES = "patches of the input"
    WHOLE = "the whole inputs"


@dataclass(frozen=True)
class Probe:
    """One operation that can run alone.

    `inputs` and `output` are ONNX tensors, `nodes` the nodes between them, and `view` the part of
    the tensors that is needed.
    """

    inputs: tuple[str, ...]
    output: str
    nodes: tuple[onnx.NodeProto, ...]
    view: View

    @property
    def sampled(self) -> tuple[str, ...]:
        """Return the tensors of which the probe needs samples."""
        by_view = {View.OUTPUT_SAMPLE: (self.output,), View.INPUT_SAMPLES: self.inputs}
        return by_view.get(self.view, ())


class OperationCutter:
    """Cuts single operations out of an ONNX graph; `shapes` are those of its float tensors."""

    def __init__(self, model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._model = model
        self._shapes = shapes
        self._makers = {name: node for node in model.graph.node for name in node.output}
        self._order = {node.output[0]: index for index, node in enumerate(model.graph.node)}
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}

    def probe(self, operation: Operation, onnx_names: Mapping[str, str]) -> Probe | None:
        """Return the probe for `operation`; None when it also reads tensors of other operations."""
        inputs = tuple(dict.fromkeys(onnx_names[name] for name in operation.inputs))
        output = onnx_names[operation.name]
        if operation.kind in _PASSING:
            return Probe(inputs, output, (), View.OUTPUT_SAMPLE)
        nodes = self._between(inputs, output)
        if not nodes:
            return None
        return Probe(inputs, output, nodes, self._view(inputs, nodes))

    def _between(self, inputs: Sequence[str], output: str) -> tuple[onnx.NodeProto, ...] | None:
        """Return the nodes that compute `output` from `inputs` and constants alone, in order."""
        found: dict[int, onnx.NodeProto] = {}
        waiting = [output]
        while waiting:
            name = waiting.pop()
            if not name or name in self._constants or (name in inputs and name != output):
                continue
            node = self._makers.get(name)
            if node is None:
                return None
            index = self._order[node.output[0]]
            if index not in found:
                found[index] = node
                waiting.extend(node.input)
        return tuple(found[index] for index in sorted(found))

    def _view(self, inputs: Sequence[str], nodes: Sequence[onnx.NodeProto]) -> View:
        kinds = {node.op_type for node in nodes}
        shapes = {self._shapes[name] for name in inputs}
        if kinds <= _POINTWISE and len(shapes) == 1 and self._only_scalars(nodes):
            return View.INPUT_SAMPLES
        if kinds <= _LOCAL and len(inputs) == 1 and all(self._crops(node) for node in nodes):
            return View.PATCHES
        return View.WHOLE

    def _only_scalars(self, nodes: Sequence[onnx.NodeProto]) -> bool:
        read = (self._constants.get(name) for node in nodes for name in node.input)
        return all(int(np.prod(tensor.dims)) == 1 for tensor in read if tensor is not None)

    def _crops(self, node: onnx.NodeProto) -> bool:
        """Say whether the node computes the same on a patch as on the whole tensor."""
        if node.op_type in ("Conv", "AveragePool"):
            padded = {a.name: a.s for a in node.attribute}.get("auto_pad", b"NOTSET")
            return padded == b"NOTSET" and len(self._shapes.get(node.input[0], ())) == 4
        return self._only_scalars([node])

    def runtime(self, probe: Probe) -> Runtime:
        """Load the probe's nodes alone, for inputs of any size. Raises InputError."""
        used = {name for node in probe.nodes for name in node.input}
        graph = helper.make_graph(
            list(probe.nodes),
            "probe",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in probe.inputs],
            [helper.make_tensor_value_info(probe.output, TensorProto.FLOAT, None)],
            [self._constants[name] for name in used if name in self._constants],
        )
        model = helper.make_model(graph, opset_imports=self._model.opset_import)
        model.ir_version = self._model.ir_version
        return Runtime(model.SerializeToString(), threads=1)


def quantized(values: Array, threshold: float) -> Array:
    """Quantize values to signed 8 bits with the range `threshold`, and convert them back."""
    scale = np.float32(127 / threshold)
    steps: Array = values * scale
    np.rint(steps, out=steps)
    np.clip(steps, -128, 127, out=steps)
    steps /= scale
    return steps


def distance(reference: Array, result: Array) -> float:
    """Compute the norm of the difference, divided by the sum of the reference's magnitudes."""
    total = float(np.abs(reference).sum())
    return float(np.linalg.norm((reference - result).ravel())) / total if total else 0.0
