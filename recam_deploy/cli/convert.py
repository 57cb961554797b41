"""Run `recam convert`: convert a model to a checked cvimodel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .error_handler import bounded
from .options.common import AsJson, CvimodelOutput, DryRun
from .options.conversion import ConversionFlags, Model, refuse_useless_for
from .options.export import ExportFlags
from .options.groups import grouped

if TYPE_CHECKING:
    from ..conversion.convert import ConversionResult
    from ..frameworks import ExportPlan
    from ..network.model import Network
    from ..picture_sets import Choice
    from ..terminal import Terminal
    from ..workflows.convert import PreparedConversion


@bounded
@grouped
def convert(
    model: Model,
    flags: ConversionFlags,
    foreign: ExportFlags,
    output: CvimodelOutput = None,
    timings: Annotated[
        bool, typer.Option("--timings", help="Also show the seconds of each step.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Convert a model to a quantized cvimodel and check it in the TPU simulator.

    Finds the heads by the model's structure, cuts the model there, and orders the outputs as the
    camera needs them. Class names and input size come from the model's metadata. The result is
    compared with the float model before it is written. Steps whose inputs did not change are not
    run again.

    Models of other frameworks are exported to ONNX first, in a Python environment of their own.

    --dry-run prints the compiler's command lines in order; the fast calibrator has none, for it is
    part of recam.

    Example: recam convert yolo11n.onnx --calibration pictures/

    Example: recam convert yolo11n.onnx --calibration pictures/ --quantize mixed --data data.yaml
    --max-drop 0.01
    """
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..workflows.convert import prepare_conversion, run_conversion
    from ..workflows.evaluate import measure_conversion
    from ..workflows.export import as_onnx, missing_export
    from .evaluate import print_evaluation

    terminal = Terminal(as_json=as_json)
    settings = flags.merge_flags(load_settings(), foreign)
    if dry_run and (export := missing_export(settings, terminal, model, foreign.weights)):
        print_missing_export(terminal, export)
        return
    source = as_onnx(settings, terminal, model, foreign.weights, trust=foreign.trust_model)
    prepared = prepare_conversion(
        settings, source.onnx, output, flags.labels, source.export, terminal
    )
    refuse_useless_for(prepared, settings)
    warn_of_unchecked_decoding(terminal, prepared.plan.network)
    if dry_run:
        terminal.result(planned_document(prepared), planned_lines(prepared))
        return
    result = run_conversion(settings, terminal, prepared)
    warn_of_empty_check(terminal, result)
    result, evaluation = measure_conversion(settings, terminal, prepared, result)
    if evaluation and not as_json:
        print_evaluation(terminal, evaluation)
    accuracy = {"accuracy": evaluation.summary()} if evaluation else {}
    terminal.result({**conversion_document(result), **accuracy}, conversion_lines(result))
    if timings:
        terminal.table("", ("step", "seconds", ""), timing_rows(result))


def warn_of_unchecked_decoding(terminal: Terminal, network: Network) -> None:
    """Warn where the camera's decoding could not be compared with the model's own."""
    from ..network.model import RAW

    if network.family != RAW and not network.decoding.checked:
        reason = network.decoding.reason
        terminal.warn(f"the model's own decoding was not compared with the camera's: {reason}")


def print_missing_export(terminal: Terminal, export: ExportPlan) -> None:
    """Print the command of the export that a dry run would need first."""
    command = export.display()
    terminal.warn("the next steps depend on the exported model, which does not exist yet")
    terminal.result({"commands": [command], "exported": False}, [command])


def planned_document(prepared: PreparedConversion) -> dict[str, Any]:
    """Return the document of `convert --dry-run --json`."""
    from ..conversion.convert import calibrator_of

    plan = prepared.plan
    return {
        "family": plan.network.family,
        "assignment": plan.network.assignment,
        "decoding": plan.network.decoding.as_json(),
        "quantization": plan.quantization,
        "output": str(prepared.output.absolute()),
        "calibrator": calibrator_of(plan),
        "commands": _command_lines(prepared),
        "files": plan.own_files,
        "calibration": _pictures(plan.calibration.choice),
    }


def _pictures(choice: Choice | None) -> dict[str, Any] | None:
    return choice.as_json() if choice else None


def planned_lines(prepared: PreparedConversion) -> list[str]:
    """List the command lines of a plan for people, ready to paste into a shell."""
    comments = [f"# {name}: {what}" for name, what in prepared.plan.own_files.items()]
    choice = prepared.plan.calibration.choice
    if choice:
        comments.append(f"# pictures: {choice.told()}")
    return [*comments, *_command_lines(prepared)]


def _command_lines(prepared: PreparedConversion) -> list[str]:
    exporting = [prepared.export.command] if prepared.export else []
    return [*exporting, *(command.display() for command in prepared.plan.commands)]


def timing_rows(result: ConversionResult) -> list[tuple[str, str, str]]:
    """List each step, its seconds in this run, and whether it came from the cache."""
    rows = [
        (step.name, f"{step.seconds:.2f}", "unchanged" if step.cached else "")
        for step in result.steps
    ]
    return [*rows, ("in all", f"{sum(step.seconds for step in result.steps):.2f}", "")]


def warn_of_empty_check(terminal: Terminal, result: ConversionResult) -> None:
    """Warn where the check compared no detections, or the camera will show none."""
    from ..network.model import RAW

    if result.artifact.family == RAW:
        terminal.warn("the camera runs raw networks, but its Node-RED does not show their results")
    elif not result.verification.detections.reference:
        terminal.warn(
            "no detections were compared: the float model found none on the pictures of the check; "
            "use calibration pictures that show what it should find"
        )


def conversion_document(result: ConversionResult) -> dict[str, Any]:
    """Return the document of `convert --json`."""
    import dataclasses

    artifact = result.artifact
    check = result.verification.as_json()
    source = artifact.provenance["sources"]["model"]
    return {
        "artifact": {
            "cvimodel": str(artifact.cvimodel.absolute()),
            "manifest": str(artifact.manifest.absolute()) if artifact.manifest else None,
            "sha256": artifact.sha256,
            "quantization": artifact.quantization,
            "chip": artifact.chip,
        },
        "family": artifact.family,
        "assignment": source["assignment"],
        "decoding": source["decoding"],
        "labels": list(artifact.labels),
        "input": {"height": artifact.input_size[0], "width": artifact.input_size[1]},
        "outputs": [dataclasses.asdict(output) for output in artifact.outputs],
        "steps": [step.as_json() for step in result.steps],
        "timings": result.timings,
        "calibration": _pictures(result.pictures),
        "mixed_precision": result.mixed.as_json() if result.mixed else None,
        "verification": {
            "passed": result.passed,
            "cosine": check["cosine"],
            "detections": check["detections"],
        },
    }


def conversion_lines(result: ConversionResult) -> list[str]:
    """Summarize a conversion for people."""
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
    if result.pictures:
        lines.insert(2, f"calibration pictures: {result.pictures.told()}")
    if result.mixed:
        lines.insert(-1, f"mixed precision: {result.mixed.told()}")
    return lines
