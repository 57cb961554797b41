"""Find free places for added nodes on a tab of Node-RED's editor. Positions are in its pixels."""

from __future__ import annotations

from collections.abc import Sequence

from .document import Node

_ROW = 60  # the height of a row of nodes
_NEAR = 100


def spot(node: Node) -> tuple[str, float, float]:
    """Return a node's container, x and y in the editor's pixels; "", 0, 0 without a position."""
    x, y = node.get("x"), node.get("y")
    is_placed = all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in (x, y))
    return (node.get("z", ""), x, y) if is_placed else ("", 0, 0)  # type: ignore[return-value]


class Taken:
    """The places of the nodes on one tab, by squares of the size of a node."""

    def __init__(self, nodes: Sequence[Node], container: str) -> None:
        self._squares: dict[tuple[int, int], list[tuple[float, float]]] = {}
        for node in nodes:
            home, x, y = spot(node)
            if home and home == container:
                self._take(x, y)

    def moved(self, node: Node, offset: tuple[float, float]) -> Node:
        """Shift a node by `offset`, then down to the first row where it covers no other."""
        if "x" not in node or "y" not in node:
            return node
        _, x, y = spot(node)
        x, y = max(_NEAR, x + offset[0]), max(_ROW, y + offset[1])
        while self._covered(x, y):
            y += _ROW
        self._take(x, y)
        return {**node, "x": x, "y": y}

    def _take(self, x: float, y: float) -> None:
        self._squares.setdefault((int(x // _NEAR), int(y // _ROW)), []).append((x, y))

    def _covered(self, x: float, y: float) -> bool:
        column, row = int(x // _NEAR), int(y // _ROW)
        near = (
            spot
            for i in (column - 1, column, column + 1)
            for j in (row - 1, row, row + 1)
            for spot in self._squares.get((i, j), ())
        )
        return any(abs(a - x) < _NEAR and abs(b - y) < _ROW // 2 for a, b in near)
