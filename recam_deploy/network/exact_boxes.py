"""Compute centres and sizes of boxes without the cancellation that BF16 makes costly.

Ultralytics' exports turn the distances l and r from an anchor a to a box's sides into corners, and
these into size and centre: (a + r) - (a - l), and ((a - l) + (a + r)) / 2. BF16 has 8 bits: a
corner at cell 40 is rounded to quarters of a cell, and the size has both corners' roundings. l + r
and a + (r - l) / 2 are the same numbers, and round as little as numbers of their size do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from .constants import Constants

_HALVING = {"Div": 2.0, "Mul": 0.5}


@dataclass(frozen=True)
class _Box:
    """The tensors of the first corner a - l, the second a + r, their sum, its half, the size.

    `divisor` halves the sum by the operator `halving`.
    """

    anchor: str
    before: str
    after: str
    first: str
    second: str
    total: str
    centre: str
    size: str
    halving: str
    divisor: str

    def nodes(self) -> dict[str, list[onnx.NodeProto]]:
        """Return what takes the place of the node of each tensor.

        The difference of the distances has the name of the second corner.
        """

        def node(kind: str, inputs: Sequence[str], output: str) -> onnx.NodeProto:
            return helper.make_node(kind, inputs, [output], name=output)

        return {
            self.first: [],
            self.second: [],
            self.total: [],
            self.centre: [
                node("Sub", [self.after, self.before], self.second),
                node(self.halving, [self.second, self.divisor], self.total),
                node("Add", [self.anchor, self.total], self.centre),
            ],
            self.size: [node("Add", [self.before, self.after], self.size)],
        }


def compute_boxes_exactly(graph: onnx.GraphProto) -> None:
    """Rewrite, in place, centres and sizes that are computed from corners.

    Corners that anything else reads stay. All tensors but the first corners keep their names.
    """
    reading = _Reading(graph)
    changed: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        if box := reading.box(node):
            changed |= box.nodes()
    nodes = [new for node in graph.node for new in changed.get(node.output[0], [node])]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


class _Reading:
    """Finds boxes in a graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._constants = Constants(graph)
        self._producers = {name: node for node in graph.node for name in node.output}
        self._readers: Mapping[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self._readers[name].append(node)
        self._outputs = {value.name for value in graph.output}

    def box(self, size: onnx.NodeProto) -> _Box | None:
        """Return the box whose size a node computes; None where it computes something else."""
        if size.op_type != "Sub":
            return None
        second, first = (self._producers.get(name) for name in size.input)
        if second is None or first is None or (second.op_type, first.op_type) != ("Add", "Sub"):
            return None
        anchor, before = first.input
        total = self._only_other_reader((first.output[0], second.output[0]), size)
        halved = self._readers[total.output[0]] if total else []
        after = next((name for name in second.input if not self._same(name, anchor)), None)
        if total is None or after is None or len(halved) != 1 or len(set(second.input)) != 2:
            return None
        if not any(self._same(name, anchor) for name in second.input):
            return None
        divisor = self._divisor(halved[0], total.output[0])
        if divisor is None:
            return None
        return _Box(
            anchor,
            before,
            after,
            first.output[0],
            second.output[0],
            total.output[0],
            halved[0].output[0],
            size.output[0],
            halved[0].op_type,
            divisor,
        )

    def _only_other_reader(
        self, corners: tuple[str, str], size: onnx.NodeProto
    ) -> onnx.NodeProto | None:
        """Return the sum of both corners where nothing but it and `size` reads them."""
        readers = [node for name in corners for node in self._readers[name]]
        others = [node for node in readers if node.output[0] != size.output[0]]
        names = {node.output[0] for node in others}
        total = others[0] if len(names) == 1 else None
        if total is None or total.op_type != "Add" or set(total.input) != set(corners):
            return None
        return total if self._outputs.isdisjoint((*corners, *names)) else None

    def _divisor(self, node: onnx.NodeProto, total: str) -> str | None:
        """Return the constant with which a node halves `total`; None where it does not."""
        wanted = _HALVING.get(node.op_type)
        if wanted is None or total not in node.input[: 1 if node.op_type == "Div" else 2]:
            return None
        constant = next((name for name in node.input if name != total), "")
        values = self._constants.get(constant)
        return constant if values is not None and bool(np.all(values == wanted)) else None

    def _same(self, name: str, anchor: str) -> bool:
        if name == anchor:
            return True
        values, others = self._constants.get(name), self._constants.get(anchor)
        return values is not None and others is not None and np.array_equal(values, others)
