"""`recam deploy` and `recam test`: put a model in place on the camera, and try it there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .boundary import bounded
from .flow_options import Via, Way
from .options import (
    AcceptHostKey,
    ArtifactPath,
    AsJson,
    CameraName,
    DryRun,
    Host,
    Key,
    Labels,
    Output,
    Port,
    Runner,
    User,
)

if TYPE_CHECKING:
    from ..artifact import Artifact
    from ..camera.deployment import Deployment, PlanStep
    from ..camera.smoke import SmokeReport
    from ..console import Terminal
    from ..settings import Settings


@bounded
def deploy(
    artifact: ArtifactPath,
    labels: Labels = None,
    via: Via = Way.ssh,
    dry_run: DryRun = False,
    host: Host = None,
    camera: CameraName = None,
    port: Port = None,
    user: User = None,
    key: Key = None,
    accept_host_key: AcceptHostKey = False,
    as_json: AsJson = False,
) -> None:
    """Put a model and its class names in place on the camera.

    The upload is checked by sha256 on the camera before the switch; a model that is in place
    already is not sent again. The running flow loads it when it is next deployed in Node-RED.

    Example: recam deploy yolo11n_int8.json --host 192.168.42.1
    """
    from ..camera.deployment import apply
    from ..console import Terminal
    from .actions import plan_for
    from .login import camera_settings, open_remote

    terminal = Terminal(as_json=as_json)
    settings = camera_settings(host, port, user, key, camera)
    model = _read_artifact(artifact, labels)
    if via is Way.http:
        _deploy_over_http(terminal, settings, model, dry_run=dry_run)
        return
    with open_remote(settings, accept_host_key=accept_host_key, as_json=as_json) as remote:
        plan = plan_for(remote, settings, model)
        if dry_run:
            terminal.result(plan.as_json(), _step_lines(plan.steps))
            return
        deployment = apply(plan, remote, terminal)
    terminal.result(deployment.as_json(), deployment_lines(deployment))


def _deploy_over_http(
    terminal: Terminal, settings: Settings, model: Artifact, *, dry_run: bool
) -> None:
    from ..camera.http import CameraApi
    from ..camera.http_deployment import apply_http, plan_http_deployment
    from ..camera.layout import CameraLayout

    layout = CameraLayout.from_settings(settings.camera)
    with CameraApi(settings.camera) as api:
        plan = plan_http_deployment(model, api, layout, terminal)
        if dry_run:
            terminal.result(plan.as_json(), _step_lines(plan.steps))
            return
        deployment = apply_http(plan, api, terminal)
    terminal.result(deployment.as_json(), deployment_lines(deployment))


def _step_lines(steps: tuple[PlanStep, ...]) -> list[str]:
    if not steps:
        return ["nothing to do: it is in place already"]
    return [f"{step.action} {step.path}: {step.reason}" for step in steps]


@bounded
def test(
    artifact: ArtifactPath,
    image: Annotated[
        Path, typer.Option(help="The picture to run the model on.", show_default=False)
    ],
    runner: Runner = None,
    output: Output = Path("Out.jpg"),
    labels: Labels = None,
    host: Host = None,
    camera: CameraName = None,
    port: Port = None,
    user: User = None,
    key: Key = None,
    accept_host_key: AcceptHostKey = False,
    as_json: AsJson = False,
) -> None:
    """Run a model on the camera's own TPU with one picture, and bring the result back.

    Uses the camera's test binary `sscma-model` under sudo. Out.jpg is the camera's own drawing,
    with class numbers; Out.labeled.jpg is the original picture with class names.

    Example: recam test yolo11n_int8.json --image bus.jpg --host 192.168.42.1
    """
    from ..camera.deployment import check_artifact
    from ..console import Terminal
    from .actions import prepare_smoke_test, smoke_test
    from .login import camera_settings, open_remote

    terminal = Terminal(as_json=as_json)
    settings = camera_settings(host, port, user, key, camera)
    model = _read_artifact(artifact, labels)
    check_artifact(model)
    inputs = prepare_smoke_test(settings, image, runner, output)
    with open_remote(settings, accept_host_key=accept_host_key, as_json=as_json) as remote:
        report = smoke_test(remote, settings, model, inputs, terminal)
    terminal.result(report.as_json(), smoke_lines(report))


def _read_artifact(path: Path, labels: Path | None) -> Artifact:
    from ..artifact import load_artifact
    from ..camera.acceptance import check_read_right
    from ..camera.deployment import check_artifact
    from ..network.labels import read_labels

    artifact = load_artifact(path, read_labels(labels) if labels else ())
    check_artifact(artifact)
    check_read_right(artifact)
    return artifact


def deployment_lines(deployment: Deployment) -> list[str]:
    """What was done, for people."""
    if not deployment.uploaded_bytes:
        return [f"{deployment.active} is in place already (sha256 {deployment.sha256[:12]})"]
    return [
        f"{deployment.active} is in place (sha256 {deployment.sha256[:12]}, "
        f"{deployment.uploaded_bytes / 1e6:.1f} MB sent)"
    ]


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
