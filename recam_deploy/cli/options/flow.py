"""Options of the commands that have to do with flows and live results."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...flows.templates import TemplateName
from .common import Labels

if TYPE_CHECKING:
    from ..flow_actions import FlowChoice

_WHAT, _FILLED = "What is pushed", "How it is filled in"


class Sender(str, Enum):
    """Where `detections` go."""

    debug = "debug"
    mqtt = "mqtt"
    http = "http"


class Way(str, Enum):
    """How a model gets to the camera."""

    ssh = "ssh"
    http = "http"


Template = Annotated[
    TemplateName | None,
    typer.Option(
        help="preview: boxes in the editor. detections: one message a picture, to the debug "
        "sidebar, MQTT or HTTP. counting: objects that cross a line. record: a recording while "
        "anything is seen. (default: preview)",
        rich_help_panel=_WHAT,
    ),
]
FlowFile = Annotated[
    Path | None,
    typer.Option(
        "--flow",
        help="A flow file of yours instead, as Node-RED's editor exports it.",
        rich_help_panel=_WHAT,
        show_default=False,
    ),
]
ModelArtifact = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="ARTIFACT",
        help="The model whose name and class names the flow gets; it must be in place on the "
        "camera. (default: the one that is, with the class names of its model.json)",
        rich_help_panel=_FILLED,
        show_default=False,
    ),
]
ScoreThreshold = Annotated[
    float | None,
    typer.Option(
        "--tscore",
        min=0,
        max=1,
        help="The least score of a detection. (default: what the flow has)",
        rich_help_panel=_FILLED,
    ),
]
IouThreshold = Annotated[
    float | None,
    typer.Option(
        "--tiou",
        min=0,
        max=1,
        help="How much boxes of one class may overlap (IoU). (default: what the flow has)",
        rich_help_panel=_FILLED,
    ),
]
Line = Annotated[
    str | None,
    typer.Option(
        metavar="X1,Y1,X2,Y2",
        help="With counting: the line, in percent of the picture. (default: 50,0,50,100)",
        rich_help_panel=_FILLED,
    ),
]
SendTo = Annotated[
    list[Sender] | None,
    typer.Option(
        "--to",
        help="With detections: where they go; may be given more than once. (default: debug)",
        rich_help_panel=_FILLED,
    ),
]
MqttTopic = Annotated[
    str | None,
    typer.Option(
        "--mqtt-topic",
        help="With detections: send them by MQTT to the camera's broker under this topic. "
        "(default: recam/detections)",
        rich_help_panel=_FILLED,
    ),
]
HttpUrl = Annotated[
    str | None,
    typer.Option(
        "--http-url",
        help="With detections: POST them to this address. (default, with --to http: "
        "http://127.0.0.1:8000/detections, on the camera itself)",
        rich_help_panel=_FILLED,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before anything is sent.")]
NoFlow = Annotated[
    bool, typer.Option("--no-flow", help="Leave Node-RED alone: only convert, deploy and test.")
]
Via = Annotated[
    Way,
    typer.Option(
        "--via",
        help="ssh, or http: the camera's web API, for cameras whose SSH is switched off; the model "
        "is read back and hashed.",
    ),
]
BackupName = Annotated[
    str | None,
    typer.Argument(
        metavar="BACKUP",
        help="A name or number that `recam flow backups` lists, or a file. (default: the newest)",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class FlowFlags:
    """What is pushed, and how it is filled in."""

    template: Template = None
    flow: FlowFile = None
    model: ModelArtifact = None
    labels: Labels = None
    tscore: ScoreThreshold = None
    tiou: IouThreshold = None
    line: Line = None
    to: SendTo = None
    mqtt_topic: MqttTopic = None
    http_url: HttpUrl = None

    def choice(self) -> FlowChoice:
        """The template or file, read and checked before anything is asked of the camera.

        Raises FlowError.
        """
        from ...flows.templates import Parameters
        from ..flow_actions import choose_flow

        parameters = Parameters(
            line=self.line,
            send_to=tuple(sender.value for sender in self.to or ()),
            mqtt_topic=self.mqtt_topic,
            http_url=self.http_url,
        )
        return choose_flow(self.template, self.flow, parameters)
