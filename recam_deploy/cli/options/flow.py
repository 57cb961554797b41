"""Define the options for flows and live results."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...flows.templates import TemplateName
from .camera import NodeRedCommand
from .common import Labels
from .numbers import number

if TYPE_CHECKING:
    from ...workflows.flows import FlowChoice

_WHAT, _FILLED = "What is pushed", "How it is filled in"


class Sender(str, Enum):
    """Where the template `detections` sends its messages."""

    debug = "debug"
    mqtt = "mqtt"
    http = "http"


class Way(str, Enum):
    """How a model is uploaded."""

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
        help="Your own flow file instead of a template, as Node-RED's editor exports it.",
        rich_help_panel=_WHAT,
        show_default=False,
    ),
]
ModelArtifact = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="ARTIFACT",
        help="The model whose name and class names go into the flow; it must be the active one on "
        "the camera. (default: the active one, with the class names of its model.json)",
        rich_help_panel=_FILLED,
        show_default=False,
    ),
]
ScoreThreshold = Annotated[
    float | None,
    typer.Option(
        "--tscore",
        **number("tscore"),
        help="The least score of a detection. (default: the flow's value)",
        rich_help_panel=_FILLED,
    ),
]
IouThreshold = Annotated[
    float | None,
    typer.Option(
        "--tiou",
        **number("tiou"),
        help="The most overlap (IoU) of two boxes of one class. (default: the flow's value)",
        rich_help_panel=_FILLED,
    ),
]
Line = Annotated[
    str | None,
    typer.Option(
        metavar="X1,Y1,X2,Y2",
        help="With counting: the line's ends, in percent of the picture. (default: 50,0,50,100)",
        rich_help_panel=_FILLED,
    ),
]
SendTo = Annotated[
    list[Sender] | None,
    typer.Option(
        "--to",
        help="With detections: where to send them; may be given more than once. (default: debug)",
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
        help="How to upload: by ssh, or by http through the camera's web API, for cameras whose "
        "SSH is switched off. With http the model is downloaded again to compare its hash.",
    ),
]
BackupName = Annotated[
    str | None,
    typer.Argument(
        metavar="BACKUP",
        help="A name or number from `recam flow backups`, or a file. (default: the newest)",
        show_default=False,
    ),
]


class FlowCommand(NodeRedCommand):
    """A command with `FlowFlags`, none of which is given without its name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True
        extra = super().parse_args(ctx, args)
        if extra and not ctx.resilient_parsing:
            shown = " ".join(extra)[:200]
            ctx.fail(f"Got unexpected extra argument(s) ({shown}). {_flag_for(extra[0])}".strip())
        return extra


def _flag_for(word: str) -> str:
    """Return which flag a word that stands alone was meant for; "" where nothing tells."""
    name = word[:200]
    if word in [template.value for template in TemplateName]:
        return f"Choose a template with --template {name}."
    if word.lower().endswith((".cvimodel", ".onnx", ".pt")):
        return "The converted model is named with --model."
    if word.lower().endswith(".json") or Path(word).is_file():
        return f"Name a flow file with --flow {shlex.quote(name)}."
    return ""


@dataclass(frozen=True)
class FlowFlags:
    """The flags of a flow: the template or file, and the values filled in."""

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
        """Read and check the template or file, before any request to the camera.

        Raises FlowError when a value or the file is not valid.
        """
        from ...flows.templates import Parameters
        from ...workflows.flows import choose_flow

        parameters = Parameters(
            line=self.line,
            send_to=tuple(sender.value for sender in self.to or ()),
            mqtt_topic=self.mqtt_topic,
            http_url=self.http_url,
        )
        return choose_flow(self.template and self.template.value, self.flow, parameters)
