"""What is to be added to the camera's flows: a template of ours or the user's file, filled in.

A template is plain flow JSON in `noderedflows/` that also imports by hand. Filling it gives an
`Addition`: its nodes with the values set, and for some nodes the fields that must have these
values even where the camera already has such a node. All other fields of a node that is already
there are its owner's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from ..errors import FlowError
from ..resources import resource
from .document import Node, check_own, read_document
from .labels import as_classes


class TemplateName(str, Enum):
    """The flows that come with recam."""

    preview = "preview"
    detections = "detections"
    counting = "counting"
    record = "record"


TEMPLATES = tuple(template.value for template in TemplateName)

# The model node's own defaults (node-red-contrib-sscma, nodes/model.html). A file that has others
# means them: counting needs `trace` and a line.
_FEATURES: Mapping[str, Any] = {"trace": False, "counting": False, "splitter": "0,0,0,0"}

# The nodes of `detections` that send, by what is asked for.
SENDERS: Mapping[str, str] = {"debug": "debug", "mqtt": "mqtt out", "http": "http request"}


@dataclass(frozen=True)
class ModelChoice:
    """What the model node is to run. `uri` is "" for the model that is in place on the camera.

    What is None stays what it is.
    """

    uri: str = ""
    name: str | None = None
    labels: tuple[str, ...] | None = None
    tscore: float | None = None
    tiou: float | None = None

    def fields(self) -> dict[str, str]:
        """The model node's fields; numbers as text, as the editor writes them."""
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
    """What a template can be told besides: None and empty leave it as it is.

    `line` is the counting line, "x1,y1,x2,y2" in percent of the picture; `send_to` names where
    `detections` go: debug, mqtt, http.
    """

    line: str | None = None
    send_to: tuple[str, ...] = ()
    mqtt_topic: str | None = None
    http_url: str | None = None


@dataclass(frozen=True)
class Addition:
    """Nodes to add, and by node id the fields that must have the value they have there.

    `name` is the template's name or the file's path.
    """

    name: str
    nodes: tuple[Node, ...]
    must: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def only(self, kind: str) -> Node | None:
        """The node of a kind of which there is at most one."""
        return next((node for node in self.nodes if node["type"] == kind), None)


def load_template(name: str) -> tuple[Node, ...]:
    """The nodes of one of our templates."""
    return read_document(resource("noderedflows") / f"{name}.json")


def load_flow_file(path: Path) -> tuple[Node, ...]:
    """The nodes of a user's file, checked as a whole. Raises FlowError."""
    nodes = read_document(path)
    check_own(nodes, str(path))
    return nodes


def fill(
    name: str,
    nodes: tuple[Node, ...],
    model: ModelChoice,
    parameters: Parameters = Parameters(),
) -> Addition:
    """Put the model and the parameters into a template.

    Raises FlowError when a parameter does not suit the template, or has no usable value.
    """
    must: dict[str, dict[str, Any]] = {}
    for node in nodes:
        if node["type"] == "model":
            must[node["id"]] = {**_features(node), **model.fields()}
    _tell_line(name, nodes, parameters, must)
    _tell_senders(name, nodes, parameters, must)
    filled = tuple(_with(node, must.get(node["id"], {})) for node in nodes)
    return Addition(name, filled, must)


def _features(node: Node) -> dict[str, Any]:
    return {
        key: node[key] for key, usual in _FEATURES.items() if key in node and node[key] != usual
    }


def _with(node: Node, fields: Mapping[str, Any]) -> Node:
    """The node with these fields; a `d` that is false is left out, as the editor does."""
    merged = {**node, **fields}
    if merged.get("d") is False:
        del merged["d"]
    return merged


def _tell_line(
    name: str, nodes: tuple[Node, ...], parameters: Parameters, must: dict[str, dict[str, Any]]
) -> None:
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
        raise FlowError(f"`{name}` counts nothing, so it has no line", "Use --template counting.")
    must[counting[0]["id"]]["splitter"] = ",".join(str(number) for number in numbers)


def _tell_senders(
    name: str, nodes: tuple[Node, ...], parameters: Parameters, must: dict[str, dict[str, Any]]
) -> None:
    fields = _sender_fields(parameters)
    wanted = {*parameters.send_to, *(way for way, told in fields.items() if told)}
    if not wanted:
        return
    kinds = {node["type"] for node in nodes}
    for way in sorted(wanted):
        if SENDERS[way] not in kinds:
            raise FlowError(
                f"`{name}` sends nothing to {way}", "Use --template detections for that."
            )
    for way, kind in SENDERS.items():
        for node in nodes:
            if node["type"] == kind:
                must[node["id"]] = {"d": way not in wanted, **fields[way]}


def _sender_fields(parameters: Parameters) -> dict[str, dict[str, str]]:
    """By way of sending, the fields that were told. Raises FlowError for unusable ones."""
    fields: dict[str, dict[str, str]] = {way: {} for way in SENDERS}
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
    return FlowError(f"the {what} {value[:80]!r} cannot be used", f"Give {form}.")
