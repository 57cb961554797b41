"""Run `recam deploy` and `recam test`: deploy a model, or run it on the camera with one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..workflows import WAIT_SECONDS
from .error_handler import FAILED, bounded
from .options.camera import CameraFlags, Wait
from .options.common import ArtifactPath, AsJson, DryRun, Force, Labels, NoTry, Output, Runner
from .options.flow import Via, Way
from .options.groups import grouped

if TYPE_CHECKING:
    from ..artifact import Artifact
    from ..camera.deployment import Deployment
    from ..camera.deployment_plan import DeploymentPlan, PlanStep
    from ..camera.smoke_test.run import SmokeReport
    from ..settings import Settings
    from ..terminal import Terminal
    from ..workflows.exact import Difference, ExactReport


@bounded
@grouped
def deploy(
    artifact: ArtifactPath,
    camera: CameraFlags,
    labels: Labels = None,
    via: Via = Way.ssh,
    dry_run: DryRun = False,
    no_try: NoTry = False,
    force: Force = False,
    wait: Wait = WAIT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Make a model, with its class names, the active one on the camera.

    The camera checks the upload by sha256 and, where it has its test binary, loads and runs the
    model once on the TPU. Then one rename makes it the active model. A model that is active or in
    the camera's history is not sent again; an interrupted upload is resumed. The model before is
    kept: see `recam rollback`. The running flow loads the new one when it is next deployed in
    Node-RED.

    Example: recam deploy yolo11n_int8.json --host 192.168.42.1
    """
    from ..terminal import Terminal
    from ..workflows.deploy import deploy_artifact, open_camera, plan_for, read_artifact

    terminal = Terminal(as_json=as_json)
    settings = camera.settings()
    model = read_artifact(artifact, labels, interaction=terminal, force=force)
    if via is Way.http:
        _deploy_over_http(terminal, settings, model, dry_run=dry_run)
        return
    with open_camera(settings, terminal, accept_host_key=camera.accept_host_key) as context:
        if dry_run:
            print_plan(terminal, plan_for(context, model, tries=not no_try))
            return
        deployment = deploy_artifact(context, model, wait=wait, tries=not no_try)
    if deployment.trial and not deployment.trial.ran and not no_try:
        terminal.warn(deployment.trial.message)
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
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Instead compare the TPU's raw outputs bit for bit with the compiler's simulator "
            "on this machine, and with the emulator where that is proved; exit code 1 where they "
            "differ. Needs python3 on the camera.",
        ),
    ] = False,
    wait: Wait = WAIT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Run a model on the camera's TPU with one picture, and fetch the result.

    Runs the camera's test binary `sscma-model` under sudo. Out.jpg is the camera's own drawing,
    with class numbers. Out.labeled.jpg is the original picture with class names.

    Example: recam test yolo11n_int8.json --image bus.jpg --host 192.168.42.1

    Example: recam test yolo11n_int8.json --image bus.jpg --host 192.168.42.1 --exact
    """
    from ..terminal import Terminal
    from ..workflows.deploy import (
        open_camera,
        prepare_smoke_test,
        read_artifact,
        smoke_test_artifact,
    )

    terminal = Terminal(as_json=as_json)
    settings = camera.settings()
    if exact:
        _test_exact(terminal, settings, artifact, image, camera.accept_host_key, wait)
        return
    model = read_artifact(artifact, labels, interaction=terminal)
    inputs = prepare_smoke_test(settings, image, runner, output)
    with open_camera(settings, terminal, accept_host_key=camera.accept_host_key) as context:
        report = smoke_test_artifact(context, model, inputs, wait=wait)
    terminal.result(report.as_json(), smoke_lines(report))


def _test_exact(
    terminal: Terminal,
    settings: Settings,
    artifact: Path,
    image: Path,
    accept_host_key: bool,
    wait: float,
) -> None:
    """Compare the TPU's outputs bit for bit. Raises typer.Exit where they differ."""
    from ..artifact import load_artifact
    from ..workflows.exact import compare_exactly

    found = compare_exactly(
        settings,
        terminal,
        load_artifact(artifact),
        image,
        wait=wait,
        accept_host_key=accept_host_key,
    )
    terminal.result(found.as_json(), exact_lines(found))
    if not found.equal:
        raise typer.Exit(FAILED)


def exact_lines(found: ExactReport) -> list[str]:
    """Say which outputs of the TPU differ from those on this machine."""
    emulator = (
        _difference_line("emulator", found.emulator)
        if found.emulator
        else f"the emulator was not compared: {found.no_emulator}"
    )
    return [
        _difference_line("simulator", found.simulator),
        emulator,
        f"one pass on the TPU: {found.milliseconds:.1f} ms",
    ]


def _difference_line(what: str, found: Difference) -> str:
    if found.equal:
        return f"equal to the {what}: all {found.values:,} values, bit for bit"
    largest = "none: not a number" if found.largest is None else f"{found.largest:.6g}"
    return (
        f"not equal to the {what}: {found.different:,} of {found.values:,} values differ; the "
        f"largest difference is {largest}"
    )


def deployment_lines(deployment: Deployment) -> list[str]:
    """Summarize a deployment for people."""
    if not deployment.changed:
        return [f"{deployment.active} is in place already (sha256 {deployment.sha256[:12]})"]
    trial = deployment.trial
    return [
        f"{deployment.active} is in place (sha256 {deployment.sha256[:12]}, "
        f"{deployment.uploaded_bytes / 1e6:.1f} MB sent)",
        *([trial.message] if trial and trial.ran else []),
    ]


def print_plan(terminal: Terminal, plan: DeploymentPlan) -> None:
    """Print what a deployment would do, and which lock it would wait for."""
    terminal.result(plan.as_json(), deployment_plan_lines(plan))


def deployment_plan_lines(plan: DeploymentPlan) -> list[str]:
    """List what a deployment would do, and which lock it would wait for."""
    waiting = [f"wait for {plan.facts.lock}"] if plan.facts.lock and plan.steps else []
    return [*waiting, *_plan_lines(plan.steps)]


def _plan_lines(steps: tuple[PlanStep, ...]) -> list[str]:
    if not steps:
        return ["nothing to do: it is in place already"]
    return [f"{step.action} {step.path}: {step.reason}" for step in steps]


def found_on_camera(report: SmokeReport) -> str:
    """Say how many objects a smoke test found."""
    count = len(report.detections)
    return f"{count or 'no'} object{'' if count == 1 else 's'} found on the camera"


def smoke_lines(report: SmokeReport) -> list[str]:
    """Summarize a smoke test for people; boxes are in pixels of the picture."""
    lines = [
        f"  {d.label:<16} {d.score:.2f}  at {', '.join(f'{side:.0f}' for side in d.box)}"
        for d in report.detections
    ]
    timings = report.timings
    if timings:
        measured = [f"{name} {ms} ms" for name, ms in timings.as_json().items() if ms is not None]
        lines.append(", ".join(measured))
    return [
        f"{found_on_camera(report)}{':' if report.detections else ''}",
        *lines,
        f"the camera's picture: {report.output}",
        f"with names:           {report.labeled}",
    ]
