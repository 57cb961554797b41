"""Find the tensors of a model's own decoding that hold boxes or scores for every cell.

A detector decodes all cells of its grids at once, and ranks or suppresses them afterwards. So the
tensors nearest to the outputs that still have one row a cell say what the model means by its heads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

from .graph import Graph
from .model import Head

Array: TypeAlias = npt.NDArray[np.float32]
Shape: TypeAlias = tuple[int, ...]

_SIDES = 4
_VALUE_INPUTS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ("Gather", "GatherElements", "GatherND", "Slice", "TopK", "Compress", "Expand", "Reshape",
         "Tile", "Pad", "Squeeze", "Unsqueeze", "Split", "Resize"),
        (0,),
    ),
    "ScatterND": (0, 2),
    "ScatterElements": (0, 2),
    "Where": (1, 2),
    **dict.fromkeys(
        ("NonMaxSuppression", "NonZero", "ArgMax", "ArgMin", "Greater", "GreaterOrEqual", "Less",
         "LessOrEqual", "Equal", "Shape", "Size", "Not", "And", "Or"),
        (),
    ),
}  # fmt: skip
"""The inputs whose values an operator hands on; all for others. The rest are indices and sizes."""


@dataclass(frozen=True)
class CellTensor:
    """A tensor with one row for each cell of the heads that it is computed from.

    `heads` are the indices of its scales; `boxes` and `scores` say from which of their two tensors
    it is computed, `maps` are these scales' grids (side in cells).
    """

    name: str
    heads: tuple[int, ...]
    boxes: bool
    scores: bool
    maps: tuple[int, ...]

    def rows(self, array: Array) -> Iterator[Array]:
        """Yield the tensor as [cells, values]; twice where its shape leaves the order open."""
        flat = array.reshape([side for side in array.shape if side != 1] or [1])
        count = sum(side * side for side in self.maps)
        if flat.size == count:
            yield flat.reshape(count, 1)
        elif flat.ndim == 3 and flat.shape[1:] == (self.maps[0], self.maps[0]):
            yield flat.reshape(flat.shape[0], count).T
        elif flat.ndim == 3:
            yield flat.reshape(count, flat.shape[2])
        else:
            if flat.shape[0] == count:
                yield flat
            if flat.shape[1] == count:
                yield flat.T


def cell_tensors(
    graph: Graph, heads: Sequence[Head], widths: frozenset[int]
) -> tuple[CellTensor, ...]:
    """Return the tensors nearest to the outputs with one row a cell, of one of `widths` values.

    Where no such tensor follows a head, the head itself is returned.
    """
    search = _Search(graph, heads, widths)
    found: list[CellTensor] = []
    seen: set[str] = set()
    waiting = list(graph.outputs)
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        tensor = search.cell_tensor(name)
        node = graph.producers.get(name)
        if tensor:
            found.append(tensor)
        elif node is not None and search.follows(name):
            waiting.extend(values_of(node, name))
    return tuple(found)


class _Search:
    """What each tensor after the heads is computed from."""

    def __init__(self, graph: Graph, heads: Sequence[Head], widths: frozenset[int]) -> None:
        self._graph, self._heads, self._widths = graph, heads, widths
        self._grids = [graph.shapes[head.box][2] for head in heads]
        self._after_box = [graph.computed_from([head.box]) | {head.box} for head in heads]
        self._after_logits = [graph.computed_from([head.logits]) | {head.logits} for head in heads]

    def follows(self, name: str) -> bool:
        """Say whether a tensor is computed from a head, or is one."""
        return any(name in names for names in (*self._after_box, *self._after_logits))

    def cell_tensor(self, name: str) -> CellTensor | None:
        """Describe a tensor that has one row a cell; None for others."""
        of_box = {i for i, names in enumerate(self._after_box) if name in names}
        of_logits = {i for i, names in enumerate(self._after_logits) if name in names}
        scales = tuple(sorted(of_box | of_logits))
        if len(scales) not in (1, len(self._heads)):
            return None
        maps = tuple(self._grids[scale] for scale in scales)
        if not self._has_rows(self._graph.shapes.get(name, ()), maps):
            return None
        return CellTensor(name, scales, bool(of_box), bool(of_logits), maps)

    def _has_rows(self, shape: Shape, maps: tuple[int, ...]) -> bool:
        sides = [side for side in shape if side != 1]
        count = sum(side * side for side in maps)
        if len(maps) == 1 and len(sides) == 3:
            grid = [maps[0], maps[0]]
            return (sides[1:] == grid and sides[0] in self._widths) or (
                sides[:2] == grid and sides[2] in self._widths
            )
        if sides == [count] or (len(maps) == 1 and sides == [maps[0]] * 2):
            return 1 in self._widths
        return len(sides) == 2 and any(
            sides[axis] == count and sides[1 - axis] in self._widths for axis in (0, 1)
        )


def values_of(node: onnx.NodeProto, output: str) -> list[str]:
    """Return the inputs whose values arrive at `output`."""
    if node.op_type == "TopK" and output != node.output[0]:
        return []
    places = _VALUE_INPUTS.get(node.op_type)
    if places is None:
        return list(node.input)
    return [node.input[place] for place in places if place < len(node.input)]
