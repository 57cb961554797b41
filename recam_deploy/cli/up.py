"""`recam up`: convert, deploy, test and show live, in one command."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .error_handler import FAILED, bounded
from .foreign import ExportFlags
from .options.camera import WAIT_SECONDS, CameraFlags, Wait
from .options.common import AsJson, DryRun, ModelOutput, Output, Runner
from .options.conversion import ConversionFlags, Model
from .options.flow import FlowFile, NoFlow, Template
from .options.groups import grouped

if TYPE_CHECKING:
    from ..camera.deployment import Deployment
    from ..camera.smoke_test.run import SmokeReport
    from ..conversion.convert import ConversionResult
    from ..live.watching import LiveReport
    from ..settings import Settings
    from ..terminal import Terminal
    from .actions import PreparedConversion
    from .camera_actions import SmokeInputs
    from .flow_actions import FlowChoice
    from .going_live import Outcome


@bounded
@grouped
def up(
    model: Model,
    image: Annotated[Path, typer.Option(help="A picture to try the model on.", show_default=False)],
    camera: CameraFlags,
    flags: ConversionFlags,
    foreign: ExportFlags,
    output: Output = Path("Out.jpg"),
    model_output: ModelOutput = None,
    runner: Runner = None,
    template: Template = None,
    flow: FlowFile = None,
    no_flow: NoFlow = False,
    wait: Wait = WAIT_SECONDS,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Convert a model, try it on the camera, put it in place there, and show it live.

    A model that fails on the camera does not become the active one. The last step adds a flow to
    the camera's Node-RED (`recam flow restore` undoes it) and waits for its first results: when
    there are none, the model and the flows before come back. What did not change since the last
    time is not done again. With --dry-run the camera is only looked at.

    Example: recam up yolo11n.onnx --calibration pictures/ --image bus.jpg --host 192.168.42.1
    """
    from ..terminal import Terminal
    from .actions import prepare_conversion
    from .camera_actions import prepare_smoke_test
    from .flow_actions import choose_flow
    from .foreign import as_onnx, tell_missing_export

    terminal = Terminal(as_json=as_json)
    settings = foreign.over(flags.over(camera.settings()))
    choice = None if no_flow else choose_flow(template, flow)
    smoke = prepare_smoke_test(settings, image, runner, output)
    if dry_run and tell_missing_export(settings, terminal, model, foreign):
        return
    source = as_onnx(settings, terminal, model, foreign)
    conversion = prepare_conversion(
        settings, source.onnx, model_output, flags.labels, source.export
    )
    if dry_run:
        from .up_plan import print_up_plan

        print_up_plan(
            settings, terminal, conversion, choice, accept_host_key=camera.accept_host_key
        )
        return
    journey = run_journey(
        settings,
        terminal,
        conversion,
        smoke,
        accept_host_key=camera.accept_host_key,
        flow=choice,
        wait=wait,
    )
    print_journey(terminal, journey)
    if journey.outcome.problem:
        raise typer.Exit(FAILED)
    if journey.outcome.live and not as_json:
        terminal.result({}, [f"see it live in Node-RED's editor: {settings.camera.editor}"])


@dataclass(frozen=True)
class Journey:
    """What the steps gave, and the seconds each took.

    `outcome` is how going live ended, once the model was deployed and tested; empty without that.
    """

    conversion: ConversionResult
    deployment: Deployment
    smoke: SmokeReport
    seconds: dict[str, float]
    outcome: Outcome


def run_journey(
    settings: Settings,
    terminal: Terminal,
    conversion: PreparedConversion,
    smoke: SmokeInputs,
    *,
    accept_host_key: bool,
    flow: FlowChoice | None = None,
    wait: float = WAIT_SECONDS,
) -> Journey:
    """Log in first, so that a wrong password costs no conversion; then one step after the other.

    With `flow`, that is pushed at the end, and its first results are waited for.
    """
    from .actions import run_conversion
    from .camera_actions import at_work, deploy_tested
    from .going_live import Outcome, Place, go_live
    from .login import open_connection

    started = time.monotonic()
    with open_connection(settings, terminal, accept_host_key=accept_host_key) as connection:
        converted = run_conversion(settings, terminal, conversion)
        seconds = {"convert": time.monotonic() - started}
        artifact = converted.artifact
        with at_work(connection, settings, f"deploying {artifact.name}", terminal, wait) as lock:
            done = deploy_tested(connection, settings, artifact, smoke, terminal, lock)
            seconds |= {"deploy": done.deploy_seconds, "test": done.test_seconds}
            outcome = None
            if flow:
                went_live = time.monotonic()
                place = Place(settings, terminal, connection, lock)
                outcome = go_live(place, artifact, done.deployment, flow)
                seconds["live"] = time.monotonic() - went_live
    rounded = {name: round(value, 2) for name, value in seconds.items()}
    return Journey(converted, done.deployment, done.report, rounded, outcome or Outcome())


def print_journey(
    terminal: Terminal, journey: Journey, more: Mapping[str, Any] | None = None
) -> None:
    """A summary table and the pictures' paths, or the documents of all steps, and `more`."""
    from .convert import conversion_document, warn_of_empty_check
    from .deploy import smoke_lines
    from .flow import pushed_lines
    from .watch import live_lines

    warn_of_empty_check(terminal, journey.conversion)
    outcome = journey.outcome
    if terminal.as_json:
        converted = conversion_document(journey.conversion)
        document: dict[str, Any] = {
            "artifact": converted["artifact"],
            "conversion": {key: value for key, value in converted.items() if key != "artifact"},
            "deployment": journey.deployment.as_json(),
            "smoke": journey.smoke.as_json(),
            "seconds": journey.seconds,
        }
        if outcome.flow and outcome.live:
            document["flow"] = outcome.flow.as_json()
            document["live"] = outcome.live.summary()
        if outcome.rolled_back:
            document["rolled_back"] = outcome.rolled_back.as_json()
        if outcome.problem:
            document["error"] = outcome.problem.as_json()
        terminal.result({**document, **(more or {})})
        return
    terminal.table("", ("step", "result", "seconds"), _rows(journey))
    terminal.result({}, smoke_lines(journey.smoke))
    if outcome.flow and outcome.live:
        terminal.result({}, [*pushed_lines(outcome.flow), *live_lines(outcome.live)])
    if outcome.problem:
        terminal.error(outcome.problem)


def _rows(journey: Journey) -> list[tuple[str, str, str]]:
    conversion, deployment, smoke = journey.conversion, journey.deployment, journey.smoke
    reused = sum(step.cached for step in conversion.steps)
    counts = conversion.verification.detections
    results = {
        "convert": f"{conversion.artifact.cvimodel.name}, {conversion.artifact.quantization}; "
        f"cosine {min(conversion.verification.cosine):.4f}, "
        f"{counts.matched} of {counts.reference} detections matched"
        + (f"; {reused} of {len(conversion.steps)} steps unchanged" if reused else ""),
        "deploy": f"{deployment.active}"
        + ("" if deployment.changed else "; unchanged, nothing sent"),
        "test": f"{len(smoke.detections)} objects found on the camera",
    }
    outcome = journey.outcome
    if outcome.live:
        results["live"] = _live_words(outcome.live)
    elif outcome.problem:
        results["live"] = "failed; gone back" if outcome.rolled_back else "not done"
    return [(name, text, f"{journey.seconds[name]:.1f}") for name, text in results.items()]


def _live_words(live: LiveReport) -> str:
    words = [f"{live.count} pictures"]
    if live.fps is not None:
        words.append(f"{live.fps:.1f} a second")
    if live.timings:
        words.append(f"inference {live.timings.inference:.0f} ms")
    return ", ".join([*words, f"{len(live.first)} objects"])
