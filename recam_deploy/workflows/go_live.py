"""Show a deployed model live; after a failure restore the model and the flows from before.

The model fails when the camera's service cannot create a node of the flow, or sends no results.
When Node-RED or the service cannot be reached, the model stays, for it has passed its smoke test.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..artifact import Artifact
from ..camera.deployment import Deployment
from ..camera.history import RevertResult, revert
from ..camera.lock import Lock
from ..camera.web_api import CameraApi
from ..errors import (
    CameraApiError,
    CameraError,
    ConnectionFailedError,
    FlowError,
    LiveError,
    PartlyDoneError,
    RecamError,
    RolledBackError,
)
from ..flows.client import NodeRed
from ..flows.diff import compare
from ..flows.document import FlowDocument, Node
from ..flows.push import PushResult, push, wait_until_up
from ..flows.target import MergeTarget
from ..flows.templates import ModelChoice
from ..live.mqtt import MqttSource
from ..live.watching import LiveReport, collect, open_source
from .deploy import CameraContext
from .flows import (
    FlowChoice,
    LazyConnection,
    await_nodes,
    missing_credentials,
    model_uri,
    node_red,
    service_messages,
    warn_of_overwriting,
)

_FIRST_SECONDS = 60.0
_EVENTS = 10
_EVENTS_SECONDS = 1.5  # long enough to measure the speed
_LEAST_EVENTS = 3  # however slow the camera is
_SETTLE_SECONDS = 60.0
_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class RolledBack:
    """Whether the model and the flows were restored after a model has failed live."""

    model: bool
    flow: bool

    def as_json(self) -> dict[str, Any]:
        """Return `rolled_back` of `up --json`."""
        return {"model": self.model, "flow": self.flow}


@dataclass(frozen=True)
class LiveOutcome:
    """The pushed flow with its first live results, or the problem; empty without a flow."""

    flow: PushResult | None = None
    live: LiveReport | None = None
    problem: RecamError | None = None
    rolled_back: RolledBack | None = None


@dataclass(frozen=True)
class GoLiveContext:
    """The camera, and its lock, which the caller holds."""

    camera: CameraContext
    lock: Lock

    def lazy_connection(self) -> LazyConnection:
        """Wrap the open connection for code that opens one when needed."""
        return LazyConnection(
            self.camera.settings, self.camera.interaction, connection=self.camera.connection
        )


def go_live(
    context: GoLiveContext, artifact: Artifact, deployment: Deployment, choice: FlowChoice
) -> LiveOutcome:
    """Push the flow for this artifact and wait for its first results.

    Raises no RecamError: problems are in the result. Unchanged flows are restarted, since they may
    have loaded another model.
    """
    settings, interaction = context.camera.settings, context.camera.interaction
    uri = model_uri(context.camera.paths)
    addition = choice.addition(ModelChoice(uri, artifact.name, artifact.labels))
    try:
        with (
            service_messages(settings) as source,
            context.lazy_connection() as connection,
            node_red(settings, interaction) as client,
        ):
            pushed = push(
                client,
                MergeTarget(addition, client.recorded()),
                interaction,
                approve=warn_of_overwriting(interaction),
                keep=connection.keep,
                restart=True,
            )
            try:
                return _live(context, client, pushed, source)
            except LiveError as error:
                return _revert(context, deployment, client, pushed, source, error)
    except (CameraError, FlowError) as error:
        problem = PartlyDoneError(
            f"the model is deployed and tested, but it is not live: {error.message}",
            f"{error.hint} Then run `recam flow push`, or skip this step with --no-flow.".strip(),
        )
        return LiveOutcome(problem=problem)


def _live(
    context: GoLiveContext, client: NodeRed, pushed: PushResult, source: MqttSource | None
) -> LiveOutcome:
    """Wait for the flow and its first results; once more where the camera's services restart.

    Their watchdog restarts a service that does not answer for three seconds, and then the flows
    (serviced.h of the supervisor): what it interrupts is no failure of the model. Raises LiveError.
    """
    interaction = context.camera.interaction
    try:
        pushed = await_nodes(client, pushed, source, interaction)
        return LiveOutcome(pushed, _first_results(context, pushed, source))
    except LiveError:
        if not _restarting(context, client):
            raise
    interaction.say("The camera is restarting its services; waiting for them.")
    until = time.monotonic() + _SETTLE_SECONDS
    while _restarting(context, client) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
    if source:
        source.drain()
    pushed = replace(pushed, nodes_ready=wait_until_up(client, interaction))
    return LiveOutcome(pushed, _first_results(context, pushed, source))


def _restarting(context: GoLiveContext, client: NodeRed) -> bool:
    """Return whether Node-RED or its flows do not run, or the camera says so of a service."""
    try:
        if client.runs() is False:
            return True
    except ConnectionFailedError:  # it was there when the flows were pushed
        return True
    try:
        with CameraApi(context.camera.settings.camera) as api:
            return any(api.services().values())
    except (ConnectionFailedError, CameraApiError):
        return False


def _first_results(
    context: GoLiveContext, pushed: PushResult, source: MqttSource | None
) -> LiveReport:
    """Wait for the first events, and a few more to measure the speed. Raises LiveError."""
    if pushed.problem:
        raise pushed.problem
    live = source or open_source(context.camera.settings.camera)
    try:
        with context.camera.interaction.step("Waiting for live results") as step:
            return collect(
                live,
                count=_EVENTS,
                seconds=_EVENTS_SECONDS,
                first_within=_FIRST_SECONDS,
                at_least=_LEAST_EVENTS,
                show=lambda collector, _: step.update(done=collector.count, total=_EVENTS),
            )
    finally:
        if live is not source:
            live.close()


def _revert(
    context: GoLiveContext,
    deployment: Deployment,
    client: NodeRed,
    pushed: PushResult,
    source: MqttSource | None,
    failed: LiveError,
) -> LiveOutcome:
    """Restore the model, then the flows, which load it when they restart."""
    context.camera.interaction.say(
        f"The model fails live ({failed.message}). Restoring the model before."
    )
    model = revert(
        deployment,
        context.camera.connection,
        context.camera.paths,
        context.lock,
        context.camera.interaction,
        keep=context.camera.settings.camera.history,
    )
    flow = _revert_flows(context, client, pushed, source) if model.done else RevertResult(False, "")
    reasons = "; ".join(filter(None, [failed.message, model.message, flow.message]))
    kind = RolledBackError if model.done and flow.done else PartlyDoneError
    return LiveOutcome(
        flow=pushed,
        problem=kind(f"the model passed its smoke test, but failed live: {reasons}", failed.hint),
        rolled_back=RolledBack(model.done, flow.done),
    )


def _revert_flows(
    context: GoLiveContext, client: NodeRed, pushed: PushResult, source: MqttSource | None
) -> RevertResult:
    """Restore the flows, or restart unchanged ones, and wait until they run.

    Flows that someone else has changed since stay as they are.
    """

    def target(nodes: Sequence[Node]) -> tuple[Node, ...]:
        others = bool(compare(nodes, pushed.nodes))
        return tuple(nodes) if others or pushed.before is None else pushed.before

    try:
        if source:
            source.drain()
        with context.lazy_connection() as connection:
            restored = push(
                client,
                target,
                context.camera.interaction,
                approve=lambda _: None,
                keep=connection.keep,
                restart=True,
                exact=True,
            )
    except RecamError as error:
        return RevertResult(
            False, f"the flows could not be restored ({error.message}); run `recam flow restore`"
        )
    if pushed.before is not None and not restored.changes:
        return RevertResult(
            False, "the flows were not restored, since someone else has changed them"
        )
    done = "the flows were restored" if restored.changes else "the flows were restarted"
    done += _without_credentials(client, pushed, restored)
    try:
        restored = await_nodes(client, restored, source, context.camera.interaction)
    except LiveError as error:
        return RevertResult(True, f"{done}, but {error.message}")
    return RevertResult(True, done if restored.nodes_ready else f"{done}, but do not run yet")


def _without_credentials(client: NodeRed, pushed: PushResult, restored: PushResult) -> str:
    """Name the nodes that have lost their credentials; "" without any."""
    if pushed.before is None:
        return ""
    kept = FlowDocument(pushed.before, credentials=pushed.credentials_before)
    lost = missing_credentials(client, kept, restored)
    return "".join(f"; {one.line}" for one in lost)
