"""What `recam up` would do: the conversion, the deployment, and the flow, each as its own plan."""

from __future__ import annotations

from typing import Any

from ..artifact import Artifact
from ..camera.paths import CameraPaths
from ..camera.plan import DeploymentPlan
from ..conversion.finished import finished_before
from ..errors import CameraError
from ..files import stem_of
from ..flows.merge import merge
from ..flows.push import PushPlan, plan_push, preflight
from ..flows.templates import ModelChoice
from ..settings import Settings
from ..terminal import Terminal
from .actions import PreparedConversion
from .camera_actions import plan_for
from .convert import planned_document, planned_lines
from .deploy import deployment_plan_lines
from .flow_actions import FlowChoice, model_uri, node_red, plan_lines
from .login import open_connection

_UNKNOWN = "depends on the cvimodel, which is not made yet"


def print_up_plan(
    settings: Settings,
    terminal: Terminal,
    prepared: PreparedConversion,
    choice: FlowChoice | None,
    *,
    accept_host_key: bool,
) -> None:
    """Look at the camera and print the plans; nothing is changed, here or there.

    The deployment can only be planned for a cvimodel that an earlier run has made. Raises
    CameraError when the camera cannot be looked at; where its Node-RED cannot, that is told.
    """
    made = finished_before(prepared.plan, settings.cache_dir)
    with open_connection(settings, terminal, accept_host_key=accept_host_key) as connection:
        deployment = plan_for(connection, settings, made, tries=True) if made else None
    flow = _plan_flow(settings, terminal, prepared, choice) if choice else None
    document: dict[str, Any] = {
        "conversion": {**planned_document(prepared), "finished": made is not None},
        "deployment": deployment and deployment.as_json(),
        "flow": flow and flow.changes.as_json(),
    }
    terminal.result(document, _lines(prepared, made, deployment, flow))


def _plan_flow(
    settings: Settings, terminal: Terminal, prepared: PreparedConversion, choice: FlowChoice
) -> PushPlan | None:
    network = prepared.plan.network
    uri = model_uri(CameraPaths.from_settings(settings.camera))
    addition = choice.addition(ModelChoice(uri, stem_of(network.path), network.labels))
    try:
        with node_red(settings, terminal) as client:
            plan = plan_push(client.read(), lambda nodes: merge(nodes, addition))
            preflight(plan.nodes, client.facts())
    except CameraError as error:
        terminal.warn(f"the flow could not be pushed: {error.message}")
        return None
    return plan


def _lines(
    prepared: PreparedConversion,
    made: Artifact | None,
    deployment: DeploymentPlan | None,
    flow: PushPlan | None,
) -> list[str]:
    converting = ["# nothing to compile: made by an earlier run"] if made else []
    return [
        "# convert",
        *(converting or planned_lines(prepared)),
        "",
        "# deploy and test",
        *(deployment_plan_lines(deployment) if deployment else [_UNKNOWN]),
        *(["", "# Node-RED", *plan_lines(flow)] if flow else []),
    ]
