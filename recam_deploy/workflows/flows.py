"""Push flows to the camera's Node-RED and wait until they run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pydantic import SecretStr

from ..artifact import Artifact
from ..camera.facts import gather_facts
from ..camera.flow_backups import keep_flows
from ..camera.paths import CameraPaths
from ..camera.web_api import ActiveInfo, CameraApi
from ..class_names import refuse_other_count
from ..errors import (
    AuthenticationError,
    CameraApiError,
    CameraError,
    ConnectionFailedError,
    FlowError,
    LiveError,
)
from ..flows.backups import Backups, content
from ..flows.client import NodeRed, NodeRedLogin
from ..flows.credentials import LostCredentials, lost_credentials
from ..flows.document import FlowDocument, Node
from ..flows.merge import ACTIVE_MODEL
from ..flows.push import (
    PushPlan,
    PushResult,
    Target,
    plan_push,
    preflight,
    push,
    service_nodes,
    wait_until_up,
)
from ..flows.record import EMPTY
from ..flows.target import MergeTarget
from ..flows.templates import (
    Addition,
    ModelChoice,
    Parameters,
    fill,
    load_flow_file,
    load_template,
)
from ..interaction import Interaction
from ..live.mqtt import MqttSource
from ..live.watching import LiveSource, wait_until_created
from ..settings import Settings
from ..ssh.connection import Connection
from .connect import NODE_RED_SECRETS, confirm_local_file, open_connection

_CREATED_SECONDS = 90.0  # the camera loads the model then, and Node-RED may be busy


@dataclass(frozen=True)
class FlowChoice:
    """The flow to push: the nodes of a template or a file, and the parameters to set in them."""

    name: str
    nodes: tuple[Node, ...]
    parameters: Parameters

    @property
    def has_model_node(self) -> bool:
        """Whether a model node is among the nodes, which name and thresholds can be set in."""
        return any(node["type"] == "model" for node in self.nodes)

    def addition(self, model: ModelChoice) -> Addition:
        """Set the model and the parameters in the nodes. Raises FlowError."""
        return fill(self.name, self.nodes, model, self.parameters)


def choose_flow(
    template: str | None, file: Path | None, parameters: Parameters | None = None
) -> FlowChoice:
    """Read a template, or the flow in a file, and check the parameters.

    Raises FlowError.
    """
    if template and file:
        raise FlowError("--template and --flow exclude each other", "Give one of them.")
    name = str(file) if file else template or "preview"
    nodes = load_flow_file(file) if file else load_template(name)
    choice = FlowChoice(name, nodes, parameters or Parameters())
    choice.addition(ModelChoice())
    return choice


def node_red(settings: Settings, interaction: Interaction, *, ask_token: bool = False) -> NodeRed:
    """Make a client for the camera's Node-RED; it asks for a login if needed and allowed.

    Raises AuthenticationError when `ask_token` is set and questions are not allowed.
    """
    camera = settings.camera
    confirm_local_file(camera, interaction, NODE_RED_SECRETS)

    def ask() -> NodeRedLogin | None:
        if not interaction.may_ask:
            return None
        user = camera.node_red_user or interaction.ask("Node-RED user", "admin")
        return NodeRedLogin(
            user=user, password=interaction.ask_secret(f"Password of {user} for Node-RED: ")
        )

    if ask_token:
        if not interaction.may_ask:
            raise AuthenticationError(
                "there is no terminal to ask for the Node-RED token",
                "Set RECAM_NODERED_TOKEN instead.",
            )
        token = interaction.ask_secret("Node-RED access token: ").get_secret_value().strip()
        camera = camera.model_copy(update={"node_red_token": SecretStr(token)})
    return NodeRed.from_settings(camera, ask, interaction.warn)


def choose_model(
    settings: Settings,
    artifact: Artifact | None,
    connection: Callable[[], Connection],
    tscore: float | None = None,
    tiou: float | None = None,
) -> ModelChoice:
    """Choose the active model for the model node, with the names in its `model.json`.

    Without a `model.json`, the flow keeps its names. Raises FlowError when `artifact` is given and
    is not the active model.
    """
    paths = CameraPaths.from_settings(settings.camera)
    uri = model_uri(paths)
    text = _active_info(settings, paths, connection)
    active = ActiveInfo.parse(text or "")
    choice = ModelChoice(uri, active.name or None, active.classes, tscore, tiou)
    if artifact is None:
        return choice
    if f'"recam-{artifact.sha256[:12]}"' not in (text or ""):
        raise FlowError(
            f"the camera's active model is not {artifact.name}",
            "Deploy it first: `recam deploy` with the same artifact.",
        )
    return replace(choice, name=artifact.name, labels=artifact.labels)


def model_uri(paths: CameraPaths) -> str:
    """Return the path that the model node loads; "" for the camera's usual one.

    Over SSH the camera's files may be below another root than for its services.
    """
    usual = PurePosixPath(ACTIVE_MODEL).parts[1:]
    path = paths.active_model
    return "" if path.parts[-len(usual) :] == usual else str(path)


def _active_info(
    settings: Settings, paths: CameraPaths, connection: Callable[[], Connection]
) -> str | None:
    """Read the camera's `model.json` over HTTP, or else over SSH."""
    try:
        with CameraApi(settings.camera) as api:
            return api.model_info()
    except (ConnectionFailedError, CameraApiError):
        return gather_facts(connection(), paths).info


class LazyConnection:
    """One SSH connection for a whole command, opened at first need; a context manager."""

    def __init__(
        self,
        settings: Settings,
        interaction: Interaction,
        *,
        accept_host_key: bool = False,
        connection: Connection | None = None,
    ) -> None:
        self._settings, self._interaction = settings, interaction
        self._accept = accept_host_key
        self._connection = connection
        self._failed: CameraError | None = None
        self._stack = ExitStack()

    def __enter__(self) -> LazyConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def get(self) -> Connection:
        """Return the connection, opened once; a failure is raised again at each call."""
        if self._failed:
            raise self._failed
        if self._connection is None:
            try:
                self._connection = self._stack.enter_context(
                    open_connection(self._settings, self._interaction, accept_host_key=self._accept)
                )
            except CameraError as error:
                self._failed = error
                raise
        return self._connection

    def keep(self, document: FlowDocument) -> Path:
        """Back up a document here and, if SSH works, on the camera; return the file here."""
        camera = self._settings.camera
        path = Backups.from_settings(camera).keep(document)
        try:
            paths = CameraPaths.from_settings(camera)
            connection = self.get()
            keep_flows(
                connection, gather_facts(connection, paths), paths, path.name, content(document)
            )
        except (ConnectionFailedError, AuthenticationError) as error:
            self._interaction.warn(
                f"the flows before are backed up on this machine only: {error.message}"
            )
        return path


def wanted_flow(
    settings: Settings,
    choice: FlowChoice,
    connection: LazyConnection,
    client: NodeRed | None = None,
    *,
    artifact: Artifact | None = None,
    labels: tuple[str, ...] = (),
    tscore: float | None = None,
    tiou: float | None = None,
) -> Target:
    """Return the target that merges a flow for the camera's active model. Raises FlowError.

    Reads from Node-RED what was pushed before; without a `client`, that is taken as nothing.
    """
    if artifact is None and not any(node["type"] == "model" for node in choice.nodes):
        model = ModelChoice()
    else:
        model = choose_model(settings, artifact, connection.get, tscore, tiou)
    if labels and model.labels:
        refuse_other_count(labels, len(model.labels), model.labels, "the camera's active model")
    addition = choice.addition(replace(model, labels=labels) if labels else model)
    return MergeTarget(addition, client.recorded() if client else EMPTY)


def warn_of_overwriting(interaction: Interaction) -> Callable[[PushPlan], None]:
    """Return an `approve` for `push` that allows all, and warns of changes on the camera."""

    def approve(plan: PushPlan) -> None:
        for one in plan.overwritten:
            interaction.warn(one.line)

    return approve


def plan_flow(client: NodeRed, target: Target, *, check: bool = False) -> PushPlan:
    """Plan a push; with `check`, raise NodeRedError when Node-RED lacks a node type."""
    plan = plan_push(client.read(), target)
    if check:
        preflight(plan.nodes, client.facts())
    return plan


def push_and_wait(
    settings: Settings,
    interaction: Interaction,
    client: NodeRed,
    target: Target,
    connection: LazyConnection,
    *,
    approve: Callable[[PushPlan], None],
    restart: bool,
    exact: bool = False,
) -> PushResult:
    """Push, and wait until the nodes run. `approve` raises to refuse a plan.

    Raises what `push` raises, and LiveError when the flow was pushed but the camera's service could
    not create a node.
    """
    with service_messages(settings) as source:
        pushed = push(
            client,
            target,
            interaction,
            approve=approve,
            keep=connection.keep,
            restart=restart,
            exact=exact,
        )
        try:
            return await_nodes(client, pushed, source, interaction)
        except LiveError as error:
            raise LiveError(f"the flow is pushed, but {error.message}", error.hint) from error


def choose_backup(settings: Settings, name: str | None) -> tuple[Path, FlowDocument]:
    """Read the backup of that name; by default the newest that holds any nodes. Raises FlowError.

    An empty one was made where there were no flows, as after a reset.
    """
    store = Backups.from_settings(settings.camera)
    newest = store.newest() if name is None else None
    return store.read(newest.name if newest else name)


def missing_credentials(
    client: NodeRed, kept: FlowDocument, pushed: PushResult
) -> tuple[LostCredentials, ...]:
    """Return the nodes that are without credentials after `kept` was restored."""
    before = pushed.nodes if pushed.before is None else pushed.before
    return lost_credentials(kept, before, client.credentials)


@contextlib.contextmanager
def service_messages(settings: Settings) -> Iterator[MqttSource | None]:
    """Receive the service's messages from now on; yield None when the broker cannot be used."""
    camera = settings.camera
    try:
        source = MqttSource(camera.direct_host, camera.mqtt_port, timeout=camera.timeout)
    except ConnectionFailedError:
        yield None
        return
    try:
        source.drain()
        yield source
    finally:
        source.close()


def await_nodes(
    client: NodeRed, pushed: PushResult, source: LiveSource | None, interaction: Interaction
) -> PushResult:
    """Wait until the pushed flow runs; `nodes_ready` of the result says whether it does.

    Raises LiveError when the camera's service could not create a node.
    """
    ready = wait_until_up(client, interaction)
    if ready and source and pushed.camera_restarted:
        # The camera's watchdog may have stopped and started the flows meanwhile.
        created = _wait_for_service(source, pushed, interaction)
        ready = created and wait_until_up(client, interaction)
    return replace(pushed, nodes_ready=ready)


def _wait_for_service(source: LiveSource, pushed: PushResult, interaction: Interaction) -> bool:
    try:
        return wait_until_created(
            source, service_nodes(pushed.nodes), _CREATED_SECONDS, interaction
        )
    except ConnectionFailedError:
        return False
