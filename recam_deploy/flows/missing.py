"""Find the nodes whose types a Node-RED lacks, and say where each is in the editor.

Node-RED starts no node at all while a type is missing, be it on a disabled tab or in a subflow that
is used nowhere. A configuration node shows on no tab: people do not find it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import NodeRedError
from .document import CAMERA_TYPES, CONTAINERS, Node, described
from .shapes import is_placed

_MOST_NAMED = 8
_CONFIGURATION = "sidebar, Configuration nodes"


@dataclass(frozen=True)
class MissingNode:
    """A node whose type is not installed; `where` is its place in the editor."""

    node: Node
    where: str

    @property
    def line(self) -> str:
        """Name it, its id and its place."""
        shown = described(self.node)
        if not shown.endswith(f"{self.node['id']!r}"):
            shown = f"{shown} (id {self.node['id']})"
        return f"{shown} {self.where}"


def missing_types(nodes: Sequence[Node], installed: Collection[str]) -> list[str]:
    """Return the types of nodes that are not installed, without containers and subflows."""
    return sorted({missing.node["type"] for missing in missing_nodes(nodes, installed)})


def missing_nodes(nodes: Sequence[Node], installed: Collection[str]) -> list[MissingNode]:
    """Return the nodes whose types are not installed, in the document's order."""
    subflows = {f"subflow:{node['id']}" for node in nodes if node["type"] == "subflow"}
    known = {*CONTAINERS, *subflows, *installed}
    return [
        MissingNode(node, _where(node, nodes))
        for node in {n["id"]: n for n in nodes if n["type"] not in known}.values()
    ]


def check_types(nodes: Sequence[Node], installed: Collection[str]) -> None:
    """Raise NodeRedError, which names each node, when types are missing."""
    missing = missing_nodes(nodes, installed)
    if missing:
        types = sorted({one.node["type"] for one in missing})
        raise NodeRedError(
            f"Node-RED on the camera lacks node types: {', '.join(types)}. It starts no flow "
            f"without them. They are needed by {listed(missing)}",
            remedy(missing),
        )


def listed(missing: Sequence[MissingNode]) -> str:
    """Name the first of some nodes with their places."""
    shown = "; ".join(one.line for one in missing[:_MOST_NAMED])
    more = len(missing) - _MOST_NAMED
    return f"{shown}; and {more} more" if more > 0 else shown


def remedy(missing: Sequence[MissingNode]) -> str:
    """Return what to do about missing types."""
    types = {one.node["type"] for one in missing}
    if types & (CAMERA_TYPES | {"preview"}):
        return (
            "Update the camera's firmware, or install node-red-contrib-sscma in Node-RED's editor."
        )
    if all(kind.startswith("subflow:") for kind in types):
        return "Delete these nodes in Node-RED's editor, or import their subflow again."
    if types == {"unknown"}:
        return (
            "Delete these nodes: they were saved while their palette was missing, so their type "
            "is lost."
        )
    return "Install them in Node-RED's editor (menu, Manage palette), or delete those nodes."


def _where(node: Node, nodes: Sequence[Node]) -> str:
    """Say where the editor shows a node."""
    found = {n["id"]: n for n in nodes if n["type"] in ("tab", "subflow")}
    home = found.get(node.get("z", ""))
    if node["type"].startswith("subflow:"):
        place = _on(home, nodes)
        return f"{place}, an instance of a subflow whose definition is gone"
    if is_placed(node) or (home and "wires" in node):
        return _on(home, nodes)
    users = sum(_names(other, node["id"]) for other in nodes if other["id"] != node["id"])
    used = (
        "used by nobody"
        if not users
        else "used by 1 node"
        if users == 1
        else f"used by {users} nodes"
    )
    return f"(configuration node, {used}: {_CONFIGURATION})"


def _on(home: Node | None, nodes: Sequence[Node]) -> str:
    if home is None:
        return "on a tab that is missing"
    name = home.get("name") or home.get("label") or home["id"]
    if home["type"] == "tab":
        return f"on the tab {name!r}" + (", which is disabled" if home.get("disabled") else "")
    used = any(node["type"] == f"subflow:{home['id']}" for node in nodes)
    return f"in the subflow {name!r}" + ("" if used else ", which is used nowhere")


def _names(node: Node, node_id: str) -> bool:
    """Return whether a node refers to another in one of its fields."""
    return any(_holds(value, node_id) for key, value in node.items() if key not in ("id", "z", "g"))


def _holds(value: Any, node_id: str) -> bool:
    if isinstance(value, list):
        return any(_holds(inner, node_id) for inner in value)
    return bool(value == node_id)
