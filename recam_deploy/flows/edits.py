"""Edit the camera's nodes one by one while an addition is merged into them; the others stay."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ..errors import FlowError
from .document import Node, described, same, targets
from .shapes import is_placed

ACTIVE_MODEL = "/userdata/Models/model.cvimodel"  # what an empty `uri` means


class Edits:
    """The camera's nodes while they are edited; untouched ones stay the same objects."""

    def __init__(self, current: Sequence[Node]) -> None:
        self._nodes = list(current)
        self._places: dict[str, list[int]] = {}
        for index, node in enumerate(current):
            self._places.setdefault(node["id"], []).append(index)

    def result(self) -> list[Node]:
        return self._nodes

    def change(self, node_id: str, version: Callable[[Node], Node]) -> None:
        """Replace a node and its copies by another version of it."""
        for index, node in self._copies(node_id):
            self._nodes[index] = version(node)

    def require(self, node_id: str, wanted: Node, required: Mapping[str, Any]) -> None:
        """Set the required fields of a node and its copies; enable it unless `wanted` is disabled.

        A disabled node that is added stays so too: the next push must find nothing to change.
        """
        fields = dict(required)
        if wanted["type"] in ("camera", "model") and not wanted.get("d"):
            fields["d"] = False
        for index, node in self._copies(node_id):
            changed = {k: v for k, v in fields.items() if not agrees(k, node.get(k), v)}
            if changed:
                merged = {**node, **changed}
                if merged.get("d") is False:
                    del merged["d"]
                self._nodes[index] = merged

    def connect(self, source: str, port: int, target: str, placed: Mapping[str, Node]) -> None:
        """Wire an output of a node to another, which may be one of the `placed`, unless it is."""
        if self._leads(source, target):
            return
        for index, node in self._copies(source):
            end = placed.get(target) or self._nodes[self._places[target][0]]
            check_tab(node, end)
            wires = [list(ends) for ends in node.get("wires", ())]
            wires += [[] for _ in range(port + 1 - len(wires))]
            wires[port].append(target)
            self._nodes[index] = {**node, "wires": wires}

    def _leads(self, source: str, target: str) -> bool:
        """Return whether messages of a node reach another: directly, or through nodes between.

        A second wire beside a switch, a delay or a pair of links would send each message twice.
        """
        seen: set[str] = set()
        waiting = [source]
        while waiting:
            for _, node in self._copies(waiting.pop()):
                linked = node.get("links") if node["type"] == "link out" else ()
                ends = {*targets(node), *(linked if isinstance(linked, list) else ())}
                waiting += ends - seen
                seen |= ends
        return target in seen

    def _copies(self, node_id: str) -> list[tuple[int, Node]]:
        return [(i, self._nodes[i]) for i in self._places.get(node_id, ())]


def agrees(name: str, given: Any, wanted: Any) -> bool:
    """Return whether a field has the required meaning: "0.5" is 0.5, no `uri` the active model."""
    if same(given, wanted):
        return True
    if name == "d":
        return bool(given) == bool(wanted)
    if name == "uri":
        return all(value in ("", None, ACTIVE_MODEL) for value in (given, wanted))
    if name in ("tscore", "tiou"):
        try:
            return float(given) == float(wanted)
        except (TypeError, ValueError):
            return False
    return False


def check_tab(node: Node, end: Node) -> None:
    """Raise FlowError when the two nodes lie on different tabs."""
    if node.get("z") != end.get("z"):
        raise FlowError(
            f"the {described(node)} and the {described(end)} lie on different tabs of "
            "the camera's flows, so no wire can connect them",
            "Move them to one tab in Node-RED's editor, then push again.",
        )


def without(nodes: Sequence[Node], leaving: Collection[str]) -> list[Node]:
    """Return the nodes without some, to which no wire, link or group leads any more.

    What the rest needs stays: a tab or subflow with nodes on it, a subflow with instances, and a
    configuration node that another node names.
    """
    gone = set(leaving)
    kept = {node["id"] for node in nodes if not is_placed(node)}
    while True:
        rest = [node for node in nodes if node["id"] not in gone]
        needed = gone & kept & _needed(rest)
        if not needed:
            break
        gone -= needed
    return [_cut(node, gone) for node in rest] if gone else list(nodes)


def _needed(nodes: Sequence[Node]) -> set[str]:
    """Return the ids of tabs, subflows and configuration nodes that these nodes need.

    Wires, links and members of groups are no need: they are cut.
    """
    found: set[str] = set()
    for node in nodes:
        found.add(node["type"].removeprefix("subflow:"))
        for key, value in node.items():
            if isinstance(value, str) and key not in ("id", "type", "g"):
                found.add(value)
    return found


def _cut(node: Node, gone: Collection[str]) -> Node:
    """Return a node without references to nodes that are gone."""
    changed = dict(node)
    if any(end in gone for end in targets(node)):
        changed["wires"] = [[end for end in ends if end not in gone] for ends in node["wires"]]
    for key in ("links", "nodes"):
        ends = node.get(key)
        if isinstance(ends, list) and any(isinstance(end, str) and end in gone for end in ends):
            changed[key] = [end for end in ends if end not in gone]
    if node.get("g") in gone and is_placed(node):
        del changed["g"]
    return changed
