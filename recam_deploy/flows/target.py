"""The flows that a push makes: an addition merged into those on the camera, given what was pushed.

Also which of the owner's changes a push overwrites, so that it can be said before it is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .diff import Changes
from .document import Node, described, same
from .merge import final_ids, in_ids, merge
from .record import EMPTY, Entry, Record
from .replace import POSITION
from .templates import Addition


@dataclass(frozen=True)
class Overwritten:
    """A node on the camera that a push replaces although it differs from what was pushed last.

    `since` is None where no earlier push is recorded: the file may be what changed.
    """

    node: Node
    fields: tuple[str, ...]
    since: bool | None

    def as_json(self) -> dict[str, Any]:
        """Return its object in `overwritten` of `flow push --json`."""
        return {
            "id": self.node["id"],
            "type": self.node["type"],
            "fields": list(self.fields),
            "changed_on_camera": self.since,
        }

    @property
    def line(self) -> str:
        """Say it in one line."""
        fields = ", ".join(self.fields)
        if self.since:
            return (
                f"{described(self.node)} was changed on the camera since the last push; "
                f"that is overwritten: {fields}"
            )
        return f"{described(self.node)} differs on the camera and is overwritten: {fields}"


@dataclass(frozen=True)
class MergeTarget:
    """Computes the wanted flows from the present ones. `record` is what was pushed before."""

    addition: Addition
    record: Record = EMPTY

    def __call__(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        return merge(nodes, self.addition, self.record)

    def overwritten(self, before: Sequence[Node], changes: Changes) -> tuple[Overwritten, ...]:
        """Return the nodes whose changes on the camera these changes overwrite."""
        entries = {e.camera_id: e for e in self.record.entries if e.file == self.addition.origin}
        ids = final_ids(before, self.addition)
        names = {ids[node["id"]]: node["id"] for node in self.addition.nodes}
        own = set(names) if self.addition.own else set()
        found = []
        for change in changes.changed:
            node_id = change.before["id"]
            required = self.addition.required.get(names.get(node_id, ""), {})
            fields = [
                name
                for name in change.fields
                if name not in required and _takes_away(name, change.before, change.after)
            ]
            found += self._overwritten(change.before, fields, entries.get(node_id), node_id in own)
        for node in changes.removed:
            fields = [name for name in node if name not in POSITION]
            entry = entries.get(node["id"])
            found += self._overwritten(node, fields, entry, node["id"] in own) if entry else []
        return tuple(found)

    def _overwritten(
        self, node: Node, fields: Sequence[str], entry: Entry | None, own: bool
    ) -> list[Overwritten]:
        """Compare a node with what was pushed; return nothing where the camera's is the same."""
        if entry is None:
            return [Overwritten(node, tuple(fields), None)] if own and fields else []
        ids = self.record.ids(entry.file)
        changed = [name for name in fields if not _equals(name, node, entry.node, ids)]
        return [Overwritten(node, tuple(changed), True)] if changed else []

    def record_after(self, before: Sequence[Node], after: Sequence[Node]) -> Record:
        """Return the record after a push that turned `before` into `after`."""
        present = {node["id"] for node in after}
        added = present - {node["id"] for node in before}
        addition = self.addition
        new = self.record.after(addition.origin, addition.source, final_ids(after, addition), added)
        return new.without_missing(present)


def _takes_away(name: str, before: Node, after: Node) -> bool:
    """Return whether a field loses something: wires that are only added do not."""
    if name not in before:
        return False
    if name != "wires":
        return True
    old = {(port, end) for port, ends in enumerate(before["wires"]) for end in ends}
    return not old <= {(p, end) for p, ends in enumerate(after.get("wires", ())) for end in ends}


def _equals(name: str, node: Node, pushed: Node, ids: dict[str, str]) -> bool:
    """Return whether a field is as it was pushed, whatever ids it got on the camera."""
    if name not in node or name not in pushed:
        return (name in node) == (name in pushed)
    return same(node[name], in_ids(name, pushed[name], ids))
