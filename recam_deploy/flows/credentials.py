"""Say which nodes lost their passwords: a restored flow does not bring them back.

Node-RED keeps credentials apart from the flows, encrypted, and drops those of a node that is
deleted. Its API tells which are set, never what they are. So a backup remembers which nodes had
any. Source: Node-RED 4.1.0, packages/node_modules/@node-red/runtime/lib/api/flows.js
(`getNodeCredentials`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from .document import CAMERA_TYPES, CONTAINERS, FlowDocument, Node, described

# Node-RED's own nodes that take credentials (its nodes/core/network).
_CORE = frozenset({"mqtt-broker", "tls-config", "http proxy", "http request"})
# Its other nodes take none; those of palettes may.
_WITHOUT = re.compile(
    "batch|catch|change|comment|complete|csv|debug|delay|exec|file|file in|function|global-config|"
    "html|http in|http response|inject|join|json|junction|link call|link in|link out|mqtt in|"
    "mqtt out|range|rbe|sort|split|status|switch|tcp in|tcp out|tcp request|template|trigger|"
    "udp in|udp out|unknown|watch|websocket in|websocket out|websocket-client|"
    "websocket-listener|xml|yaml|preview"
)
_MOST_ASKED = 200  # of a palette's nodes, one small request each

Asked = Callable[[Node], dict[str, Any] | None]
"""Asks Node-RED for what it tells of a node's credentials; None where it does not say."""


@dataclass(frozen=True)
class LostCredentials:
    """A node without credentials; `known`: it had some, else its type may have some."""

    node: Node
    known: bool

    def as_json(self) -> dict[str, Any]:
        """Return its object in `credentials_missing` of `flow restore --json`."""
        name = self.node.get("name")
        return {
            "id": self.node["id"],
            "type": self.node["type"],
            "name": name if isinstance(name, str) else "",
            "had_credentials": True if self.known else None,
        }

    @property
    def line(self) -> str:
        """Say it in one line."""
        if self.known:
            return (
                f"{described(self.node)} (id {self.node['id']}) has lost its user, password or "
                "key: enter them again in Node-RED's editor"
            )
        return (
            f"{described(self.node)} (id {self.node['id']}) has no user, password or key: if it "
            "had any, enter them again in Node-RED's editor"
        )


def with_credentials(nodes: Sequence[Node], ask: Asked) -> frozenset[str]:
    """Return the ids of the nodes that have credentials."""
    may = [node for node in nodes if _may_have(node)]
    may.sort(key=lambda node: node["type"] not in _CORE)
    return frozenset(node["id"] for node in may[:_MOST_ASKED] if _has_any(ask(node)))


def lost_credentials(
    kept: FlowDocument, before: Collection[Node], ask: Asked
) -> tuple[LostCredentials, ...]:
    """Return the nodes of restored flows that are without credentials.

    `before` were the flows that were replaced. Where the backup does not know which nodes had any,
    those that were not there are named whose types take some.
    """
    if kept.credentials is not None:
        had = [node for node in kept.nodes if node["id"] in kept.credentials]
    else:
        there = {(node["id"], node["type"]) for node in before}
        had = [
            node
            for node in kept.nodes
            if (node["id"], node["type"]) not in there and _would_have(node)
        ]
    known = kept.credentials is not None
    gone = {node["id"]: node for node in had if _has_any(ask(node)) is False}
    return tuple(LostCredentials(node, known) for node in gone.values())


def _may_have(node: Node) -> bool:
    kind = node["type"]
    if _WITHOUT.fullmatch(kind) or kind in CAMERA_TYPES or kind in CONTAINERS:
        return False
    return not kind.startswith(("subflow:", "ui-", "ui_"))


def _would_have(node: Node) -> bool:
    """Return whether a node of Node-RED's own takes credentials by its fields."""
    if node["type"] == "http request":
        return bool(node.get("authType"))
    if node["type"] == "tls-config":
        return any(node.get(key) for key in ("certname", "keyname", "caname"))
    return node["type"] in _CORE


def _has_any(told: dict[str, Any] | None) -> bool | None:
    return None if told is None else any(told.values())
