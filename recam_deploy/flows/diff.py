"""Compare two flow documents node by node; format the changes for people and as JSON."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .document import CAMERA_TYPES, Node, canonical, described, same

_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|authori[sz]ation|api.?key", re.IGNORECASE
)
_LOGIN = re.compile(r"//[^/@\s]+@")  # user and password in a URL
_SHOWN = 70


@dataclass(frozen=True)
class Change:
    """A node of both documents, before and after.

    Nodes that share an id within a document are compared in their order.
    """

    before: Node
    after: Node

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that differ, in the node's own order."""
        names = dict.fromkeys((*self.before, *self.after))
        return tuple(
            name
            for name in names
            if (name in self.before) != (name in self.after)
            or not same(self.before.get(name), self.after.get(name))
        )


@dataclass(frozen=True)
class Changes:
    """All differences; `reordered` when only the order of the nodes differs."""

    changed: tuple[Change, ...] = ()
    added: tuple[Node, ...] = ()
    removed: tuple[Node, ...] = ()
    reordered: bool = False

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.removed or self.reordered)

    @property
    def touches_camera(self) -> bool:
        """Whether a node of the camera's own service is added, removed, changed or rewired."""
        kinds = {node["type"] for node in (*self.added, *self.removed)}
        kinds |= {node["type"] for change in self.changed for node in (change.before, change.after)}
        return bool(kinds & CAMERA_TYPES) or "preview" in kinds

    def as_json(self) -> dict[str, Any]:
        """Return the document of `flow diff --json`."""
        fields: dict[tuple[str, str], list[str]] = {}
        for change in self.changed:
            names = fields.setdefault((change.after["id"], change.after["type"]), [])
            names.extend(name for name in change.fields if name not in names)
        return {
            "changed": [
                {"id": node_id, "type": kind, "fields": names}
                for (node_id, kind), names in fields.items()
            ],
            "added": [{"id": node["id"], "type": node["type"]} for node in self.added],
            "removed": [{"id": node["id"], "type": node["type"]} for node in self.removed],
            "reordered": self.reordered,
        }

    @property
    def key(self) -> bytes:
        """Bytes that are equal for equal changes, so that they are approved once."""
        pairs = [[change.before["id"], *_values(change)] for change in self.changed]
        return canonical([pairs, self.added, self.removed, self.reordered])

    def lines(self) -> list[str]:
        """Format the changes for people: ~ changed, + added, - removed."""
        lines = []
        for change in self.changed:
            lines.append(f"~ {described(change.after)}")
            for name in change.fields:
                before = _shown(name, change.before.get(name))
                after = _shown(name, change.after.get(name))
                lines.append(f"    {name}: {before} → {after}")
        lines += [f"+ {described(node)}" for node in self.added]
        lines += [f"- {described(node)}" for node in self.removed]
        if self.reordered:
            lines.append("~ the order of the nodes")
        return lines


def compare(before: Sequence[Node], after: Sequence[Node]) -> Changes:
    """Return the changes that turn `before` into `after`."""
    old, new = _by_id(before), _by_id(after)
    changed = tuple(
        Change(one, other)
        for node_id in new
        for one, other in zip(old[node_id], new[node_id], strict=False)
        if not same(one, other)
    )
    added = tuple(node for node_id in new for node in new[node_id][len(old[node_id]) :])
    removed = tuple(node for node_id in list(old) for node in old[node_id][len(new[node_id]) :])
    reordered = not (changed or added or removed) and not same(list(before), list(after))
    return Changes(changed, added, removed, reordered)


def _by_id(nodes: Iterable[Node]) -> defaultdict[str, list[Node]]:
    found: defaultdict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        found[node["id"]].append(node)
    return found


def _values(change: Change) -> list[Any]:
    return [[name, change.before.get(name), change.after.get(name)] for name in change.fields]


def _shown(name: str, value: Any) -> str:
    """Format a value on one line, shortened, without secrets."""
    if value is None:
        return "(none)"
    if _SECRET.search(name):
        return "(secret)"
    text = canonical(value).decode("utf-8", "replace")
    if not isinstance(value, str) and _SECRET.search(text):
        return "(holds a secret)"
    text = _LOGIN.sub("//(secret)@", text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"
