"""Turn the forms in which people keep flows into one list of nodes; pure functions.

Taken are: the editor's export, one node, and the Admin API's answers to `GET /flows` (v1, v2) and
to `GET /flow/:id`. An export of selected nodes names a tab that is not in the file (`z`); the
editor puts such nodes on the tab that is open. Here they get a tab of the file's name. Source:
Node-RED 4.1.0, packages/node_modules/@node-red/editor-client/src/js/nodes.js (`importNodes`),
.../runtime/lib/flows/index.js (`getFlow`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

Node = dict[str, Any]

_ID = re.compile(r"[^\x00-\x20\x7f]{1,128}")
# Properties of every JavaScript object; as ids they break Node-RED's lookups.
_RESERVED = frozenset({"__proto__", "constructor", "hasOwnProperty", "toString", "valueOf"})
_ROW = 60  # pixels between nodes that came without a position
_FIRST = (160, 80)
_LOOSE = "Made by recam for nodes that came without a tab."
_SELECTED = "Made by recam for nodes that were exported without their tab."
# What `GET /flow/:id` says of the tab itself; the rest are its nodes.
_TAB_FIELDS = ("label", "disabled", "info", "env", "locked")


def is_usable_id(text: str) -> bool:
    """Return whether Node-RED can use a text as an id."""
    return bool(_ID.fullmatch(text)) and text not in _RESERVED


def node_list(value: Any) -> Any:
    """Return the list of nodes in a parsed flow file; other values unchanged, to be refused."""
    if not isinstance(value, dict):
        return value
    if "flows" in value:
        return value["flows"]
    if isinstance(value.get("nodes"), list) or isinstance(value.get("configs"), list):
        return value if value.get("type") in ("group", "subflow") else _one_flow(value)
    return [value] if "type" in value else value


def _one_flow(flow: Node) -> list[Any]:
    """Return the nodes of one tab, or the global ones, from the answer to `GET /flow/:id`."""
    inside = [*_listed(flow, "nodes"), *_listed(flow, "configs")]
    subflows = [
        node
        for subflow in _listed(flow, "subflows")
        for node in (_subflow_nodes(subflow) if isinstance(subflow, dict) else [subflow])
    ]
    if flow.get("id") == "global":
        return [*subflows, *inside]
    tab_id = flow.get("id") or _new_id(str(flow.get("label", "")))
    tab = {"id": tab_id, "type": "tab"} | {key: flow[key] for key in _TAB_FIELDS if key in flow}
    placed = [
        {**node, "z": tab_id} if isinstance(node, dict) and not node.get("z") else node
        for node in _listed(flow, "nodes")
    ]
    return [tab, *subflows, *placed, *_listed(flow, "configs")]


def _subflow_nodes(subflow: Node) -> list[Any]:
    bare = {key: value for key, value in subflow.items() if key not in ("nodes", "configs")}
    return [bare, *_listed(subflow, "nodes"), *_listed(subflow, "configs")]


def _listed(value: Node, key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def complete(nodes: Sequence[Node], name: str) -> tuple[Node, ...]:
    """Return nodes of which each lies somewhere: those without a tab get one called `name`.

    The new tab has the id that the nodes name, so that they come back to their tab on a camera that
    has it. Configuration nodes lose the tab that is missing, which makes them global; groups that
    are missing are left out.
    """
    kinds = {node["id"]: node["type"] for node in nodes}
    homes: dict[str, str] = {}
    for node in nodes:
        home = node.get("z", "")
        if is_placed(node) and home not in kinds:
            homes.setdefault(home, home if is_usable_id(home) else _new_id(name, home))
    tabs = [
        _tab(
            homes[home], name if number == 1 else f"{name} {number}", _SELECTED if home else _LOOSE
        )
        for number, home in enumerate(homes, 1)
    ]
    found, rows = [], 0
    for node in nodes:
        rows += is_placed(node) and "x" not in node
        found.append(_completed(node, kinds, homes, rows))
    return (*tabs, *found)


def _completed(node: Node, kinds: dict[str, str], homes: dict[str, str], row: int) -> Node:
    changed = dict(node)
    home = node.get("z", "")
    if is_placed(node):
        if home in homes:
            changed["z"] = homes[home]
            if "x" not in node:
                changed |= {"x": _FIRST[0], "y": _FIRST[1] + _ROW * (row - 1)}
    elif home and home not in kinds:
        del changed["z"]
    if "g" in node and kinds.get(node["g"]) != "group":
        del changed["g"]
    if node["type"] == "group":
        changed["nodes"] = [inner for inner in node.get("nodes", ()) if inner in kinds]
    return node if changed == node else changed


def _tab(tab_id: str, label: str, info: str) -> Node:
    return {"id": tab_id, "type": "tab", "label": label, "disabled": False, "info": info, "env": []}


def is_made(node: Node, *, selected: bool = False) -> bool:
    """Return whether `complete` made this tab; with `selected`, for an export of selected nodes."""
    return node["type"] == "tab" and node.get("info") in (
        (_SELECTED,) if selected else (_SELECTED, _LOOSE)
    )


def is_placed(node: Node) -> bool:
    """Return whether a node belongs on a tab: not a tab, a subflow, or a configuration node."""
    if node["type"] in ("tab", "subflow"):
        return False
    return "wires" in node or "x" in node or node["type"] == "group"


def _new_id(*words: str) -> str:
    return hashlib.sha256(" ".join(("tab", *words)).encode("utf-8", "surrogatepass")).hexdigest()[
        :16
    ]
