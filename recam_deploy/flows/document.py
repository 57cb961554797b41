"""Parse and check a flow document: the list of nodes that Node-RED stores.

Node-RED accepts almost any document, and may fail on it afterwards, so each is checked here before
it is sent. Nodes are plain dicts, which keep all their fields.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FlowError
from ..files import read_text
from .shapes import Node as Node
from .shapes import is_made, is_usable_id, node_list

SIZE_LIMIT = 5_000_000  # Node-RED's own limit on a request, `apiMaxLength` in its settings.js
_DEPTH_LIMIT = 60
_NAME_LIMIT = 100  # characters in a message
_FENCED = re.compile(r"\s*```[a-z]*\n(.*)\n```\s*", re.DOTALL)  # copied from a forum's post
CONTAINERS = ("tab", "subflow", "group")

# Nodes that run in the camera's own service, which gets their neighbours when it creates them
# (node-red-contrib-sscma 0.3.6, nodes/sscma.js, `register`).
CAMERA_TYPES = frozenset({"sscma", "camera", "model", "stream", "save", "capture", "qrcode"})
# A camera can hold one of each (the same package, `nodes:add` in their .html files): its editor
# removes a second one as soon as it opens the flows.
SINGLE_TYPES = frozenset({"camera", "model", "save", "capture"})


NO_FLOWS = "no flows"


@dataclass(frozen=True)
class FlowDocument:
    """All nodes, in order, and the revision that Node-RED gave them ("" for a file).

    The revision is NO_FLOWS where Node-RED could not read its flows at all, so that it has none.
    `credentials` are the ids of the nodes that have some; None when that is not known.
    """

    nodes: tuple[Node, ...]
    rev: str = ""
    credentials: frozenset[str] | None = field(default=None, compare=False)

    @property
    def unreadable(self) -> bool:
        """Whether Node-RED could not read its flows; it starts nothing then."""
        return self.rev == NO_FLOWS

    @property
    def canonical(self) -> bytes:
        """The nodes as JSON with sorted keys: the same bytes for the same flows."""
        return canonical(self.nodes)

    def as_json(self) -> dict[str, Any]:
        """Return the document of `flow show --json`, which the Admin API accepts too."""
        return {"rev": self.rev, "flows": list(self.nodes)}


def canonical(value: Any) -> bytes:
    """Encode a value as JSON with sorted keys and no spaces, in UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON, in which 1 and true differ."""
    return one == other and canonical(one) == canonical(other)


def targets(node: Node) -> Iterator[str]:
    """Yield the ids that a node's outputs are wired to."""
    for port in node.get("wires", ()):
        yield from port


def read_document(path: Path) -> tuple[Node, ...]:
    """Read a flow file in any form that `shapes.node_list` takes; a byte order mark is skipped.

    Raises FlowError when it cannot be read or is malformed.
    """
    with contextlib.suppress(OSError):
        if (size := path.stat().st_size) > SIZE_LIMIT:
            raise FlowError(
                f"{path} has {size} bytes; Node-RED accepts at most {SIZE_LIMIT}",
                "Export only the flows that are needed.",
            )
    text = read_text(path, "a flow", error=FlowError)
    _refuse_other_content(path, text)
    return parse_document(text, str(path))


def _refuse_other_content(path: Path, text: str) -> None:
    """Raise FlowError for what people save in place of a flow."""
    start = text.lstrip()[:200].lower()
    if not start:
        raise FlowError(f"{path} is empty", "Export the flow again in Node-RED's editor.")
    if start.startswith("<"):
        raise FlowError(
            f"{path} is a web page, not a flow",
            "Download the file itself: on GitHub, use the button `Raw`.",
        )
    if start.startswith("version https://git-lfs"):
        raise FlowError(
            f"{path} is a Git LFS pointer, not the file itself", "Run `git lfs pull` there."
        )


def parse_document(text: str, where: str) -> tuple[Node, ...]:
    """Parse nodes from JSON text. Raises FlowError, which names `where` and the first error."""
    fenced = _FENCED.fullmatch(text)
    try:
        value = json.loads(
            fenced[1] if fenced else text,
            parse_constant=_refuse_constant,
            parse_float=_number,
            parse_int=_number,
        )
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise FlowError(
            f"{where} is not JSON: {reason}", "Export the flow again in Node-RED's editor."
        ) from error
    return checked_nodes(node_list(value), where)


def checked_nodes(value: Any, where: str) -> tuple[Node, ...]:
    """Check each node of a parsed document; return the nodes.

    Repeated ids are accepted, for the camera's factory flows have some. Raises FlowError.
    """
    if not isinstance(value, list):
        raise _malformed(where, "it is not a list of nodes")
    for number, node in enumerate(value, 1):
        problem = _problem(node)
        if problem:
            named = (
                f" ({node['type']})" if isinstance(node, dict) and _is_name(node, "type") else ""
            )
            raise _malformed(where, f"node {number}{named} {problem}")
    if len(canonical(value)) > SIZE_LIMIT:
        raise _malformed(where, f"it is larger than the {SIZE_LIMIT} bytes that Node-RED accepts")
    return tuple(value)


def check_own(nodes: Sequence[Node], where: str) -> None:
    """Check a flow to be added as a whole: unique ids, wires to its nodes, one camera.

    Selected nodes may be wired to others, which were left out. Raises FlowError.
    """
    if not nodes:
        raise _malformed(where, "it has no nodes")
    kinds: dict[str, str] = {}
    for node in nodes:
        if node["id"] in kinds:
            raise _malformed(where, f"the id {node['id']!r} occurs twice")
        kinds[node["id"]] = node["type"]
    selected = {node["id"] for node in nodes if is_made(node, selected=True)}
    for node in nodes:
        for target in () if node.get("z") in selected else targets(node):
            if target not in kinds:
                raise _malformed(
                    where, f"{described(node)} is wired to {target!r}, which is missing"
                )
        container = node.get("z", "")
        if container and kinds.get(container) not in ("tab", "subflow"):
            raise _malformed(where, f"{described(node)} lies on {container!r}, which is no tab")
    for kind in SINGLE_TYPES:
        if sum(node["type"] == kind for node in nodes) > 1:
            raise _malformed(where, f"it has more than one {kind} node; a camera can hold one")


def described(node: Node) -> str:
    """Describe a node for a message: its type, and its name or id."""
    name = node.get("name") or node.get("label")
    shown = name[:_NAME_LIMIT] if isinstance(name, str) and name else node["id"]
    return f"{node['type'][:_NAME_LIMIT]} {shown!r}"


def _problem(node: Any) -> str:
    """Return what is wrong with a node; "" for a valid one."""
    if not isinstance(node, dict):
        return "is not an object"
    for key in ("id", "type"):
        if not _is_name(node, key):
            return f"has no usable `{key}`"
    if not is_usable_id(node["id"]):
        return "has an `id` that Node-RED cannot use"
    for key in ("z", "g"):
        if key in node and not isinstance(node[key], str):
            return f"has a `{key}` that is not text"
    return (
        _nesting_problem(node)
        or _wires_problem(node)
        or _model_problem(node)
        or _links_problem(node)
        or _container_problem(node)
    )


def _wires_problem(node: Node) -> str:
    wires = node.get("wires", [])
    if not isinstance(wires, list) or not all(isinstance(port, list) for port in wires):
        return "has `wires` that are not a list of lists"
    if not all(isinstance(target, str) and target for port in wires for target in port):
        return "has `wires` that do not name nodes"
    return ""


def _model_problem(node: Node) -> str:
    """Check two fields that the camera's model node splits; it throws when they are not text."""
    if node["type"] != "model":
        return ""
    for key in ("classes", "splitter"):
        if not isinstance(node.get(key, ""), str):
            return f"has a `{key}` that is not text"
    return ""


def _links_problem(node: Node) -> str:
    """Check the links of link nodes, which Node-RED reads without checking."""
    links = node.get("links", [])
    if not node["type"].startswith("link "):
        return ""
    if not isinstance(links, list) or not all(isinstance(link, str) for link in links):
        return "has `links` that do not name nodes"
    return ""


def _container_problem(node: Node) -> str:
    """Check lists of containers, which Node-RED reads without checking."""
    for key, kind in (("env", dict), ("nodes", str), ("in", dict), ("out", dict)):
        if node["type"] in CONTAINERS and key in node:
            value = node[key]
            if not isinstance(value, list) or not all(isinstance(v, kind) for v in value):
                return f"has `{key}` that is not a list of {'objects' if kind is dict else 'ids'}"
    return ""


def _is_name(node: Node, key: str) -> bool:
    return isinstance(node.get(key), str) and bool(node[key])


def _nesting_problem(node: Node) -> str:
    """Check for what JavaScript fails on: very deep nesting, and the field `__proto__`."""
    level: list[Any] = [node]
    for _ in range(_DEPTH_LIMIT):
        if any(isinstance(outer, dict) and "__proto__" in outer for outer in level):
            return "has a field `__proto__`"
        inner = [v for o in level for v in (o.values() if isinstance(o, dict) else o)]
        level = [value for value in inner if isinstance(value, (dict, list))]
        if not level:
            return ""
    return "is nested too deeply"


def _number(text: str) -> float | int:
    """Parse a number as JavaScript does, so that what Node-RED sends back compares equal."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _malformed(where: str, problem: str) -> FlowError:
    return FlowError(
        f"{where} is not a flow that can be sent: {problem}",
        "Export it again in Node-RED's editor (menu, Export).",
    )
