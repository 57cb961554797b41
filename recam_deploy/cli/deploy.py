"""`recam deploy` and `recam test`: put a model in place on the camera, and try it there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .error_handler import bounded
from .options.camera import WAIT_SECONDS, CameraFlags, Wait
from .options.common import ArtifactPath, AsJson, DryRun, Labels, NoTry, Output, Runner
from .options.flow import Via, Way
from .options.groups import grouped

if TYPE_CHECKING:
    from ..artifact import Artifact
    from ..camera.deployment import Deployment
    from ..camera.plan import DeploymentPlan, PlanStep
    from ..camera.smoke_test.run import SmokeReport
    from ..settings import Settings
    from ..terminal import Terminal


@bounded
@grouped
def deploy(
    artifact: ArtifactPath,
    camera: CameraFlags,
    labels: Labels = None,
    via: Via = Way.ssh,
    dry_run: DryRun = False,
    no_try: NoTry = False,
    wait: Wait = WAIT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Put a model and its class names in place on the camera.

    The upload is checked by sha256 there and, where the camera has its test binary, loaded and run
    once on the TPU; then it is switched to in one step. A model that is in place or in the
    camera's history is not sent again, and an upload that was cut off is gone on with. The model
    before is kept: see `recam rollback`. The running flow loads the new one when it is next
    deployed in Node-RED.

    Example: recam deploy yolo11n_int8.json --host 192.168.42.1
    """
    from ..terminal import Terminal
    from .camera_actions import deploy_artifact, plan_for
    from .login import open_connection

    terminal = Terminal(as_json=as_json)
    settings = camera.settings()
    model = _read_artifact(artifact, labels)
    if via is Way.http:
        _deploy_over_http(terminal, settings, model, dry_run=dry_run)
        return
    with open_connection(settings, terminal, accept_host_key=camera.accept_host_key) as connection:
        if dry_run:
            print_plan(terminal, plan_for(connection, settings, model, tries=not no_try))
            return
        deployment = deploy_artifact(
            connection, settings, model, terminal, wait=wait, tries=not no_try
        )
    if deployment.tried and not deployment.tried.done and not no_try:
        terminal.warn(deployment.tried.note)
    terminal.result(deployment.as_json(), deployment_lines(deployment))


def _deploy_over_http(
    terminal: Terminal, settings: Settings, model: Artifact, *, dry_run: bool
) -> None:
    from ..camera.paths import CameraPaths
    from ..camera.web_api import CameraApi
    from ..camera.web_deployment import apply_http, plan_http_deployment

    paths = CameraPaths.from_settings(settings.camera)
    with CameraApi(settings.camera) as api:
        plan = plan_http_deployment(model, api, paths, terminal)
        if dry_run:
            terminal.result(plan.as_json(), _plan_lines(plan.steps))
            return
        deployment = apply_http(plan, api, terminal)
    terminal.result(deployment.as_json(), deployment_lines(deployment))


@bounded
@grouped
def test(
    artifact: ArtifactPath,
    camera: CameraFlags,
    image: Annotated[
        Path, typer.Option(help="The picture to run the model on.", show_default=False)
    ],
    runner: Runner = None,
    output: Output = Path("Out.jpg"),
    labels: Labels = None,
    wait: Wait = WAIT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Run a model on the camera's own TPU with one picture, and bring the result back.

    Uses the camera's test binary `sscma-model` under sudo. Out.jpg is the camera's own drawing,
    with class numbers; Out.labeled.jpg is the original picture with class names.

    Example: recam test yolo11n_int8.json --image bus.jpg --host 192.168.42.1
    """
    from ..terminal import Terminal
    from .camera_actions import at_work, prepare_smoke_test, smoke_test
    from .login import open_connection

    terminal = Terminal(as_json=as_json)
    settings = camera.settings()
    model = _read_artifact(artifact, labels)
    inputs = prepare_smoke_test(settings, image, runner, output)
    with (
        open_connection(settings, terminal, accept_host_key=camera.accept_host_key) as connection,
        at_work(connection, settings, f"testing {model.name}", terminal, wait),
    ):
        report = smoke_test(connection, settings, model, inputs, terminal)
    terminal.result(report.as_json(), smoke_lines(report))


def _read_artifact(path: Path, labels: Path | None) -> Artifact:
    from ..artifact import load_artifact
    from ..camera.checks import check_artifact, check_read_right
    from ..class_names import read_labels

    artifact = load_artifact(path, read_labels(labels) if labels else ())
    check_artifact(artifact)
    check_read_right(artifact)
    return artifact


def deployment_lines(deployment: Deployment) -> list[str]:
    """What was done, for people."""
    if not deployment.changed:
        return [f"{deployment.active} is in place already (sha256 {deployment.sha256[:12]})"]
    tried = deployment.tried
    return [
        f"{deployment.active} is in place (sha256 {deployment.sha256[:12]}, "
        f"{deployment.uploaded_bytes / 1e6:.1f} MB sent)",
        *([tried.note] if tried and tried.done else []),
    ]


def print_plan(terminal: Terminal, plan: DeploymentPlan) -> None:
    """What would be done, and who would have to be waited for."""
    terminal.result(plan.as_json(), deployment_plan_lines(plan))


def deployment_plan_lines(plan: DeploymentPlan) -> list[str]:
    """The same as lines."""
    waiting = [f"wait for {plan.facts.lock}"] if plan.facts.lock and plan.steps else []
    return [*waiting, *_plan_lines(plan.steps)]


def _plan_lines(steps: tuple[PlanStep, ...]) -> list[str]:
    if not steps:
        return ["nothing to do: it is in place already"]
    return [f"{step.action} {step.path}: {step.reason}" for step in steps]


def smoke_lines(report: SmokeReport) -> list[str]:
    """What was found, for people."""
    lines = [
        f"  {d.label:<16} {d.score:.2f}  at {', '.join(f'{side:.0f}' for side in d.box)}"
        for d in report.detections
    ]
    timings = report.timings
    if timings:
        lines.append(
            f"preprocess {timings.preprocess} ms, inference {timings.inference} ms, "
            f"postprocess {timings.postprocess} ms"
        )
    return [
        f"{len(report.detections)} objects found on the camera:",
        *lines,
        f"the camera's picture: {report.output}",
        f"with names:           {report.labeled}",
    ]
