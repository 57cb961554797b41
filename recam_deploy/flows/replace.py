"""Bring a node that is on the camera to the file's version; pure functions.

Three versions of a node count: the camera's (`theirs`), the file's (`ours`) and the one that was
pushed last (`base`, None when it is not known). All three use the ids on the camera.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .document import Node, same

# Where a node lies in the editor: the owner's, unless the file moves it.
POSITION = frozenset({"x", "y", "w", "h", "z"})
# Set apart: wires and members are joined, credentials are kept elsewhere by Node-RED.
_APART = frozenset({"id", "type", "wires", "nodes", "credentials"})


def file_version(theirs: Node, ours: Node, base: Node | None) -> Node:
    """Return a node that came from the user's file, with the file's values.

    Fields that only the camera has stay: its editor adds them. Fields that were taken out of the
    file are removed. Credentials are sent where anything else changes.
    """
    wanted = {
        key: value
        for key, value in ours.items()
        if key not in _APART and (key not in POSITION or _edited(key, ours, base))
    }
    changed = _set(theirs, wanted, _dropped(ours, base))
    changed = _joined_lists(changed, ours, base, exact=base is None)
    if "credentials" in ours and not same(changed, theirs):
        changed = {**changed, "credentials": ours["credentials"]}
    return changed


def edits_of(theirs: Node, ours: Node, base: Node | None) -> Node:
    """Return a node of the camera's with what changed in a file or template since `base`."""
    if base is None:
        return theirs
    wanted = {
        key: value
        for key, value in ours.items()
        if key not in _APART and key not in POSITION and _edited(key, ours, base)
    }
    changed = _set(theirs, wanted, _dropped(ours, base))
    return _joined_lists(changed, ours, base, exact=False)


def _edited(key: str, ours: Node, base: Node | None) -> bool:
    """Return whether the file changed a field since the last push."""
    return base is not None and not same(ours.get(key), base.get(key))


def _dropped(ours: Node, base: Node | None) -> set[str]:
    return {key for key in base or () if key not in ours and key not in (_APART | POSITION)}


def _set(theirs: Node, wanted: Mapping[str, Any], dropped: set[str]) -> Node:
    if not dropped & theirs.keys() and all(
        key in theirs and same(theirs[key], value) for key, value in wanted.items()
    ):
        return theirs
    return {key: value for key, value in theirs.items() if key not in dropped} | dict(wanted)


def _joined_lists(theirs: Node, ours: Node, base: Node | None, *, exact: bool) -> Node:
    """Return the node with the file's wires, and a group's members."""
    changed = dict(theirs)
    if "wires" in ours:
        ports = ours["wires"] if exact else _ports(theirs, ours, base)
        changed["wires"] = [list(ends) for ends in ports]
    if ours["type"] == "group" and "nodes" in ours:
        old = base.get("nodes", ()) if base else ()
        changed["nodes"] = _joined(theirs.get("nodes", ()), ours["nodes"], old)
    return theirs if same(changed, theirs) else changed


def _ports(theirs: Node, ours: Node, base: Node | None) -> list[list[str]]:
    """Join the wires of each output; outputs that the file took away go when nothing is left."""
    versions = [node.get("wires", []) if node else [] for node in (theirs, ours, base)]
    ports = [
        _joined(*(wires[number] if number < len(wires) else () for wires in versions))
        for number in range(max(len(versions[0]), len(versions[1])))
    ]
    fewer = len(versions[1]) < len(versions[2])
    while fewer and len(ports) > len(versions[1]) and not ports[-1]:
        ports.pop()
    return ports


def _joined(theirs: Sequence[str], ours: Sequence[str], base: Sequence[str]) -> list[str]:
    """Return their list without what the file removed, and with what it has."""
    kept = [one for one in theirs if one in ours or one not in base]
    return [*kept, *(one for one in ours if one not in kept)]
