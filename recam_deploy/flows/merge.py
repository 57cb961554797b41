"""Merge an addition into the camera's flows; pure functions.

A camera can hold one node of each of SINGLE_TYPES, so existing ones are reused: they stay in place,
and get only the required fields and the wires that the addition needs. Nodes that came from the
user's file are brought to the file's version; those of a template get what changed in the template
since. What a push added and its file holds no longer is removed. Other nodes stay as they are, with
all fields and copies (the factory flows list some nodes twice).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import FlowError
from .document import SINGLE_TYPES, Node, described, targets
from .edits import ACTIVE_MODEL as ACTIVE_MODEL
from .edits import Edits, check_tab, without
from .placing import Taken, spot
from .record import EMPTY, Record
from .replace import edits_of, file_version
from .shapes import is_made
from .templates import Addition

_FILLED = ("uri", "model", "classes")  # of a model node; "" in a file leaves the choice to a push
# Free text, in which an id is no reference.
_TEXTS = frozenset({"type", "name", "label", "info", "func", "initialize", "finalize", "template"})


@dataclass(frozen=True)
class _Mapping:
    """The final id of each node of the addition, by its own id.

    `reused` holds those of nodes that exist already, `ids` those of all nodes. `earlier` are the
    reused ones that came from the addition; the others are the camera's own. `container` is the
    existing tab or subflow that replaces the addition's own `tab`, if any.
    """

    reused: Mapping[str, str]
    ids: Mapping[str, str]
    earlier: frozenset[str]
    tab: str = ""
    container: str = ""

    @cached_property
    def final(self) -> frozenset[str]:
        """The final ids of all nodes of the addition."""
        return frozenset(self.ids.values())


def merge(current: Sequence[Node], addition: Addition, record: Record = EMPTY) -> tuple[Node, ...]:
    """Return the camera's flows with the addition; the same nodes when it is there already.

    `record` is what was pushed before. Raises FlowError when they cannot be merged: several camera
    or model nodes, one on a disabled tab, wires between different tabs, or a subflow that is
    missing.
    """
    gone = record.gone(addition.origin, addition.source)
    current = without(current, {entry.camera_id for entry in gone})
    mapping = _map(current, addition)
    _check_subflows(current, addition)
    edits = Edits(current)
    versions = _Versions(current, addition, record, mapping)
    for node in addition.nodes:
        final = mapping.reused.get(node["id"])
        if final:
            edits.change(final, versions.of(node))
            edits.require(final, node, addition.required.get(node["id"], {}))
    placed = _placed(current, addition, mapping)
    _check_wires(placed, current)
    by_id = {n["id"]: n for n in placed}
    for node in addition.nodes:
        if node["id"] in mapping.reused:
            for port, ends in enumerate(node.get("wires", ())):
                for end in ends:
                    if end in mapping.ids:
                        edits.connect(mapping.reused[node["id"]], port, mapping.ids[end], by_id)
    _check_singles(placed, current)
    return (*edits.result(), *placed)


def _check_singles(placed: Sequence[Node], current: Sequence[Node]) -> None:
    """Raise FlowError for an added node that the next push could not find again, or use."""
    nodes = (*current, *placed)
    for node in placed:
        why = _idle(nodes, node.get("z")) if node["type"] in SINGLE_TYPES else ""
        if why:
            raise FlowError(
                f"the {described(node)} in the file {why}",
                "Enable or use that in Node-RED's editor and export the flow again, or take the "
                "node out of the file.",
            )


def final_ids(current: Sequence[Node], addition: Addition) -> Mapping[str, str]:
    """Return the ids that the addition's nodes have in flows that hold it, by their own ids."""
    return _map(current, addition).ids


class _Versions:
    """The versions of an addition's nodes, in the ids of the camera."""

    def __init__(
        self, current: Sequence[Node], addition: Addition, record: Record, mapping: _Mapping
    ) -> None:
        self._current, self._addition, self._mapping = current, addition, mapping
        self._record = record
        self._source = {node["id"]: node for node in addition.source}
        self._before = {**record.ids(addition.origin), **mapping.ids}

    def of(self, node: Node) -> Callable[[Node], Node]:
        """Return what turns the camera's version of a node into the wanted one."""
        if is_made(node):
            return lambda theirs: theirs
        entry = self._record.base(self._addition.origin, node["id"])
        base = self._renamed(entry.node, self._before) if entry else None
        ours = self._renamed(self._source[node["id"]], self._mapping.ids)
        if not self._addition.own or node["id"] not in self._mapping.earlier:
            return lambda theirs: edits_of(theirs, ours, base)
        filled = self._addition.required.get(node["id"], {}).keys() | {
            key for key in _FILLED if node["type"] == "model" and not ours.get(key)
        }
        if self._mapping.tab and ours.get("z") == self._mapping.container:
            filled |= {"x", "y"}  # the file's are those of its own tab
        ours, base = _bare(ours, filled), base and _bare(base, filled)
        if node["type"] in SINGLE_TYPES and base is None:
            base = {"wires": []}  # so that wires are added to it, and none removed
        return lambda theirs: file_version(theirs, ours, base)

    def _renamed(self, node: Node, ids: Mapping[str, str]) -> Node:
        return _within_reach(_node_renamed(node, ids, self._mapping), self._mapping, self._current)


def _bare(node: Node, fields: Collection[str]) -> Node:
    return {key: value for key, value in node.items() if key not in fields}


def _check_subflows(current: Sequence[Node], addition: Addition) -> None:
    """Raise FlowError for an instance of a subflow that is nowhere defined."""
    known = {n["id"] for n in (*current, *addition.nodes) if n["type"] == "subflow"}
    for node in addition.nodes:
        kind, _, subflow = node["type"].partition(":")
        if kind == "subflow" and subflow and subflow not in known:
            raise FlowError(
                f"{addition.name} has an instance of the subflow {subflow!r} ({described(node)}), "
                "whose definition is neither in the file nor on the camera",
                "Export the flow again together with its subflow.",
            )


def _map(current: Sequence[Node], addition: Addition) -> _Mapping:
    kinds = {node["id"]: node["type"] for node in current}
    singles = {
        node["id"]: found
        for node in addition.nodes
        if node["type"] in SINGLE_TYPES and (found := _existing_single(current, node["type"]))
    }
    tab, container = _containers(addition, singles)
    nodes = _typed(addition.nodes, kinds)
    earlier = _earlier(nodes, kinds, tab)
    reused = earlier | {own: n["id"] for own, n in singles.items()}
    client = _client(current, singles)
    if client:
        reused |= {node["id"]: client for node in addition.nodes if node["type"] == "sscma"}
    reused |= _preview(current, addition, reused)
    ids = {n["id"]: reused.get(n["id"]) or _own_id(n, kinds, free=True) for n in nodes}
    if tab:
        ids[tab] = container
    same = {own for own, final in reused.items() if final == own or final == earlier.get(own)}
    return _Mapping(reused, ids, frozenset(same), tab, container)


def _typed(nodes: Sequence[Node], kinds: Mapping[str, str]) -> list[Node]:
    """Return the nodes with the types that they have on the camera, where a subflow's id is new."""
    types = {}
    for node in nodes:
        if node["type"] == "subflow":
            there = _own_id(node, kinds)
            final = there if there in kinds else _own_id(node, kinds, free=True)
            types[f"subflow:{node['id']}"] = f"subflow:{final}"
    return [n | {"type": types[n["type"]]} if n["type"] in types else n for n in nodes]


def _earlier(nodes: Sequence[Node], kinds: Mapping[str, str], tab: str) -> dict[str, str]:
    """Find nodes that an earlier push added, except the replaced `tab`."""
    found = {}
    for node in nodes:
        own = _own_id(node, kinds)
        if node["id"] == tab or node["type"] in SINGLE_TYPES:
            continue
        if is_made(node) and kinds.get(node["id"]) == "subflow":
            found[node["id"]] = node["id"]  # nodes that were selected within a subflow
        elif own in kinds:
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
            container = singles[node["id"]]["z"]
            return (node["z"] if node["z"] != container else ""), container
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
    taken = Taken(current, mapping.container)
    placed = []
    for node in addition.nodes:
        if node["id"] in mapping.reused or node["id"] == mapping.tab:
            continue
        new = _within_reach(_node_renamed(node, mapping.ids, mapping), mapping, current)
        if mapping.container and new.get("z") == mapping.container:
            new = taken.moved(new, anchor)
        placed.append(new)
    return placed


def _node_renamed(node: Node, ids: Mapping[str, str], mapping: _Mapping) -> Node:
    """Return a node in the ids of the camera; groups without nodes that are the camera's own."""
    new = {key: in_ids(key, value, ids) for key, value in node.items()}
    kind, _, subflow = node["type"].partition(":")
    if kind == "subflow" and subflow in ids:
        new["type"] = f"subflow:{ids[subflow]}"
    if node["type"] == "group":
        new["nodes"] = [
            ids.get(inner, inner)
            for inner in node.get("nodes", ())
            if inner not in mapping.reused or inner in mapping.earlier
        ]
    return new


def _within_reach(node: Node, mapping: _Mapping, current: Sequence[Node]) -> Node:
    """Return a node without wires to nodes that were not exported, unless they are on its tab."""
    outside = {end for end in targets(node) if end not in mapping.final}
    if not outside:
        return node
    there = {n["id"] for n in current if n["id"] in outside and n.get("z") == node.get("z")}
    wires = [[e for e in ends if e in mapping.final or e in there] for ends in node["wires"]]
    return {**node, "wires": wires}


def _check_wires(placed: Sequence[Node], current: Sequence[Node]) -> None:
    """Raise FlowError when an added node is wired to one on another tab of the camera's flows."""
    existing = {node["id"]: node for node in current}
    for node in placed:
        for end in targets(node):
            if end in existing:
                check_tab(node, existing[end])


def in_ids(key: str, value: Any, ids: Mapping[str, str]) -> Any:
    """Replace ids of the addition in a field's value by the final ones."""
    if key in _TEXTS:
        return value
    if isinstance(value, str):
        return ids.get(value, value)
    if isinstance(value, list):
        return [in_ids("", inner, ids) for inner in value]
    if isinstance(value, dict):
        return {name: in_ids(name, inner, ids) for name, inner in value.items()}
    return value


def _offset(current: Sequence[Node], addition: Addition, mapping: _Mapping) -> tuple[float, float]:
    """Return the (x, y) shift that puts the addition beside the reused node."""
    for kind in ("model", "camera", "save", "capture"):
        node = addition.only(kind)
        if node and node["id"] in mapping.reused:
            existing = next(n for n in current if n["id"] == mapping.reused[node["id"]])
            _, x1, y1 = spot(node)
            _, x2, y2 = spot(existing)
            return x2 - x1, y2 - y1
    return 0, 0
