"""Remember what was pushed: each node as its file had it, and its id on the camera.

Without it nobody can tell whether a node that differs was changed in the file or on the camera,
and which nodes came from the file. The record lies in Node-RED's own library (`recam/pushed.json`
under menu, Import, Local), so it needs no SSH, another machine's push finds it, and the camera's
owner can read, import or delete it. It is a list of nodes; each has one more field, `recam`. It
holds no credentials.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..errors import FlowError
from .document import Node, checked_nodes
from .shapes import is_made, is_placed

_FIELD = "recam"


@dataclass(frozen=True)
class Entry:
    """A node that was pushed: its file, itself as in the file, and its id on the camera.

    `added`: the push made it; otherwise it was on the camera already.
    """

    file: str
    node: Node
    camera_id: str
    added: bool


@dataclass(frozen=True)
class Record:
    """All nodes that were pushed and not removed since."""

    entries: tuple[Entry, ...] = ()

    @cached_property
    def _by_own_id(self) -> dict[tuple[str, str], Entry]:
        return {(entry.file, entry.node["id"]): entry for entry in self.entries}

    def base(self, file: str, node_id: str) -> Entry | None:
        """Find a node as it was pushed last, by its id in the file."""
        return self._by_own_id.get((file, node_id))

    def ids(self, file: str) -> dict[str, str]:
        """Return the ids on the camera of a file's nodes, by their ids in the file."""
        return {e.node["id"]: e.camera_id for e in self.entries if e.file == file}

    def gone(self, file: str, nodes: Collection[Node]) -> list[Entry]:
        """Find nodes that a file's push added and that the file holds no longer.

        Two files of one name are told apart: they have no tab and no placed node in common. What
        another file has pushed too stays.
        """
        ours = [entry for entry in self.entries if entry.file == file]
        if not self._knows(file, nodes):
            return []
        kinds = {node["id"]: node["type"] for node in nodes}
        others = {entry.camera_id for entry in self.entries if entry.file != file}
        return [
            entry
            for entry in ours
            if entry.added
            and kinds.get(entry.node["id"]) != entry.node["type"]
            and entry.camera_id not in others
        ]

    def after(
        self, file: str, nodes: Collection[Node], ids: Mapping[str, str], added: Collection[str]
    ) -> Record:
        """Return the record after a push of these nodes of a file.

        `ids` are their ids on the camera, `added` the ids there that the push made.
        """
        before = self._by_own_id
        new = []
        for node in nodes:
            old = before.get((file, node["id"]))
            own = old is not None and old.added and old.camera_id == ids[node["id"]]
            bare = {key: value for key, value in node.items() if key != "credentials"}
            made = own or ids[node["id"]] in added
            new.append(Entry(file, bare, ids[node["id"]], made))
        known = {entry.node["id"] for entry in new}
        replaced = self._knows(file, nodes)
        kept = [
            entry
            for entry in self.entries
            if entry.file != file or not (replaced or entry.node["id"] in known)
        ]
        return Record((*kept, *new))

    def _knows(self, file: str, nodes: Collection[Node]) -> bool:
        """Return whether this is the file of that name, and not another one of the same name."""
        by_id = self._by_own_id
        return any(
            (file, node["id"]) in by_id
            for node in nodes
            if (node["type"] == "tab" and not is_made(node)) or is_placed(node)
        )

    def without_missing(self, present: Collection[str]) -> Record:
        """Return the record without nodes that are no longer on the camera."""
        return replace(self, entries=tuple(e for e in self.entries if e.camera_id in present))

    def as_json(self) -> list[Node]:
        """Return the list of nodes that Node-RED's library keeps."""
        return [
            {**e.node, _FIELD: {"file": e.file, "id": e.camera_id, "added": e.added}}
            for e in self.entries
        ]

    @classmethod
    def parse(cls, body: bytes) -> Record:
        """Read a record; a damaged one is an empty one."""
        try:
            nodes = checked_nodes(json.loads(body), "the record")
        except (ValueError, RecursionError, FlowError):
            return cls()
        entries = [_entry(node) for node in nodes]
        return cls(tuple(entry for entry in entries if entry))


EMPTY = Record()


def _entry(node: Node) -> Entry | None:
    said: Any = node.get(_FIELD)
    if not isinstance(said, dict):
        return None
    file, camera_id = said.get("file"), said.get("id")
    if not isinstance(file, str) or not isinstance(camera_id, str):
        return None
    bare = {key: value for key, value in node.items() if key != _FIELD}
    return Entry(file, bare, camera_id, said.get("added") is True)
