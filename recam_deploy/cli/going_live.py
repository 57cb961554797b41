"""The end of `up`: the flow runs and shows what the model finds, or all is as it was before.

Going back is for a model that fails where it can be seen to fail: the camera's service cannot make
a node of the flow, or gives no results. Where Node-RED or the service cannot be reached at all
nothing is known of the model, which has passed its smoke test and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..artifact import Artifact
from ..camera.deployment import Deployment
from ..camera.history import PutBack, put_back
from ..camera.lock import Lock
from ..camera.paths import CameraPaths
from ..errors import (
    CameraError,
    FlowError,
    LiveError,
    PartlyDoneError,
    RecamError,
    RolledBackError,
)
from ..flows.client import NodeRed
from ..flows.diff import compare
from ..flows.document import Node
from ..flows.merge import merge
from ..flows.push import Pushed, push
from ..flows.templates import ModelChoice
from ..live.mqtt import MqttSource
from ..live.watching import LiveReport, collect, open_source
from ..settings import Settings
from ..ssh.connection import Connection
from ..terminal import Terminal
from .flow_actions import (
    Connections,
    FlowChoice,
    await_nodes,
    listening,
    model_uri,
    node_red,
)

_FIRST_SECONDS = 60.0
_EVENTS = 10
_EVENTS_SECONDS = 1.5  # to tell the speed by, and
_LEAST_EVENTS = 3  # where the camera is slower than that


@dataclass(frozen=True)
class RolledBack:
    """Whether the camera's model and its flows are what they were before the run, or are again,
    after a model has failed live."""

    model: bool
    flow: bool

    def as_json(self) -> dict[str, Any]:
        """As `up --json` shows it."""
        return {"model": self.model, "flow": self.flow}


@dataclass(frozen=True)
class Outcome:
    """The flow that runs with its first results, or the problem in the way of that."""

    flow: Pushed | None = None
    live: LiveReport | None = None
    problem: RecamError | None = None
    rolled_back: RolledBack | None = None


@dataclass(frozen=True)
class Place:
    """The camera that is worked on: logged in to, and its lock held."""

    settings: Settings
    terminal: Terminal
    connection: Connection
    lock: Lock


def go_live(
    place: Place, artifact: Artifact, deployment: Deployment, choice: FlowChoice
) -> Outcome:
    """Push the flow for this artifact and wait for its first results; raises no RecamError.

    Flows that need no change are restarted: nothing tells which model they have loaded.
    """
    settings, terminal = place.settings, place.terminal
    uri = model_uri(CameraPaths.from_settings(settings.camera))
    addition = choice.addition(ModelChoice(uri, artifact.name, artifact.labels))
    connections = Connections(
        settings, terminal, accept_host_key=False, connection=place.connection
    )
    try:
        with (
            listening(settings) as source,
            connections,
            node_red(settings, terminal) as client,
        ):
            pushed = push(
                client,
                lambda nodes: merge(nodes, addition),
                terminal,
                approve=lambda _: None,
                keep=connections.keep,
                restart=True,
            )
            try:
                pushed = await_nodes(client, pushed, source, terminal)
                return Outcome(pushed, _first_results(place, pushed, source))
            except LiveError as error:
                return _go_back(place, deployment, client, pushed, source, error)
    except (CameraError, FlowError) as error:
        problem = PartlyDoneError(
            f"the model is deployed and tested, but it is not live: {error.message}",
            f"{error.hint} Then run `recam flow push`; --no-flow leaves this step out.".strip(),
        )
        return Outcome(problem=problem)


def _first_results(place: Place, pushed: Pushed, source: MqttSource | None) -> LiveReport:
    """Wait for the first events, and a few more to tell the speed by. Raises LiveError."""
    if pushed.problem:
        raise pushed.problem
    live = source or open_source(place.settings.camera)
    try:
        with place.terminal.step("Waiting for live results") as step:
            return collect(
                live,
                count=_EVENTS,
                seconds=_EVENTS_SECONDS,
                first_within=_FIRST_SECONDS,
                at_least=_LEAST_EVENTS,
                show=lambda seen, _: step.update(done=seen.count, total=_EVENTS),
            )
    finally:
        if live is not source:
            live.close()


def _go_back(
    place: Place,
    deployment: Deployment,
    client: NodeRed,
    pushed: Pushed,
    source: MqttSource | None,
    failed: LiveError,
) -> Outcome:
    """The model first, so that the flows load it when they start anew."""
    place.terminal.say(f"The model fails live ({failed.message}); going back.")
    model = put_back(
        deployment,
        place.connection,
        CameraPaths.from_settings(place.settings.camera),
        place.lock,
        place.terminal,
        keep=place.settings.camera.history,
    )
    flow = _flows_back(place, client, pushed, source) if model.done else PutBack(False, "")
    words = "; ".join(filter(None, [failed.message, model.words, flow.words]))
    kind = RolledBackError if model.done and flow.done else PartlyDoneError
    return Outcome(
        flow=pushed,
        problem=kind(f"the model passed its smoke test, and failed live: {words}", failed.hint),
        rolled_back=RolledBack(model.done, flow.done),
    )


def _flows_back(
    place: Place, client: NodeRed, pushed: Pushed, source: MqttSource | None
) -> PutBack:
    """Put the flows back, or restart them where they were not changed, and wait until they run.

    What others have made of them since stays.
    """

    def target(nodes: Sequence[Node]) -> tuple[Node, ...]:
        others = bool(compare(nodes, pushed.nodes))
        return tuple(nodes) if others or pushed.before is None else pushed.before

    connections = Connections(
        place.settings, place.terminal, accept_host_key=False, connection=place.connection
    )
    try:
        if source:
            source.drain()
        with connections:
            back = push(
                client,
                target,
                place.terminal,
                approve=lambda _: None,
                keep=connections.keep,
                restart=True,
                exact=True,
            )
    except RecamError as error:
        return PutBack(
            False, f"the flows could not be put back ({error.message}): `recam flow restore`"
        )
    if pushed.before is not None and not back.changes:
        return PutBack(False, "the flows stay: someone else has changed them since")
    done = "the flows are as they were" if back.changes else "the flows were restarted"
    try:
        back = await_nodes(client, back, source, place.terminal)
    except LiveError as error:
        return PutBack(True, f"{done}, but {error.message}")
    return PutBack(True, done if back.nodes_ready else f"{done}, but do not run yet")
