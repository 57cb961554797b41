"""Joining what is to be added with the flows that the camera has; pure.

A camera can hold one `camera`, one `model` and one `save` node, so those that exist are adopted:
they stay where they are, and get only the fields that must have a certain value and the wires
that the addition needs. Nothing is removed, and every node that is not touched stays the same
object, with fields and copies (the factory flows list some nodes twice) that mean nothing to us.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import FlowError
from .document import SINGLE_TYPES, Node, described, same, targets
from .templates import Addition

ACTIVE_MODEL = "/userdata/Models/model.cvimodel"  # what an empty `uri` means
_ROW = 60  # the height of a row of nodes in the editor, in its pixels
_NEAR = 100
# Texts of people's, in which an id is no reference.
_TEXTS = frozenset({"type", "name", "label", "info", "func", "initialize", "finalize", "template"})


@dataclass(frozen=True)
class _Mapping:
    """Where each node of the addition ends up.

    `adopted` are the ids of nodes that are there already; `ids` the final id of every node.
    `home` is the tab or subflow that takes the place of the addition's own (`tab`), if any.
    """

    adopted: Mapping[str, str]
    ids: Mapping[str, str]
    tab: str = ""
    home: str = ""


def merge(current: Sequence[Node], addition: Addition) -> tuple[Node, ...]:
    """The camera's flows with the addition in them; the same nodes when it is all there already.

    Raises FlowError when the two cannot be joined: more than one camera or model node to choose
    from, one that lies on a disabled tab, or nodes to be wired that lie on different tabs.
    """
    mapping = _map(current, addition)
    edits = _Edits(current)
    for node in addition.nodes:
        if node["id"] in mapping.adopted:
            edits.adopt(mapping.adopted[node["id"]], node, addition.must.get(node["id"], {}))
    placed = _placed(current, addition, mapping)
    _check_wires(placed, current)
    for node in addition.nodes:
        if node["id"] in mapping.adopted:
            edits.wire(node, mapping, {n["id"]: n for n in placed})
    return (*edits.result(), *placed)


def _map(current: Sequence[Node], addition: Addition) -> _Mapping:
    kinds = {node["id"]: node["type"] for node in current}
    singles = {
        node["id"]: found
        for node in addition.nodes
        if node["type"] in SINGLE_TYPES and (found := _the_one(current, node["type"]))
    }
    tab, home = _home(addition, singles)
    adopted = _earlier(addition, kinds, tab) | {own: n["id"] for own, n in singles.items()}
    client = _client(current, singles)
    if client:
        adopted |= {node["id"]: client for node in addition.nodes if node["type"] == "sscma"}
    adopted |= _preview(current, addition, adopted)
    ids = {n["id"]: adopted.get(n["id"]) or _own_id(n, kinds, free=True) for n in addition.nodes}
    if tab:
        ids[tab] = home
    return _Mapping(adopted, ids, tab, home)


def _earlier(addition: Addition, kinds: Mapping[str, str], tab: str) -> dict[str, str]:
    """Nodes of ours that an earlier push has left there; not the tab that is not needed."""
    found = {}
    for node in addition.nodes:
        own = _own_id(node, kinds)
        if own in kinds and node["id"] != tab and node["type"] not in SINGLE_TYPES:
            found[node["id"]] = own
    return found


def _the_one(current: Sequence[Node], kind: str) -> Node | None:
    """The node of a kind that the camera can hold once; None where there is none.

    One that runs is preferred to disabled ones.
    """
    found = {node["id"]: node for node in current if node["type"] == kind}
    run = running(current, kind)
    if len(run) > 1 or (not run and len(found) > 1):
        raise FlowError(
            f"the camera's flows have {len(found)} {kind} nodes, and a camera can hold one",
            f"Delete the {kind} node that you do not need in Node-RED's editor, and push again.",
        )
    if run:
        return run[0]
    for node in found.values():
        why = _idle(current, node.get("z"))
        if why:
            raise FlowError(
                f"the {described(node)} in the camera's flows {why}",
                "Enable it in Node-RED's editor, or delete the node there, and push again.",
            )
        return node
    return None


def running(nodes: Sequence[Node], kind: str) -> list[Node]:
    """The nodes of a kind that run: enabled, on an enabled tab or in a subflow that is used. One
    that is listed twice counts once."""
    found = {node["id"]: node for node in nodes if node["type"] == kind}
    return [n for n in found.values() if not n.get("d") and not _idle(nodes, n.get("z"))]


def _idle(current: Sequence[Node], home: Any) -> str:
    """Why nothing on a tab or in a subflow runs; nothing when it does."""
    kinds = {node["id"]: node for node in current if node["type"] in ("tab", "subflow")}
    container = kinds.get(home) if isinstance(home, str) else None
    if container is None:
        return "lies on no tab"
    if container["type"] == "tab":
        return (
            f"lies on {described(container)}, which is disabled"
            if container.get("disabled")
            else ""
        )
    used = any(node["type"] == f"subflow:{container['id']}" for node in current)
    return "" if used else f"lies in {described(container)}, which is used nowhere"


def _client(current: Sequence[Node], singles: Mapping[str, Node]) -> str | None:
    """The configuration node for the camera's service that is in use, or any."""
    known = [node["id"] for node in current if node["type"] == "sscma"]
    used = [node.get("client") for node in singles.values()]
    return next((client for client in used if client in known), known[0] if known else None)


def _preview(
    current: Sequence[Node], addition: Addition, adopted: Mapping[str, str]
) -> dict[str, str]:
    """A preview that shows the model's pictures already is enough."""
    model = addition.only("model")
    if model is None or model["id"] not in adopted:
        return {}
    previews = {n["id"] for n in current if n["type"] == "preview" and not n.get("d")}
    there = [
        target
        for node in current
        if node["id"] == adopted[model["id"]]
        for target in targets(node)
        if target in previews
    ]
    ours = [n["id"] for n in addition.nodes if n["type"] == "preview"]
    return {own: there[0] for own in ours if there and own in set(targets(model))}


def _home(addition: Addition, singles: Mapping[str, Node]) -> tuple[str, str]:
    """The addition's tab that is not needed, and the one on the camera that is used instead."""
    for kind in ("model", "camera", "save"):
        node = addition.only(kind)
        if node and node["id"] in singles and node.get("z"):
            return node["z"], singles[node["id"]]["z"]
    return "", ""


def _own_id(node: Node, kinds: Mapping[str, str], *, free: bool = False) -> str:
    """The id under which a node of ours is there from an earlier push, else one that is `free`.

    It is the node's own, or one made from it where a node of another type has that.
    """
    candidate, turn = node["id"], 0
    while candidate in kinds and (free or kinds[candidate] != node["type"]):
        turn += 1
        candidate = hashlib.sha256(f"{node['id']} {turn}".encode()).hexdigest()[:16]
    return str(candidate)


def _placed(current: Sequence[Node], addition: Addition, mapping: _Mapping) -> list[Node]:
    """The nodes that are added, with their final ids, wires and places."""
    anchor = _offset(current, addition, mapping)
    taken = [_spot(node) for node in current]
    placed = []
    for node in addition.nodes:
        if node["id"] in mapping.adopted or node["id"] == mapping.tab:
            continue
        new = {key: _renamed(key, value, mapping.ids) for key, value in node.items()}
        if node["type"] == "group":
            new["nodes"] = [
                mapping.ids.get(inner, inner)
                for inner in node.get("nodes", ())
                if inner not in mapping.adopted
            ]
        if mapping.home and new.get("z") == mapping.home:
            new = _moved(new, anchor, taken)
        taken.append(_spot(new))
        placed.append(new)
    return placed


def _check_wires(placed: Sequence[Node], current: Sequence[Node]) -> None:
    """Raise FlowError when an added node is wired to one on another tab of the camera's flows."""
    there = {node["id"]: node for node in current}
    for node in placed:
        for end in targets(node):
            if end in there:
                _check_tab(node, there[end])


def _check_tab(node: Node, end: Node) -> None:
    if node.get("z") != end.get("z"):
        raise FlowError(
            f"the {described(node)} and the {described(end)} lie on different tabs of "
            "the camera's flows, so no wire can join them",
            "Move them to one tab in Node-RED's editor, and push again.",
        )


def _renamed(key: str, value: Any, ids: Mapping[str, str]) -> Any:
    """A field in which ids of the addition are the final ones."""
    if key in _TEXTS:
        return value
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, list):
        return [_renamed("", inner, ids) for inner in value]
    return value


def _offset(current: Sequence[Node], addition: Addition, mapping: _Mapping) -> tuple[float, float]:
    """How far the addition moves so that it lies beside the adopted node."""
    for kind in ("model", "camera", "save"):
        node = addition.only(kind)
        if node and node["id"] in mapping.adopted:
            there = next(n for n in current if n["id"] == mapping.adopted[node["id"]])
            _, x1, y1 = _spot(node)
            _, x2, y2 = _spot(there)
            return x2 - x1, y2 - y1
    return 0, 0


def _spot(node: Node) -> tuple[str, float, float]:
    x, y = node.get("x"), node.get("y")
    is_placed = all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in (x, y))
    return (node.get("z", ""), x, y) if is_placed else ("", 0, 0)  # type: ignore[return-value]


def _moved(
    node: Node, offset: tuple[float, float], taken: Sequence[tuple[str, float, float]]
) -> Node:
    """The node beside the adopted one, in the first row where it covers no other."""
    if "x" not in node or "y" not in node:
        return node
    home, x, y = _spot(node)
    x, y = max(_NEAR, x + offset[0]), max(_ROW, y + offset[1])
    others = [(a, b) for z, a, b in taken if z == home]
    while any(abs(a - x) < _NEAR and abs(b - y) < _ROW // 2 for a, b in others):
        y += _ROW
    return {**node, "x": x, "y": y}


class _Edits:
    """The camera's nodes, of which some get other fields; those not touched stay the same."""

    def __init__(self, current: Sequence[Node]) -> None:
        self._nodes = list(current)

    def result(self) -> list[Node]:
        return self._nodes

    def adopt(self, node_id: str, wanted: Node, must: Mapping[str, Any]) -> None:
        """Give a node, and every copy of it, the fields that it must have; and enable it."""
        fields = dict(must)
        if wanted["type"] in ("camera", "model"):
            fields["d"] = False
        for place, node in self._copies(node_id):
            changed = {k: v for k, v in fields.items() if not _agrees(k, node.get(k), v)}
            if changed:
                merged = {**node, **changed}
                if merged.get("d") is False:
                    del merged["d"]
                self._nodes[place] = merged

    def wire(self, wanted: Node, mapping: _Mapping, placed: Mapping[str, Node]) -> None:
        """Add the wires that an adopted node needs."""
        source = mapping.adopted[wanted["id"]]
        for port, ends in enumerate(wanted.get("wires", ())):
            for end in ends:
                self._connect(source, port, mapping.ids[end], placed)

    def _connect(self, source: str, port: int, target: str, placed: Mapping[str, Node]) -> None:
        if self._leads(source, target):
            return
        for place, node in self._copies(source):
            end = placed.get(target) or next(n for n in self._nodes if n["id"] == target)
            _check_tab(node, end)
            wires = [list(ends) for ends in node.get("wires", ())]
            wires += [[] for _ in range(port + 1 - len(wires))]
            wires[port].append(target)
            self._nodes[place] = {**node, "wires": wires}

    def _leads(self, source: str, target: str) -> bool:
        """Whether messages get from one node to another, over link nodes if need be."""
        for _, node in self._copies(source):
            ends = list(targets(node))
            if target in ends or any(target in self._linked(end) for end in ends):
                return True
        return False

    def _linked(self, end: str) -> set[str]:
        """What the nodes behind a `link out` node are wired to."""
        found: set[str] = set()
        for node in self._nodes:
            if node["id"] == end and node["type"] == "link out":
                links = node.get("links")
                for other in self._nodes:
                    if isinstance(links, list) and other["id"] in links:
                        found.update(targets(other))
        return found

    def _copies(self, node_id: str) -> list[tuple[int, Node]]:
        return [(i, node) for i, node in enumerate(self._nodes) if node["id"] == node_id]


def _agrees(name: str, there: Any, wanted: Any) -> bool:
    """Whether a field means already what it must: "0.5" is 0.5, and no `uri` the active model."""
    if same(there, wanted):
        return True
    if name == "d":
        return bool(there) == bool(wanted)
    if name == "uri":
        return all(value in ("", None, ACTIVE_MODEL) for value in (there, wanted))
    if name in ("tscore", "tiou"):
        try:
            return float(there) == float(wanted)
        except (TypeError, ValueError):
            return False
    return False
