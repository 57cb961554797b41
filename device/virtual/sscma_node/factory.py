"""Make and end nodes, and start each when all it needs is there.

Source: ``NodeFactory`` in ``solutions/sscma-node/main/node/node.cpp``. A node starts when its
dependencies exist and its dependents exist and have started: so the model before the camera
that feeds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .camera import CameraNode
from .messages import Code, Json, NodeError, strings, text
from .model import ModelNode
from .save import SaveNode
from .stream import StreamNode

if TYPE_CHECKING:
    from .node import Node, Surroundings

KINDS: dict[str, type[Node]] = {
    kind.kind: kind for kind in (CameraNode, ModelNode, SaveNode, StreamNode)
}


class Nodes:
    """The nodes that exist, by id. Not for use by two tasks at a time."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._nodes: dict[str, Node] = {}

    def find(self, id_: str) -> Node | None:
        return self._nodes.get(id_)

    async def create(self, id_: str, data: dict[str, Json]) -> None:
        """Make a node. Raises NodeError.

        It has answered by then, even if its neighbours then turn out to be no list of names.
        """
        if "type" not in data:
            raise NodeError(Code.INVALID, "Invalid payload")
        kind = text(data, "type", "").lower()
        if id_ in self._nodes:
            raise NodeError(Code.EXISTS, f"Node already exists: {id_}")
        if kind not in KINDS:
            raise NodeError(Code.INVALID, f"Unknown node type: {kind}")
        made = KINDS[kind]
        if made.singleton and any(node.kind == kind for node in self._nodes.values()):
            raise NodeError(Code.EXISTS, f"Singleton node already exists: {id_}")
        config = data.get("config")
        node = made(id_, self._around)
        await node.create(config if isinstance(config, dict) else {})
        try:
            node.dependencies = self._named(data.get("dependencies", []))
            node.dependents = self._named(data.get("dependents", []))
        except NodeError:
            await node.destroy()  # the camera forgets it and keeps what it holds
            raise
        self._nodes[id_] = node
        self._connect(node)
        await self._start_ready()

    async def destroy(self, id_: str) -> None:
        """End a node after stopping those that it feeds; nothing happens when there is none."""
        node = self._nodes.pop(id_, None)
        if node is None:
            return
        for other in node.dependents:
            if other in self._nodes:
                await self._nodes[other].stop()
        await node.destroy()
        self._connect(node, gone=True)

    async def clear(self) -> None:
        for id_ in list(self._nodes):
            await self.destroy(id_)

    def _named(self, ids: Json) -> dict[str, Node | None]:
        """Find nodes by their ids. Raises NodeError for what is no list of strings."""
        return {id_: self._nodes.get(id_) for id_ in strings(ids)}

    def _connect(self, node: Node, *, gone: bool = False) -> None:
        """Tell every node that waits for this one that it is there, or no longer."""
        value = None if gone else node
        for other in self._nodes.values():
            for wanted in (other.dependencies, other.dependents):
                if node.id in wanted:
                    wanted[node.id] = value

    async def _start_ready(self) -> None:
        """Start what can start, again and again, until nothing more can."""
        failed: set[str] = set()
        while ready := next(
            (n for n in self._nodes.values() if n.id not in failed and self._is_ready(n)), None
        ):
            try:
                await ready.start()
            except NodeError as error:
                ready.respond("start", error.text, error.code)
                failed.add(ready.id)

    @staticmethod
    def _is_ready(node: Node) -> bool:
        return (
            not node.started
            and all(other is not None for other in node.dependencies.values())
            and all(other is not None and other.started for other in node.dependents.values())
        )
