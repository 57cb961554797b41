"""Compare a cvimodel with its float model on pictures, and write the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..artifact import Artifact
from ..conversion.calibration import choose_pictures
from ..conversion.layer_dump import compile_layer_dump
from ..conversion.tpu import fastest_tpu
from ..files import write_atomically
from ..frameworks import exported_folders
from ..interaction import Interaction
from ..picture_sets import Choice, find_pictures
from ..report.comparison import Comparison, compare
from ..report.document import check_report_path
from ..report.html import render
from ..report.layers import LayerMeter
from ..report.subject import find_float_model, read_subject
from ..settings import Settings
from ..toolchain.simulator import Simulator
from .convert import find_compiler


@dataclass(frozen=True)
class VerifyResult:
    """The comparison, the HTML report of it, and how its pictures were chosen."""

    comparison: Comparison
    report: Path
    pictures: Choice


def verify(
    settings: Settings,
    interaction: Interaction,
    artifact: Artifact,
    images: Path,
    *,
    model: Path | None = None,
    report: Path | None = None,
    limit: int = 20,
    layer_images: int = 0,
) -> VerifyResult:
    """Run both models on at most `limit` pictures, spread over those of `images`; write the report.

    With `layer_images` above 0, measure each layer's loss on so many pictures too. Raises
    InputError, ToolchainError or SimulatorError.
    """
    target = check_report_path(report or Path(f"{artifact.cvimodel.stem}.report.html"))
    cache_dir = settings.cache_dir
    found = find_pictures(images)
    exported = exported_folders(cache_dir / "steps")
    float_model = find_float_model(artifact, model, (artifact.cvimodel.parent, Path(), *exported))
    subject = read_subject(artifact, float_model)
    choice = choose_pictures(found, limit, interaction)
    for problem in choice.problems:
        interaction.warn(problem)
    compiler = find_compiler(settings.general.toolchain, cache_dir, interaction)
    meter = None
    if layer_images:
        simulator = Simulator(compiler, cache_dir / "tmp")
        meter = _meter(artifact, simulator, cache_dir, interaction, layer_images)
    tpu = fastest_tpu(artifact, compiler, cache_dir, interaction)
    comparison = compare(
        subject, choice.pictures, tpu, interaction, limit, meter, available=choice.of
    )
    write_atomically(target, render(comparison).encode())
    if comparison.detects and not comparison.agreement.reference:
        interaction.warn(
            "the float model found nothing on these pictures, so no detections were compared; "
            "use pictures with objects of its classes"
        )
    return VerifyResult(comparison, target, choice)


def _meter(
    artifact: Artifact,
    simulator: Simulator,
    cache_dir: Path,
    interaction: Interaction,
    images: int,
) -> LayerMeter:
    """Prepare to measure all layers, or without the conversion's files those in the cvimodel."""
    dump = compile_layer_dump(artifact, simulator.compiler, cache_dir, interaction)
    if dump is None:
        interaction.warn(
            "the conversion's files are no longer in the cache, or its manifest names options that "
            "this version does not know, so only the few layers in the cvimodel itself are "
            "compared; run `recam convert` again to compare all"
        )
        return LayerMeter(simulator, artifact.cvimodel, images)
    table = dump.quantize_table
    return LayerMeter(simulator, dump.cvimodel, images, complete=True, quantize_table=table)
