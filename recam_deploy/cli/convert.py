"""`recam convert`: an ONNX model into a checked cvimodel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .error_handler import bounded
from .foreign import ExportFlags
from .options.common import AsJson, CvimodelOutput, DryRun
from .options.conversion import ConversionFlags, Model
from .options.groups import grouped

if TYPE_CHECKING:
    from ..conversion.convert import ConversionResult
    from ..terminal import Terminal
    from .actions import PreparedConversion


@bounded
@grouped
def convert(
    model: Model,
    flags: ConversionFlags,
    foreign: ExportFlags,
    output: CvimodelOutput = None,
    timings: Annotated[
        bool, typer.Option("--timings", help="Also show how long each step took.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Convert a model to a quantized cvimodel and check it in the TPU simulator.

    The heads are found by the model's structure, cut and put in the order that the camera needs;
    class names and input size come from the model's metadata. The result is compared with the
    float model before it is handed out. Steps whose inputs did not change are not run again.
    With --dry-run the compiler's command lines are printed, in order, as they would be run; the
    fast calibrator, which is not the compiler's, has none.
    Models of other frameworks are exported to ONNX first, in an environment of their own.

    Example: recam convert yolo11n.onnx --calibration pictures/
    """
    from ..settings import load_settings
    from ..terminal import Terminal
    from .actions import prepare_conversion, run_conversion
    from .foreign import as_onnx, tell_missing_export

    terminal = Terminal(as_json=as_json)
    settings = foreign.over(flags.over(load_settings()))
    if dry_run and tell_missing_export(settings, terminal, model, foreign):
        return
    source = as_onnx(settings, terminal, model, foreign)
    prepared = prepare_conversion(settings, source.onnx, output, flags.labels, source.export)
    if dry_run:
        terminal.result(planned_document(prepared), planned_lines(prepared))
        return
    result = run_conversion(settings, terminal, prepared)
    warn_of_empty_check(terminal, result)
    terminal.result(conversion_document(result), conversion_lines(result))
    if timings:
        terminal.table("", ("step", "seconds", ""), timing_rows(result))


def planned_document(prepared: PreparedConversion) -> dict[str, Any]:
    """What `convert --dry-run --json` prints."""
    from ..conversion.convert import calibrator_of

    plan = prepared.plan
    return {
        "family": plan.network.family,
        "quantization": plan.quantization,
        "output": str(prepared.output.absolute()),
        "calibrator": calibrator_of(plan),
        "commands": _command_lines(prepared),
        "files": plan.own_files,
    }


def planned_lines(prepared: PreparedConversion) -> list[str]:
    """The same for people, ready to paste."""
    comments = [f"# {name}: {what}" for name, what in prepared.plan.own_files.items()]
    return [*comments, *_command_lines(prepared)]


def _command_lines(prepared: PreparedConversion) -> list[str]:
    exporting = [prepared.export.command] if prepared.export else []
    return [*exporting, *(command.display() for command in prepared.plan.commands)]


def timing_rows(result: ConversionResult) -> list[tuple[str, str, str]]:
    """Each step, its seconds this time, and whether it was taken from the cache."""
    rows = [
        (step.name, f"{step.seconds:.2f}", "unchanged" if step.cached else "")
        for step in result.steps
    ]
    return [*rows, ("in all", f"{sum(step.seconds for step in result.steps):.2f}", "")]


def warn_of_empty_check(terminal: Terminal, result: ConversionResult) -> None:
    """Say so where the check could compare no detections, or the camera will show none."""
    from ..network.model import RAW

    if result.artifact.family == RAW:
        terminal.warn("the camera's Node-RED does not show raw networks; it can only run them")
    elif not result.verification.detections.reference:
        terminal.warn(
            "the float model found nothing on the pictures of the check, so no detections were "
            "compared; use calibration pictures that show what it should find"
        )


def conversion_document(result: ConversionResult) -> dict[str, Any]:
    """What `convert --json` prints."""
    import dataclasses

    artifact = result.artifact
    check = result.verification.as_json()
    return {
        "artifact": {
            "cvimodel": str(artifact.cvimodel.absolute()),
            "manifest": str(artifact.manifest.absolute()) if artifact.manifest else None,
            "sha256": artifact.sha256,
            "quantization": artifact.quantization,
            "chip": artifact.chip,
        },
        "family": artifact.family,
        "labels": list(artifact.labels),
        "input": {"height": artifact.input_size[0], "width": artifact.input_size[1]},
        "outputs": [dataclasses.asdict(output) for output in artifact.outputs],
        "steps": [step.as_json() for step in result.steps],
        "timings": result.timings,
        "verification": {
            "passed": result.passed,
            "cosine": check["cosine"],
            "detections": check["detections"],
        },
    }


def conversion_lines(result: ConversionResult) -> list[str]:
    """The same for people."""
    from ..network.model import RAW

    artifact, check = result.artifact, result.verification
    counts = check.detections
    lines = [
        f"{artifact.cvimodel} ({artifact.size / 1e6:.1f} MB, {artifact.quantization}, "
        f"{artifact.input_size[1]}×{artifact.input_size[0]})",
        f"manifest: {artifact.manifest}",
        f"checked against the float model: least cosine {min(check.cosine):.4f}",
    ]
    if artifact.family != RAW:
        lines[0] = lines[0][:-1] + f", {artifact.family}, {len(artifact.labels)} classes)"
        lines[2] += f", {counts.matched} of {counts.reference} detections matched, "
        lines[2] += f"{counts.extra} extra"
    return lines
