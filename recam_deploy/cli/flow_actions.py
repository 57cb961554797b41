"""The work behind `recam flow`, some of which `up` ends with: joins the camera, flows and live."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import typer
from pydantic import SecretStr

from ..artifact import Artifact
from ..camera.facts import gather_facts
from ..camera.flow_backups import keep_flows
from ..camera.paths import CameraPaths
from ..camera.web_api import ActiveInfo, CameraApi
from ..errors import (
    AuthenticationError,
    CameraApiError,
    CameraError,
    ConnectionFailedError,
    FlowError,
    LiveError,
)
from ..flows.backups import Backups, content
from ..flows.client import Login, NodeRed
from ..flows.document import FlowDocument
from ..flows.merge import ACTIVE_MODEL
from ..flows.push import Pushed, PushPlan, Target, duplicates, push, service_nodes, wait_until_up
from ..flows.templates import (
    Addition,
    ModelChoice,
    Parameters,
    TemplateName,
    fill,
    load_flow_file,
    load_template,
)
from ..live.mqtt import MqttSource
from ..live.watching import LiveSource, wait_until_made
from ..settings import Settings
from ..ssh.connection import Connection
from .login import ask_secret, open_connection

if TYPE_CHECKING:
    from ..terminal import Terminal

_MADE_SECONDS = 90.0  # the camera loads the model, and its Node-RED may be busy


@dataclass(frozen=True)
class FlowChoice:
    """What the user wants to have pushed: one of our templates, or a file."""

    template: str = "preview"
    file: Path | None = None
    parameters: Parameters = field(default_factory=Parameters)

    def addition(self, model: ModelChoice) -> Addition:
        """Read it and fill it in. Raises FlowError."""
        if self.file:
            return fill(str(self.file), load_flow_file(self.file), model, self.parameters)
        return fill(self.template, load_template(self.template), model, self.parameters)


def choose_flow(
    template: TemplateName | None, file: Path | None, parameters: Parameters | None = None
) -> FlowChoice:
    """What the flags say, read once to see that it can be. Raises FlowError."""
    if template and file:
        raise FlowError("--template and --flow exclude each other", "Give one of them.")
    name = template.value if template else "preview"
    choice = FlowChoice(name, file, parameters or Parameters())
    choice.addition(ModelChoice())
    return choice


def node_red(settings: Settings, terminal: Terminal, *, ask_token: bool = False) -> NodeRed:
    """The camera's Node-RED. A login is asked for where there is a person."""
    camera = settings.camera

    def ask() -> Login | None:
        if not terminal.may_ask:
            return None
        user = camera.node_red_user or typer.prompt("Node-RED user", default="admin", err=True)
        return Login(user=user, password=ask_secret(f"Password of {user} for Node-RED: "))

    if ask_token:
        if not terminal.may_ask:
            raise AuthenticationError(
                "nobody can be asked for the Node-RED token", "Set RECAM_NODERED_TOKEN instead."
            )
        token = ask_secret("Node-RED access token: ").get_secret_value().strip()
        camera = camera.model_copy(update={"node_red_token": SecretStr(token)})
    return NodeRed.from_settings(camera, ask)


def choose_model(
    settings: Settings,
    artifact: Artifact | None,
    connection: Callable[[], Connection],
    tscore: float | None = None,
    tiou: float | None = None,
) -> ModelChoice:
    """What the model node is to run: the model that is in place, named as its `model.json` says.

    Where there is none, the flow keeps the names that it has.
    Raises FlowError when `artifact` is given and is not the one in place.
    """
    paths = CameraPaths.from_settings(settings.camera)
    text = _active_info(settings, paths, connection)
    active = ActiveInfo.parse(text or "")
    choice = ModelChoice(model_uri(paths), active.name or None, active.classes, tscore, tiou)
    if artifact is None:
        return choice
    if f'"recam-{artifact.sha256[:12]}"' not in (text or ""):
        raise FlowError(
            f"the model in place on the camera is not {artifact.name}",
            "Deploy it first: `recam deploy` with the same artifact.",
        )
    return replace(choice, name=artifact.name, labels=artifact.labels)


def model_uri(paths: CameraPaths) -> str:
    """What the model node has to load: nothing said is the camera's usual place.

    SSH may show the camera's files below another root than its own services see.
    """
    usual = PurePosixPath(ACTIVE_MODEL).parts[1:]
    path = paths.active_model
    return "" if path.parts[-len(usual) :] == usual else str(path)


def _active_info(
    settings: Settings, paths: CameraPaths, connection: Callable[[], Connection]
) -> str | None:
    """The camera's `model.json`, over HTTP or else over SSH."""
    try:
        with CameraApi(settings.camera) as api:
            return api.model_info()
    except (ConnectionFailedError, CameraApiError):
        return gather_facts(connection(), paths).info


class Connections:
    """One SSH connection for the whole command, made at first need; a context manager."""

    def __init__(
        self,
        settings: Settings,
        terminal: Terminal,
        *,
        accept_host_key: bool,
        connection: Connection | None = None,
    ) -> None:
        self._settings, self._terminal = settings, terminal
        self._accept = accept_host_key
        self._connection = connection
        self._failed: CameraError | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Connections:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def connection(self) -> Connection:
        """The connection. What kept it from being made once is raised again: it is tried once."""
        if self._failed:
            raise self._failed
        if self._connection is None:
            try:
                self._connection = self._stack.enter_context(
                    open_connection(self._settings, self._terminal, accept_host_key=self._accept)
                )
            except CameraError as error:
                self._failed = error
                raise
        return self._connection

    def keep(self, document: FlowDocument) -> Path:
        """Keep a document here and, where SSH lets us, on the camera; returns the file here."""
        camera = self._settings.camera
        path = Backups.from_settings(camera).keep(document)
        try:
            paths = CameraPaths.from_settings(camera)
            connection = self.connection()
            keep_flows(
                connection, gather_facts(connection, paths), paths, path.name, content(document)
            )
        except (ConnectionFailedError, AuthenticationError) as error:
            self._terminal.warn(f"the flows before are kept here only: {error.message}")
        return path


def plan_lines(plan: PushPlan) -> list[str]:
    """What a push would change, for people."""
    if not plan.changes:
        return ["nothing to change: the flow is there already"]
    repeated = duplicates(plan.document.nodes)
    notes = (
        [f"  ({len(repeated)} ids occur twice in these flows; they stay as they are)"]
        if repeated
        else []
    )
    return [*plan.changes.lines(), *notes]


def approval(terminal: Terminal, *, yes: bool) -> Callable[[PushPlan], None]:
    """Show a plan, and ask unless `yes`. Raises FlowError for a no, or where none can answer."""

    def approve(plan: PushPlan) -> None:
        if not plan.changes:
            return
        lines = ["changes to the flows in the camera's Node-RED:", *plan_lines(plan)]
        if terminal.as_json:
            for line in lines:
                terminal.say(line)
        else:
            terminal.result({}, lines)
        if yes:
            return
        if not terminal.may_ask:
            raise FlowError(
                "the flows on the camera would be changed, and nobody can be asked",
                "Add --yes to change them, or --dry-run to see what would be changed.",
            )
        if not typer.confirm("Change the flows on the camera like this?", err=True):
            raise FlowError("the flows on the camera are left as they are")

    return approve


def push_and_wait(
    settings: Settings,
    terminal: Terminal,
    client: NodeRed,
    target: Target,
    connections: Connections,
    *,
    yes: bool,
    restart: bool,
    exact: bool = False,
) -> Pushed:
    """Push, and wait until the nodes are up.

    Raises LiveError when the flow was pushed, and the camera's service could not make a node.
    """
    with listening(settings) as source:
        pushed = push(
            client,
            target,
            terminal,
            approve=approval(terminal, yes=yes),
            keep=connections.keep,
            restart=restart,
            exact=exact,
        )
        try:
            return await_nodes(client, pushed, source, terminal)
        except LiveError as error:
            raise LiveError(f"the flow is pushed, but {error.message}", error.hint) from error


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[MqttSource | None]:
    """What the camera's service says from now on; None where the broker does not let us in."""
    camera = settings.camera
    try:
        source = MqttSource(str(camera.host), camera.mqtt_port, timeout=camera.timeout)
    except ConnectionFailedError:
        yield None
        return
    try:
        source.drain()
        yield source
    finally:
        source.close()


def await_nodes(
    client: NodeRed, pushed: Pushed, source: LiveSource | None, terminal: Terminal
) -> Pushed:
    """Wait until what was pushed runs; whether it does is in `nodes_ready` of what is returned.

    Raises LiveError when the camera's service could not make a node.
    """
    ready = wait_until_up(client, terminal)
    if ready and source and pushed.camera_restarted:
        ready = _made(source, pushed, terminal)
    return replace(pushed, nodes_ready=ready)


def _made(source: LiveSource, pushed: Pushed, terminal: Terminal) -> bool:
    try:
        return wait_until_made(source, service_nodes(pushed.nodes), _MADE_SECONDS, terminal)
    except ConnectionFailedError:
        return False
