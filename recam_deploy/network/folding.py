"""Fold a graph's constants: compute, once, what is the same for every picture.

Exporters leave sizes to be computed while the model runs: from a tensor's shape, by Gather, Mul and
Concat. onnx's shape inference does not follow them far, and what hangs on them has no known shape.
Each such part is run in onnxruntime, with the same code as the float model, and its results become
weights of the same names. No other node is touched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import InputError
from .branches import inline_branches
from .constants import Constants
from .runtime import Runtime
from .subgraphs import inner_graphs, reads

Array = npt.NDArray[np.generic]
Shapes = Mapping[str, tuple[int, ...]]

_MOST_ROUNDS = 16
_MOST_VALUES = 1 << 26
"""A tensor of more values is left alone: it would be a weight of 256 MB."""
_SAFE_IR = 8

# Random ones are not the same for every picture. Where weights are quantized, the model is refused
# by that (or its scales are read); sequences cannot become weights.
_NEVER = frozenset(
    {"Bernoulli", "Multinomial", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
)
_NEVER_LIKE = ("Random", "Sequence", "Optional", "SplitToSequence", "ConcatFromSequence", "String")


def fixed_shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all tensors whose sizes are all known; of a scalar it is empty."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.value_info, *graph.input, *graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    return shapes


def needs_folding(graph: onnx.GraphProto) -> bool:
    """Say whether folding can tell more of a graph, which must have its shapes inferred.

    It can where a node has a graph inside (If, Loop), an output of unknown shape, or sizes or axes
    that the graph computes.
    """
    shapes, constants = fixed_shapes(graph), Constants(graph)
    return any(
        any(True for _ in inner_graphs(node))
        or any(name and name not in shapes for name in node.output)
        or any(name and name not in constants for name in _settings_of(node))
        for node in graph.node
    )


def _settings_of(node: onnx.NodeProto) -> list[str]:
    """List the inputs of a node that say how it works, which the compiler needs to be constants."""
    if node.op_type in ("Pad", "Split", "Unsqueeze", "Squeeze", "Resize", "Tile") or (
        node.op_type.startswith("Reduce")
    ):
        return list(node.input[1:])
    return []


def fold(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with its constants folded and branches of constant condition inlined.

    Its shapes are then inferred anew; where there is nothing to fold, it is `model` itself. Raises
    whatever onnx raises for shapes that contradict each other.
    """
    folded, changed = onnx.ModelProto(), False
    folded.CopyFrom(model)
    for _ in range(_MOST_ROUNDS):
        more = _fold_once(folded)
        more |= inline_branches(folded.graph)
        if not more:
            break
        changed = True
        folded = onnx.shape_inference.infer_shapes(folded, strict_mode=True, data_prop=True)
    return folded if changed else model


def _fold_once(model: onnx.ModelProto) -> bool:
    """Fold what is constant by the shapes that are known now; say whether anything was."""
    graph, shapes = model.graph, fixed_shapes(model.graph)
    constants = {tensor.name for tensor in graph.initializer}
    foldable: list[onnx.NodeProto] = []
    sources: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "Constant":
            sources.append(node)
        elif _is_constant(node, constants, shapes):
            foldable.append(node)
        else:
            continue
        constants.update(node.output)
    made = {name for node in foldable for name in node.output if name}
    kept = [node for node in graph.node if not made.intersection(node.output)]
    wanted = {name for node in kept for name in reads(node)}
    wanted.update(value.name for value in graph.output)
    ends = sorted(made & wanted)
    if not foldable or (values := _computed(model, foldable, sources, ends, shapes)) is None:
        return False
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in zip(ends, values, strict=True)
    )
    return True


def _is_constant(node: onnx.NodeProto, constants: set[str], shapes: Shapes) -> bool:
    if node.domain or node.op_type in _NEVER or node.op_type.startswith(_NEVER_LIKE):
        return False
    if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
        return True
    sources = reads(node)
    small = all(math.prod(shapes.get(name, ())) <= _MOST_VALUES for name in node.output)
    return bool(sources) and small and constants.issuperset(sources)


def _computed(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    sources: Sequence[onnx.NodeProto],
    ends: Sequence[str],
    shapes: Shapes,
) -> list[Array] | None:
    """Run constant nodes; return the tensors `ends`, or None when onnxruntime cannot."""
    if not ends:
        return []
    known = {
        node.output[0]: _size_of(node, shapes[node.input[0]])
        for node in nodes
        if node.op_type in ("Shape", "Size") and node.input[0] in shapes
    }
    run = [node for node in nodes if node.output[0] not in known]
    used = {name for node in run for name in reads(node)}
    weights = [numpy_helper.from_array(value, name) for name, value in known.items()]
    weights += [tensor for tensor in model.graph.initializer if tensor.name in used]
    part = helper.make_graph(
        [*(node for node in sources if used.intersection(node.output)), *run],
        "constants",
        [],
        [onnx.ValueInfoProto(name=name) for name in ends],
        weights,
    )
    made = helper.make_model(part, opset_imports=model.opset_import, ir_version=_SAFE_IR)
    try:
        typed = onnx.shape_inference.infer_shapes(made)
        values: list[Array] = list(Runtime(typed.SerializeToString(), as_written=True).run({}))
    except InputError:
        return None
    return values if all(isinstance(value, np.ndarray) for value in values) else None


def _size_of(node: onnx.NodeProto, shape: tuple[int, ...]) -> Array:
    """Compute what a Shape or Size node gives for a tensor of `shape`."""
    if node.op_type == "Size":
        return np.asarray(math.prod(shape), np.int64)
    given = {attribute.name: attribute.i for attribute in node.attribute}
    return np.asarray(shape[given.get("start", 0) : given.get("end", len(shape))], np.int64)


def untyped(name: str) -> onnx.ValueInfoProto:
    """Describe a float tensor of unknown shape."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
