"""Fill in a template, or the user's file, to be added to the camera's flows.

A template is flow JSON in `noderedflows/`, which can be imported by hand too. Filling it gives an
`Addition`: its nodes with the values set, and for some nodes the required fields, which are set
even in a node that the camera has already. Other fields of such a node do not change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from ..errors import FlowError
from ..files import stem_of
from ..resources import resource
from .document import Node, check_own, read_document
from .labels import as_classes
from .shapes import complete


class TemplateName(str, Enum):
    """The flows that are part of recam."""

    preview = "preview"
    detections = "detections"
    counting = "counting"
    record = "record"


TEMPLATES = tuple(template.value for template in TemplateName)

# The model node's defaults (node-red-contrib-sscma, nodes/model.html). Other values in a file are
# required: counting needs `trace` and a line.
_FEATURES: Mapping[str, Any] = {"trace": False, "counting": False, "splitter": "0,0,0,0"}

# The types of the sending nodes in `detections`, by the values of `send_to`.
SENDERS: Mapping[str, str] = {"debug": "debug", "mqtt": "mqtt out", "http": "http request"}


@dataclass(frozen=True)
class ModelChoice:
    """The model for the model node; `uri` "" is the camera's active model.

    A field that is None does not change in the flow.
    """

    uri: str = ""
    name: str | None = None
    labels: tuple[str, ...] | None = None
    tscore: float | None = None
    tiou: float | None = None

    def fields(self) -> dict[str, str]:
        """Build the model node's fields; numbers are text, as the editor writes them."""
        chosen = {"uri": self.uri}
        if self.name is not None:
            chosen["model"] = self.name
        if self.labels is not None:
            chosen["classes"] = as_classes(self.labels)
        if self.tscore is not None:
            chosen["tscore"] = f"{self.tscore:g}"
        if self.tiou is not None:
            chosen["tiou"] = f"{self.tiou:g}"
        return chosen


@dataclass(frozen=True)
class Parameters:
    """Further values for a template; None and empty ones do not change it.

    `line` is the counting line, "x1,y1,x2,y2" in percent of the picture; `send_to` lists where
    `detections` sends: debug, mqtt, http.
    """

    line: str | None = None
    send_to: tuple[str, ...] = ()
    mqtt_topic: str | None = None
    http_url: str | None = None


@dataclass(frozen=True)
class Addition:
    """The nodes to add, and the required fields of some, by node id.

    `name` is the template's name or the file's path. `unfilled` are the nodes before values were
    set in them, if there are such.
    """

    name: str
    nodes: tuple[Node, ...]
    required: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unfilled: tuple[Node, ...] = ()

    @property
    def own(self) -> bool:
        """Whether it is the user's file, whose nodes the camera gets as they are in the file."""
        return self.name not in TEMPLATES

    @property
    def origin(self) -> str:
        """The name under which its nodes are recorded: the template's, or the file's."""
        return PurePath(self.name).name if self.own else self.name

    @property
    def source(self) -> tuple[Node, ...]:
        """The nodes as the template or the file has them."""
        return self.unfilled or self.nodes

    def only(self, kind: str) -> Node | None:
        """Return the first node of a kind; None without one."""
        return next((node for node in self.nodes if node["type"] == kind), None)


def load_template(name: str) -> tuple[Node, ...]:
    """Read the nodes of a template."""
    return read_document(resource("noderedflows") / f"{name}.json")


def load_flow_file(path: Path) -> tuple[Node, ...]:
    """Read the nodes of a user's file, and check them as a whole. Raises FlowError.

    Nodes that lie on no tab of the file get one of the file's name.
    """
    nodes = complete(read_document(path), stem_of(path))
    check_own(nodes, str(path))
    return nodes


def fill(
    name: str,
    nodes: tuple[Node, ...],
    model: ModelChoice,
    parameters: Parameters = Parameters(),
) -> Addition:
    """Set the model and the parameters in a template.

    Raises FlowError when the template has no use for a parameter, or its value is invalid.
    """
    required: dict[str, dict[str, Any]] = {}
    for node in nodes:
        if node["type"] == "model":
            required[node["id"]] = {**_features(node), **model.fields()}
    _set_line(name, nodes, parameters, required)
    _set_senders(name, nodes, parameters, required)
    filled = tuple(_with(node, required.get(node["id"], {})) for node in nodes)
    return Addition(name, filled, required, nodes)


def _features(node: Node) -> dict[str, Any]:
    return {
        key: node[key] for key, usual in _FEATURES.items() if key in node and node[key] != usual
    }


def _with(node: Node, fields: Mapping[str, Any]) -> Node:
    """Return the node with these fields, without a `d` that is false, as the editor writes it."""
    merged = {**node, **fields}
    if merged.get("d") is False:
        del merged["d"]
    return merged


def _set_line(
    name: str, nodes: tuple[Node, ...], parameters: Parameters, required: dict[str, dict[str, Any]]
) -> None:
    """Require the counting line of the model node. Raises FlowError."""
    if parameters.line is None:
        return
    parts = parameters.line.split(",")
    if len(parts) != 4 or not all(re.fullmatch(r"\s*[0-9]{1,3}\s*", part) for part in parts):
        raise _unusable("line", parameters.line, "four whole numbers: x1,y1,x2,y2 in percent")
    numbers = [int(part) for part in parts]
    if max(numbers) > 100 or numbers[:2] == numbers[2:]:
        raise _unusable("line", parameters.line, "two different points, in percent (0 to 100)")
    counting = [n for n in nodes if n["type"] == "model" and n.get("counting") is True]
    if not counting:
        raise FlowError(f"`{name}` does not count, so it has no line", "Use --template counting.")
    required[counting[0]["id"]]["splitter"] = ",".join(str(number) for number in numbers)


def _set_senders(
    name: str, nodes: tuple[Node, ...], parameters: Parameters, required: dict[str, dict[str, Any]]
) -> None:
    """Require the wanted sending nodes to be enabled, the others disabled. Raises FlowError."""
    fields = _sender_fields(parameters)
    wanted = {*parameters.send_to, *(sender for sender, given in fields.items() if given)}
    if not wanted:
        return
    kinds = {node["type"] for node in nodes}
    for sender in sorted(wanted):
        if SENDERS[sender] not in kinds:
            raise FlowError(
                f"`{name}` sends nothing to {sender}", "Use --template detections for that."
            )
    for sender, kind in SENDERS.items():
        for node in nodes:
            if node["type"] == kind:
                required[node["id"]] = {"d": sender not in wanted, **fields[sender]}


def _sender_fields(parameters: Parameters) -> dict[str, dict[str, str]]:
    """Return the given fields by sender. Raises FlowError for an invalid value."""
    fields: dict[str, dict[str, str]] = {sender: {} for sender in SENDERS}
    if parameters.mqtt_topic is not None:
        if not re.fullmatch(r"[^+#\x00]{1,200}", parameters.mqtt_topic):
            raise _unusable("MQTT topic", parameters.mqtt_topic, "a topic without + and #")
        fields["mqtt"]["topic"] = parameters.mqtt_topic
    if parameters.http_url is not None:
        if not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", parameters.http_url):
            raise _unusable("HTTP address", parameters.http_url, "http://HOST/PATH")
        fields["http"]["url"] = parameters.http_url
    return fields


def _unusable(what: str, value: str, form: str) -> FlowError:
    return FlowError(f"the {what} {value[:80]!r} is invalid", f"Give {form}.")
