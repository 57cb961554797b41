"""Search a model's graph: shapes, and the nodes that produce and consume each tensor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import onnx

from .subgraphs import reads


class Graph:
    """A model's graph.

    `outputs` are its output tensors, `shapes` those of all tensors. `producers` and `consumers`
    have the nodes that produce and consume each tensor. The model must have its shapes inferred.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self.outputs = [value.name for value in graph.output]
        self.producers = {name: node for node in graph.node for name in node.output}
        self.consumers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in reads(node):
                self.consumers[name].append(node)
        self.shapes: dict[str, tuple[int, ...]] = {
            value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
            for value in (*graph.value_info, *graph.input, *graph.output)
        }

    def last_convolutions(self, grids: frozenset[tuple[int, int]]) -> list[str]:
        """Find the last convolutions on `grids` (height, width) before the graph's outputs.

        Return the names of their output tensors.
        """
        found: list[str] = []
        seen: set[str] = set()
        waiting = list(self.outputs)
        while waiting:
            tensor = waiting.pop(0)
            node = self.producers.get(tensor)
            if tensor in seen or node is None:
                continue
            seen.add(tensor)
            shape = self.shapes.get(tensor, ())
            if node.op_type == "Conv" and len(shape) == 4 and shape[2:] in grids:
                found.append(tensor)
            else:
                waiting.extend(reads(node))
        return found

    def needed_for(self, output: str) -> frozenset[str]:
        """Return every tensor that `output` is computed from."""
        found: set[str] = set()
        waiting = [output]
        while waiting:
            node = self.producers.get(waiting.pop())
            fresh = [name for name in reads(node) if name not in found] if node else []
            found.update(fresh)
            waiting.extend(fresh)
        return frozenset(found)

    def leads_to(self, tensor: str, op: str) -> bool:
        """Say whether an operator `op` reads `tensor`, or anything computed from it."""
        return any(node.op_type == op for node in self._readers([tensor]))

    def computed_from(self, tensors: Iterable[str]) -> frozenset[str]:
        """Return every tensor that is computed from one of `tensors`, without these themselves."""
        return frozenset(name for node in self._readers(tensors) for name in node.output)

    def _readers(self, tensors: Iterable[str]) -> Iterator[onnx.NodeProto]:
        waiting, seen = list(tensors), set(tensors)
        while waiting:
            for node in self.consumers.get(waiting.pop(), ()):
                yield node
                fresh = [name for name in node.output if name not in seen]
                seen.update(fresh)
                waiting.extend(fresh)
