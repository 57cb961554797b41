"""Run `recam up`: convert, deploy, test and show live, in one command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..workflows import WAIT_SECONDS
from .error_handler import FAILED, bounded
from .options.camera import CameraFlags, Wait
from .options.common import AsJson, DryRun, ModelOutput, Output, Runner
from .options.conversion import ConversionFlags, Model, refuse_useless_for
from .options.export import ExportFlags
from .options.flow import FlowFile, NoFlow, Template
from .options.groups import grouped

if TYPE_CHECKING:
    from ..live.watching import LiveReport
    from ..terminal import Terminal
    from ..workflows.up import UpPlan, UpResult

_UNKNOWN = "depends on the cvimodel, which does not exist yet"


@bounded
@grouped
def up(
    model: Model,
    image: Annotated[
        Path, typer.Option(help="The picture to test the model on.", show_default=False)
    ],
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
    """Convert a model, test it on the camera, make it the active one, and show it live.

    A model that fails on the camera does not become the active one. The last step adds a flow to
    the camera's Node-RED (`recam flow restore` undoes it) and waits for the first results. When
    none come, the model and the flows before are restored. Steps whose inputs did not change are
    skipped. --dry-run only reads from the camera.

    Example: recam up yolo11n.onnx --calibration pictures/ --image bus.jpg --host 192.168.42.1
    """
    from ..terminal import Terminal
    from ..workflows.convert import prepare_conversion
    from ..workflows.deploy import prepare_smoke_test
    from ..workflows.export import as_onnx, missing_export
    from ..workflows.flows import choose_flow
    from ..workflows.up import plan_up, run_up
    from .convert import print_missing_export, warn_of_unchecked_decoding

    terminal = Terminal(as_json=as_json)
    settings = flags.merge_flags(camera.settings(), foreign)
    choice = None if no_flow else choose_flow(template and template.value, flow)
    smoke = prepare_smoke_test(settings, image, runner, output)
    if dry_run and (export := missing_export(settings, terminal, model, foreign.weights)):
        print_missing_export(terminal, export)
        return
    source = as_onnx(settings, terminal, model, foreign.weights, trust=foreign.trust_model)
    conversion = prepare_conversion(
        settings, source.onnx, model_output, flags.labels, source.export, terminal
    )
    refuse_useless_for(conversion, settings)
    warn_of_unchecked_decoding(terminal, conversion.plan.network)
    if dry_run:
        plan = plan_up(
            settings, terminal, conversion, choice, accept_host_key=camera.accept_host_key
        )
        terminal.result(_plan_document(plan), _plan_lines(plan))
        return
    result = run_up(
        settings,
        terminal,
        conversion,
        smoke,
        accept_host_key=camera.accept_host_key,
        flow=choice,
        wait=wait,
    )
    print_up_result(terminal, result)
    if result.outcome.problem:
        raise typer.Exit(FAILED)
    if result.outcome.live and not as_json:
        terminal.result({}, [f"see it live in Node-RED's editor: {settings.camera.editor}"])


def _plan_document(plan: UpPlan) -> dict[str, Any]:
    from .convert import planned_document

    return {
        "conversion": {**planned_document(plan.conversion), "finished": plan.finished is not None},
        "deployment": plan.deployment and plan.deployment.as_json(),
        "flow": plan.flow and plan.flow.as_json(),
    }


def _plan_lines(plan: UpPlan) -> list[str]:
    from .convert import planned_lines
    from .deploy import deployment_plan_lines
    from .flow_lines import plan_lines

    converting = ["# nothing to compile: finished by an earlier run"] if plan.finished else []
    return [
        "# convert",
        *(converting or planned_lines(plan.conversion)),
        "",
        "# deploy and test",
        *(deployment_plan_lines(plan.deployment) if plan.deployment else [_UNKNOWN]),
        *(["", "# Node-RED", *plan_lines(plan.flow)] if plan.flow else []),
    ]


def print_up_result(
    terminal: Terminal, result: UpResult, more: Mapping[str, Any] | None = None
) -> None:
    """Print a summary and the pictures' paths; with --json, all steps' documents and `more`."""
    from .convert import conversion_document, warn_of_empty_check
    from .deploy import smoke_lines
    from .evaluate import print_evaluation
    from .flow_lines import pushed_lines
    from .watch import live_lines

    warn_of_empty_check(terminal, result.conversion)
    outcome = result.outcome
    if terminal.as_json:
        converted = conversion_document(result.conversion)
        document: dict[str, Any] = {
            "artifact": converted["artifact"],
            "conversion": {key: value for key, value in converted.items() if key != "artifact"},
            "deployment": result.deployment.as_json(),
            "smoke": result.smoke.as_json(),
            "seconds": result.seconds,
        }
        if result.evaluation:
            document["accuracy"] = result.evaluation.summary()
        if outcome.flow and outcome.live:
            document["flow"] = outcome.flow.as_json()
            document["live"] = outcome.live.summary()
        if outcome.rolled_back:
            document["rolled_back"] = outcome.rolled_back.as_json()
        if outcome.problem:
            document["error"] = outcome.problem.as_json()
        terminal.result({**document, **(more or {})})
        return
    if result.evaluation:
        print_evaluation(terminal, result.evaluation)
    terminal.table("", ("step", "result", "seconds"), _rows(result))
    terminal.result({}, smoke_lines(result.smoke))
    if outcome.flow and outcome.live:
        terminal.result({}, [*pushed_lines(outcome.flow), *live_lines(outcome.live)])
    if outcome.problem:
        terminal.error(outcome.problem)


def _rows(result: UpResult) -> list[tuple[str, str, str]]:
    from .deploy import found_on_camera

    conversion, deployment, smoke = result.conversion, result.deployment, result.smoke
    reused = sum(step.cached for step in conversion.steps)
    counts = conversion.verification.detections
    results = {
        "convert": f"{conversion.artifact.cvimodel.name}, {conversion.artifact.quantization}; "
        f"cosine {min(conversion.verification.cosine):.4f}, "
        f"{counts.matched} of {counts.reference} detections matched"
        + (f"; {reused} of {len(conversion.steps)} steps unchanged" if reused else ""),
        "deploy": f"{deployment.active}"
        + ("" if deployment.changed else "; unchanged, nothing sent"),
        "test": found_on_camera(smoke),
    }
    outcome = result.outcome
    if outcome.live:
        results["live"] = _live_summary(outcome.live)
    elif outcome.problem:
        results["live"] = "failed; rolled back" if outcome.rolled_back else "not done"
    return [(name, text, f"{result.seconds[name]:.1f}") for name, text in results.items()]


def _live_summary(live: LiveReport) -> str:
    parts = [f"{live.count} pictures"]
    if live.fps is not None:
        parts.append(f"{live.fps:.1f} a second")
    if live.timings:
        parts.append(f"inference {live.timings.inference:.0f} ms")
    return ", ".join([*parts, f"{len(live.first)} objects"])
