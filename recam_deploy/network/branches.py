"""Replace an If whose condition is constant by the branch that it always takes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import onnx
from onnx import helper

from .constants import Constants
from .subgraphs import all_graphs, rename


def inline_branches(graph: onnx.GraphProto) -> bool:
    """Inline, in place, the branches of constant condition; say whether there were any.

    The tensors that such an If gives keep their names.
    """
    constants = Constants(graph)
    taken = {
        index
        for index, node in enumerate(graph.node)
        if node.op_type == "If" and node.input[0] in constants
    }
    if not taken:
        return False
    names = {
        name
        for inner in all_graphs(graph)
        for node in inner.node
        for name in (*node.input, *node.output)
    }
    names.update(tensor.name for tensor in graph.initializer)
    nodes: list[onnx.NodeProto] = []
    for index, node in enumerate(graph.node):
        if index not in taken:
            nodes.append(node)
            continue
        branch = _branch(node, truth=bool(constants[node.input[0]].all()))
        nodes += _inlined(node, branch, names)
        graph.initializer.extend(branch.initializer)
        graph.sparse_initializer.extend(branch.sparse_initializer)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    return True


def _branch(node: onnx.NodeProto, *, truth: bool) -> onnx.GraphProto:
    wanted = "then_branch" if truth else "else_branch"
    copy = onnx.GraphProto()
    copy.CopyFrom(next(attribute.g for attribute in node.attribute if attribute.name == wanted))
    return copy


def _inlined(
    node: onnx.NodeProto, branch: onnx.GraphProto, names: set[str]
) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of `branch`, with names that nothing else in the graph has."""
    made = [name for inner in branch.node for name in inner.output if name]
    weights = [tensor.name for tensor in branch.initializer]
    pairs = zip((value.name for value in branch.output), node.output, strict=True)
    results = {name: output for name, output in pairs if output}
    fresh: dict[str, str] = {}
    for name in (*made, *weights):
        if name in results and name in made:
            fresh[name] = results.pop(name)
        else:
            fresh[name] = next(
                free
                for free in (f"{node.output[0]}/{name}{n}" for n in _endings())
                if free not in names
            )
            names.add(fresh[name])
    rename(branch, fresh)
    for inner in branch.node:
        # onnxruntime wants no name twice, and two branches may use the same ones.
        inner.name = next(name for name in inner.output if name)
    yield from branch.node
    # What is left is a tensor from outside, a weight, or one that is given twice.
    for value, output in zip(branch.output, node.output, strict=True):
        if output and value.name != output:
            yield helper.make_node("Identity", [value.name], [output], name=output)


def _endings() -> Iterator[str]:
    yield ""
    yield from (f"_{number}" for number in itertools.count(2))
