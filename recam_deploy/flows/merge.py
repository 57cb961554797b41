"""Merge an addition into the camera's flows; pure functions.

A camera can hold one node of each of SINGLE_TYPES, so existing ones are reused: they stay in place,
and get only the required fields and the wires that the addition needs. Nothing is removed. Other
nodes stay as they are, with all fields and copies (the factory flows list some nodes twice).
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
_ROW = 60  # the height of a row of nodes in the editor, in pixels
_NEAR = 100
# Free text, in which an id is no reference.
_TEXTS = frozenset({"type", "name", "label", "info", "func", "initialize", "finalize", "template"})


@dataclass(frozen=True)
class _Mapping:
    """The final id of each node of the addition, by its own id.

    `reused` holds those of nodes that exist already, `ids` those of all nodes. `container` is the
    existing tab or subflow that replaces the addition's own `tab`, if any.
    """

    reused: Mapping[str, str]
    ids: Mapping[str, str]
    tab: str = ""
    container: str = ""


def merge(current: Sequence[Node], addition: Addition) -> tuple[Node, ...]:
    """Return the camera's flows with the addition; the same nodes when it is there already.

    Raises FlowError when they cannot be merged: several camera or model nodes, one on a disabled
    tab, or wires between different tabs.
    """
    mapping = _map(current, addition)
    edits = _Edits(current)
    for node in addition.nodes:
        if node["id"] in mapping.reused:
            edits.reuse(mapping.reused[node["id"]], node, addition.required.get(node["id"], {}))
    placed = _placed(current, addition, mapping)
    _check_wires(placed, current)
    for node in addition.nodes:
        if node["id"] in mapping.reused:
            edits.wire(node, mapping, {n["id"]: n for n in placed})
    return (*edits.result(), *placed)


def _map(current: Sequence[Node], addition: Addition) -> _Mapping:
    kinds = {node["id"]: node["type"] for node in current}
    singles = {
        node["id"]: found
        for node in addition.nodes
        if node["type"] in SINGLE_TYPES and (found := _existing_single(current, node["type"]))
    }
    tab, container = _containers(addition, singles)
    reused = _earlier(addition, kinds, tab) | {own: n["id"] for own, n in singles.items()}
    client = _client(current, singles)
    if client:
        reused |= {node["id"]: client for node in addition.nodes if node["type"] == "sscma"}
    reused |= _preview(current, addition, reused)
    ids = {n["id"]: reused.get(n["id"]) or _own_id(n, kinds, free=True) for n in addition.nodes}
    if tab:
        ids[tab] = container
    return _Mapping(reused, ids, tab, container)


def _earlier(addition: Addition, kinds: Mapping[str, str], tab: str) -> dict[str, str]:
    """Find nodes that an earlier push added, except the replaced `tab`."""
    found = {}
    for node in addition.nodes:
        own = _own_id(node, kinds)
        if own in kinds and node["id"] != tab and node["type"] not in SINGLE_TYPES:
            found[node["id"]] = own
    return found


def _existing_single(current: Sequence[Node], kind: str) -> Node | None:
    """Return the existing node of a kind that a camera can hold once; None without one.

    One that runs is preferred to disabled ones. Raises FlowError for several, or for one that
    cannot run where it lies.
    """
    found = {node["id"]: node for node in current if node["type"] == kind}
    run = running(current, kind)
    if len(run) > 1 or (not run and len(found) > 1):
        raise FlowError(
            f"the camera's flows have {len(found)} {kind} nodes, and a camera can hold one",
            f"Delete the {kind} nodes that you do not need in Node-RED's editor, then push again.",
        )
    if run:
        return run[0]
    for node in found.values():
        why = _idle(current, node.get("z"))
        if why:
            raise FlowError(
                f"the {described(node)} in the camera's flows {why}",
                "Enable it in Node-RED's editor, or delete the node there, then push again.",
            )
        return node
    return None


def running(nodes: Sequence[Node], kind: str) -> list[Node]:
    """Return the nodes of a kind that run: enabled, on an enabled tab or in a used subflow.

    A node that is listed twice counts once.
    """
    found = {node["id"]: node for node in nodes if node["type"] == kind}
    return [n for n in found.values() if not n.get("d") and not _idle(nodes, n.get("z"))]


def _idle(current: Sequence[Node], container_id: Any) -> str:
    """Return why nothing on a tab or in a subflow runs; "" when it runs."""
    kinds = {node["id"]: node for node in current if node["type"] in ("tab", "subflow")}
    container = kinds.get(container_id) if isinstance(container_id, str) else None
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
    """Return the id of the `sscma` configuration node that is used, else of any."""
    known = [node["id"] for node in current if node["type"] == "sscma"]
    used = [node.get("client") for node in singles.values()]
    return next((client for client in used if client in known), known[0] if known else None)


def _preview(
    current: Sequence[Node], addition: Addition, reused: Mapping[str, str]
) -> dict[str, str]:
    """Reuse a preview that is wired to the reused model node."""
    model = addition.only("model")
    if model is None or model["id"] not in reused:
        return {}
    previews = {n["id"] for n in current if n["type"] == "preview" and not n.get("d")}
    wired = [
        target
        for node in current
        if node["id"] == reused[model["id"]]
        for target in targets(node)
        if target in previews
    ]
    ours = [n["id"] for n in addition.nodes if n["type"] == "preview"]
    return {own: wired[0] for own in ours if wired and own in set(targets(model))}


def _containers(addition: Addition, singles: Mapping[str, Node]) -> tuple[str, str]:
    """Return the addition's tab to leave out, and the camera's to use instead; "" for none."""
    for kind in ("model", "camera", "save", "capture"):
        node = addition.only(kind)
        if node and node["id"] in singles and node.get("z"):
            return node["z"], singles[node["id"]]["z"]
    return "", ""


def _own_id(node: Node, kinds: Mapping[str, str], *, free: bool = False) -> str:
    """Return the id of a node from an earlier push, or with `free` one that is not used.

    It is the node's own id, or one derived from it where a node of another type has that.
    """
    candidate, turn = node["id"], 0
    while candidate in kinds and (free or kinds[candidate] != node["type"]):
        turn += 1
        candidate = hashlib.sha256(f"{node['id']} {turn}".encode()).hexdigest()[:16]
    return str(candidate)


def _placed(current: Sequence[Node], addition: Addition, mapping: _Mapping) -> list[Node]:
    """Return the nodes to add, with their final ids, wires and positions."""
    anchor = _offset(current, addition, mapping)
    taken = [_spot(node) for node in current]
    placed = []
    for node in addition.nodes:
        if node["id"] in mapping.reused or node["id"] == mapping.tab:
            continue
        new = {key: _renamed(key, value, mapping.ids) for key, value in node.items()}
        if node["type"] == "group":
            new["nodes"] = [
                mapping.ids.get(inner, inner)
                for inner in node.get("nodes", ())
                if inner not in mapping.reused
            ]
        if mapping.container and new.get("z") == mapping.container:
            new = _moved(new, anchor, taken)
        taken.append(_spot(new))
        placed.append(new)
    return placed


def _check_wires(placed: Sequence[Node], current: Sequence[Node]) -> None:
    """Raise FlowError when an added node is wired to one on another tab of the camera's flows."""
    existing = {node["id"]: node for node in current}
    for node in placed:
        for end in targets(node):
            if end in existing:
                _check_tab(node, existing[end])


def _check_tab(node: Node, end: Node) -> None:
    """Raise FlowError when the two nodes lie on different tabs."""
    if node.get("z") != end.get("z"):
        raise FlowError(
            f"the {described(node)} and the {described(end)} lie on different tabs of "
            "the camera's flows, so no wire can connect them",
            "Move them to one tab in Node-RED's editor, then push again.",
        )


def _renamed(key: str, value: Any, ids: Mapping[str, str]) -> Any:
    """Replace ids of the addition in a field's value by the final ones."""
    if key in _TEXTS:
        return value
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, list):
        return [_renamed("", inner, ids) for inner in value]
    return value


def _offset(current: Sequence[Node], addition: Addition, mapping: _Mapping) -> tuple[float, float]:
    """Return the (x, y) shift that puts the addition beside the reused node."""
    for kind in ("model", "camera", "save", "capture"):
        node = addition.only(kind)
        if node and node["id"] in mapping.reused:
            existing = next(n for n in current if n["id"] == mapping.reused[node["id"]])
            _, x1, y1 = _spot(node)
            _, x2, y2 = _spot(existing)
            return x2 - x1, y2 - y1
    return 0, 0


def _spot(node: Node) -> tuple[str, float, float]:
    """Return a node's container, x and y in the editor's pixels; "", 0, 0 without a position."""
    x, y = node.get("x"), node.get("y")
    is_placed = all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in (x, y))
    return (node.get("z", ""), x, y) if is_placed else ("", 0, 0)  # type: ignore[return-value]


def _moved(
    node: Node, offset: tuple[float, float], taken: Sequence[tuple[str, float, float]]
) -> Node:
    """Shift a node by `offset`, then down to the first row where it covers no other."""
    if "x" not in node or "y" not in node:
        return node
    container, x, y = _spot(node)
    x, y = max(_NEAR, x + offset[0]), max(_ROW, y + offset[1])
    others = [(a, b) for z, a, b in taken if z == container]
    while any(abs(a - x) < _NEAR and abs(b - y) < _ROW // 2 for a, b in others):
        y += _ROW
    return {**node, "x": x, "y": y}


class _Edits:
    """The camera's nodes while they are edited; the others stay the same objects."""

    def __init__(self, current: Sequence[Node]) -> None:
        self._nodes = list(current)

    def result(self) -> list[Node]:
        return self._nodes

    def reuse(self, node_id: str, wanted: Node, required: Mapping[str, Any]) -> None:
        """Set the required fields of a node and its copies, and enable them."""
        fields = dict(required)
        if wanted["type"] in ("camera", "model"):
            fields["d"] = False
        for index, node in self._copies(node_id):
            changed = {k: v for k, v in fields.items() if not _agrees(k, node.get(k), v)}
            if changed:
                merged = {**node, **changed}
                if merged.get("d") is False:
                    del merged["d"]
                self._nodes[index] = merged

    def wire(self, wanted: Node, mapping: _Mapping, placed: Mapping[str, Node]) -> None:
        """Add the wires that a reused node needs."""
        source = mapping.reused[wanted["id"]]
        for port, ends in enumerate(wanted.get("wires", ())):
            for end in ends:
                self._connect(source, port, mapping.ids[end], placed)

    def _connect(self, source: str, port: int, target: str, placed: Mapping[str, Node]) -> None:
        if self._leads(source, target):
            return
        for index, node in self._copies(source):
            end = placed.get(target) or next(n for n in self._nodes if n["id"] == target)
            _check_tab(node, end)
            wires = [list(ends) for ends in node.get("wires", ())]
            wires += [[] for _ in range(port + 1 - len(wires))]
            wires[port].append(target)
            self._nodes[index] = {**node, "wires": wires}

    def _leads(self, source: str, target: str) -> bool:
        """Return whether a node is wired to another, directly or through link nodes."""
        for _, node in self._copies(source):
            ends = list(targets(node))
            if target in ends or any(target in self._linked(end) for end in ends):
                return True
        return False

    def _linked(self, end: str) -> set[str]:
        """Return the ids that the nodes behind a `link out` node are wired to."""
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


def _agrees(name: str, given: Any, wanted: Any) -> bool:
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
