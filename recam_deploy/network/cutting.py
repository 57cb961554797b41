"""Cut a model at its heads, with the outputs in the order that the camera expects.

The compiler keeps the order of the ONNX graph's outputs, whatever its `--output_names` says.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import TensorProto, helper

from .subgraphs import reads


def cut(model: onnx.ModelProto, input_name: str, outputs: Sequence[str]) -> onnx.ModelProto:
    """Return the part of `model` between its input and the tensors `outputs`, in that order.

    `model` must have its shapes inferred. Unused nodes and weights are left out.
    """
    graph = model.graph
    nodes = [graph.node[index] for index in needed_nodes(graph, outputs)]
    used = {name for node in nodes for name in reads(node)}
    shapes = {value.name: value for value in (*graph.value_info, *graph.output)}
    part = helper.make_graph(
        nodes,
        graph.name or "network",
        [value for value in graph.input if value.name == input_name],
        [shapes.get(name) or _untyped(name) for name in outputs],
        [tensor for tensor in graph.initializer if tensor.name in used],
    )
    result = helper.make_model(part, opset_imports=model.opset_import, producer_name="recam")
    result.ir_version = model.ir_version
    return result


def needed_nodes(graph: onnx.GraphProto, outputs: Sequence[str]) -> list[int]:
    """Return the indices of all nodes that the tensors `outputs` are computed by, in order.

    They include those whose tensors only a branch of an If, or the body of a Loop, reads.
    """
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output}
    needed: set[int] = set()
    waiting = list(outputs)
    while waiting:
        index = producers.get(waiting.pop())
        if index is not None and index not in needed:
            needed.add(index)
            waiting.extend(reads(graph.node[index]))
    return sorted(needed)


def _untyped(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
