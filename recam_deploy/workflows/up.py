"""Convert, deploy, test and show live in one run, or plan all of it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..artifact import Artifact
from ..camera.deployment import Deployment
from ..camera.deployment_plan import DeploymentPlan
from ..camera.paths import CameraPaths
from ..camera.smoke_test.run import SmokeReport
from ..conversion.convert import ConversionResult
from ..conversion.finished import find_finished
from ..errors import CameraError
from ..evaluation.evaluate import Evaluation
from ..files import stem_of
from ..flows.push import PushPlan
from ..flows.target import MergeTarget
from ..flows.templates import ModelChoice
from ..interaction import Interaction
from ..settings import Settings
from . import WAIT_SECONDS
from .convert import PreparedConversion, run_conversion
from .deploy import SmokeInputs, deploy_tested, open_camera, plan_for
from .evaluate import measure_conversion
from .flows import FlowChoice, model_uri, node_red, plan_flow
from .go_live import GoLiveContext, LiveOutcome, go_live


@dataclass(frozen=True)
class UpResult:
    """The results of the steps, and the seconds that each took.

    `outcome` is the result of going live; it is empty without a flow. `evaluation` is the accuracy
    on labelled pictures, where there are any.
    """

    conversion: ConversionResult
    deployment: Deployment
    smoke: SmokeReport
    seconds: dict[str, float]
    outcome: LiveOutcome
    evaluation: Evaluation | None = None


def run_up(
    settings: Settings,
    interaction: Interaction,
    conversion: PreparedConversion,
    smoke: SmokeInputs,
    *,
    accept_host_key: bool = False,
    flow: FlowChoice | None = None,
    wait: float = WAIT_SECONDS,
) -> UpResult:
    """Log in, then convert, deploy, test and, with `flow`, go live.

    The login comes first, so that a wrong password shows before the conversion. Raises RecamError
    when a step before going live fails, or the model loses more accuracy than the settings allow; a
    later problem is in the result.
    """
    started = time.monotonic()
    if flow:
        _ = settings.camera.direct_host  # refused before the conversion, not after it
    with open_camera(settings, interaction, accept_host_key=accept_host_key) as camera:
        converted = run_conversion(settings, interaction, conversion)
        converted, evaluation = measure_conversion(settings, interaction, conversion, converted)
        seconds = {"convert": time.monotonic() - started}
        artifact = converted.artifact
        with camera.hold_lock(f"deploying {artifact.name}", wait) as lock:
            done = deploy_tested(camera, artifact, smoke, lock)
            seconds |= {"deploy": done.deploy_seconds, "test": done.test_seconds}
            outcome = LiveOutcome()
            if flow:
                began = time.monotonic()
                outcome = go_live(GoLiveContext(camera, lock), artifact, done.deployment, flow)
                seconds["live"] = time.monotonic() - began
    rounded = {name: round(value, 2) for name, value in seconds.items()}
    return UpResult(converted, done.deployment, done.report, rounded, outcome, evaluation)


@dataclass(frozen=True)
class UpPlan:
    """The plans of the steps of `run_up`.

    `finished` is the cvimodel of an earlier run; without it no deployment can be planned. `flow` is
    None when none is wanted, or Node-RED cannot be reached.
    """

    conversion: PreparedConversion
    finished: Artifact | None
    deployment: DeploymentPlan | None
    flow: PushPlan | None


def plan_up(
    settings: Settings,
    interaction: Interaction,
    prepared: PreparedConversion,
    choice: FlowChoice | None,
    *,
    accept_host_key: bool = False,
) -> UpPlan:
    """Gather the camera's facts and plan all steps; change nothing.

    Raises CameraError when the camera cannot be reached. Warns when its Node-RED cannot be.
    """
    finished = find_finished(prepared.plan, settings.cache_dir)
    with open_camera(settings, interaction, accept_host_key=accept_host_key) as camera:
        deployment = plan_for(camera, finished, tries=True) if finished else None
    flow = _plan_flow(settings, interaction, prepared, choice) if choice else None
    return UpPlan(prepared, finished, deployment, flow)


def _plan_flow(
    settings: Settings,
    interaction: Interaction,
    prepared: PreparedConversion,
    choice: FlowChoice,
) -> PushPlan | None:
    network = prepared.plan.network
    uri = model_uri(CameraPaths.from_settings(settings.camera))
    addition = choice.addition(ModelChoice(uri, stem_of(network.path), network.labels))
    try:
        with node_red(settings, interaction) as client:
            return plan_flow(client, MergeTarget(addition, client.recorded()), check=True)
    except CameraError as error:
        interaction.warn(f"the flow could not be planned: {error.message}")
        return None
