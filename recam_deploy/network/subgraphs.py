"""Walk a graph and those inside its operators (If, Loop, Scan), which may read its tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx


def inner_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs that a node holds: the branches of an If, the body of a Loop."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def all_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph, and those inside its operators at any depth."""
    yield graph
    for node in graph.node:
        for inner in inner_graphs(node):
            yield from all_graphs(inner)


def reads(node: onnx.NodeProto) -> list[str]:
    """List the tensors of its own graph that a node reads: its inputs, and what it captures."""
    names = [name for name in node.input if name]
    for inner in inner_graphs(node):
        names += captured(inner)
    return names


def captured(graph: onnx.GraphProto) -> list[str]:
    """List the tensors that an inner graph reads from the graphs around it."""
    own = {value.name for value in graph.input}
    own.update(tensor.name for tensor in graph.initializer)
    own.update(tensor.values.name for tensor in graph.sparse_initializer)
    own.update(name for node in graph.node for name in node.output)
    wanted = [name for node in graph.node for name in reads(node)]
    wanted += [value.name for value in graph.output]
    return [name for name in dict.fromkeys(wanted) if name not in own]


def rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Rename tensors in a graph and those inside it, in place; `names` has new ones by old."""
    for inner in all_graphs(graph):
        for value in (*inner.input, *inner.output, *inner.value_info):
            value.name = names.get(value.name, value.name)
        for tensor in inner.initializer:
            tensor.name = names.get(tensor.name, tensor.name)
        for node in inner.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]


def tensors_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield all constant tensors of a model: weights, and attributes, at any depth."""
    for graph in all_graphs(model.graph):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        yield from _of_nodes(graph.node)
    for function in model.functions:
        yield from _of_nodes(function.node)
        for node in function.node:
            for inner in inner_graphs(node):
                for graph in all_graphs(inner):
                    yield from graph.initializer
                    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
