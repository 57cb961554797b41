"""Sort a graph's nodes so that each comes after those whose outputs it reads."""

from __future__ import annotations

import heapq
from collections import defaultdict

import onnx

from ..errors import InputError
from .subgraphs import inner_graphs, reads


def sort_nodes(model: onnx.ModelProto) -> bool:
    """Sort the nodes of all graphs of `model` where needed, in place; say whether it was.

    ONNX asks for that order, onnxruntime does not, and its half-precision converter appends Cast
    nodes at the end. Raises InputError for nodes that wait for each other.
    """
    return _sort(model.graph)


def _sort(graph: onnx.GraphProto) -> bool:
    inside = [_sort(inner) for node in graph.node for inner in inner_graphs(node)]
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    waits = [{makers[name] for name in reads(node) if name in makers} for node in graph.node]
    if len(makers) < sum(1 for node in graph.node for name in node.output if name):
        return any(inside)  # A name that is given twice: onnx's checker says so.
    if all(before < index for index, befores in enumerate(waits) for before in befores):
        return any(inside)
    readers = defaultdict(list)
    for index, befores in enumerate(waits):
        for before in befores:
            readers[before].append(index)
    # The first of the nodes that may come next: so a sorted part stays as it is.
    ready = [index for index, befores in enumerate(waits) if not befores]
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for reader in readers[index]:
            waits[reader].discard(index)
            if not waits[reader]:
                heapq.heappush(ready, reader)
    if len(order) < len(graph.node):
        stuck = graph.node[next(i for i, befores in enumerate(waits) if befores)]
        raise InputError(
            f"the operator {stuck.op_type} ({stuck.name or ', '.join(stuck.output)}) waits for its "
            "own output",
            "Export the model again from the framework.",
        )
    nodes = [onnx.NodeProto.FromString(graph.node[i].SerializeToString()) for i in order]
    del graph.node[:]
    graph.node.extend(nodes)
    return True
