"""Measure a float model and its cvimodel on labelled pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import onnx

from ..artifact import Artifact, write_manifest
from ..conversion.convert import ConversionResult
from ..conversion.emulated import emulate
from ..conversion.tpu import Tpu
from ..errors import InputError, SimulatorError
from ..evaluation.coco_files import write_coco_files
from ..evaluation.data import open_labelled_set
from ..evaluation.detecting import Models
from ..evaluation.evaluate import Evaluation, Run, evaluate, task_of
from ..evaluation.processes import core_count
from ..evaluation.running import check_spread, driven_by, in_turn, loadable, spread_over
from ..evaluation.types import LabelledSet
from ..files import write_atomically
from ..frameworks import exported_folders
from ..interaction import Interaction
from ..network.model import Network
from ..report.document import check_report_path
from ..report.evaluation_page import render_evaluation
from ..report.subject import find_float_model, read_subject
from ..settings import Settings
from ..system_errors import is_refused
from ..toolchain.simulator import Simulator
from .convert import PreparedConversion, find_compiler

Backend = Literal["emulator", "simulator", "camera"]
EMULATOR: Backend = "emulator"
SIMULATOR: Backend = "simulator"
CAMERA: Backend = "camera"

OpenTpu: TypeAlias = Callable[[], AbstractContextManager[Tpu]]
"""Makes the camera's TPU ready for the cvimodel, for the duration of a block."""


@dataclass(frozen=True)
class EvaluationOptions:
    """What to evaluate on, and where.

    At most `limit` pictures of the part `split` of `data` are taken. `jobs` processes run the
    models, by default as many as there are cores; or the workers of the Dask `scheduler`. `report`
    is the HTML file to write, `coco` the folder for the detections as COCO files.
    """

    data: Path
    split: str | None = None
    limit: int | None = None
    on: Backend = EMULATOR
    report: Path | None = None
    coco: Path | None = None
    jobs: int | None = None
    scheduler: str | None = None


@dataclass(frozen=True)
class EvaluationResult:
    """The evaluation of an artifact, whose manifest holds its numbers now, and what was written."""

    artifact: Artifact
    evaluation: Evaluation
    report: Path | None = None
    coco: tuple[Path, ...] = ()


def run_evaluation(
    settings: Settings,
    interaction: Interaction,
    artifact: Artifact,
    options: EvaluationOptions,
    *,
    model: Path | None = None,
    camera: OpenTpu | None = None,
) -> EvaluationResult:
    """Evaluate an artifact and the ONNX file that it was converted from; note it in the manifest.

    `model` is that file, by default the one that the manifest names. `camera` is called once the
    data is read, where `options.on` is "camera"; what it opens runs the cvimodel. Raises
    InputError, ToolchainError, SimulatorError, EvaluationError, and CameraError.
    """
    if options.report:
        check_report_path(options.report)
    check_spread(options.jobs, options.scheduler)
    cache_dir = settings.cache_dir
    exported = exported_folders(cache_dir / "steps")
    float_model = find_float_model(artifact, model, (artifact.cvimodel.parent, Path(), *exported))
    subject = read_subject(artifact, float_model)
    labelled = open_labelled_set(
        options.data,
        task_of(subject.network.family),
        subject.network.labels,
        split=options.split,
        limit=options.limit,
        progress=interaction,
    )
    for problem in labelled.problems:
        interaction.warn(problem)
    return measure_artifact(
        settings, interaction, artifact, subject.network, subject.graph, labelled, options, camera
    )


def measure_artifact(
    settings: Settings,
    interaction: Interaction,
    artifact: Artifact,
    network: Network,
    graph: onnx.ModelProto,
    labelled: LabelledSet,
    options: EvaluationOptions,
    camera: OpenTpu | None = None,
) -> EvaluationResult:
    """Evaluate an artifact and its float model, `graph`, on pictures that were opened.

    The other arguments and the errors are those of `run_evaluation`.
    """
    with contextlib.ExitStack() as stack:
        models = stack.enter_context(
            loadable(network, graph, artifact.cvimodel, settings.cache_dir)
        )
        if options.on == CAMERA:
            if camera is None:
                raise ValueError("nothing opens the camera")
            run, backend = in_turn(stack.enter_context(camera())), CAMERA
        else:
            models, run, backend = _place(settings, interaction, artifact, models, options)
        evaluation = evaluate(models, labelled, run, backend, interaction)
    for problem in evaluation.labelled.problems[len(labelled.problems) :]:
        interaction.warn(problem)
    done = EvaluationResult(note(artifact, evaluation, interaction), evaluation)
    if options.report:
        with interaction.step("Writing the report"):
            page = render_evaluation(evaluation, artifact.cvimodel.name)
            write_atomically(options.report, page.encode("utf-8", "replace"))
        done = replace(done, report=options.report)
    if options.coco:
        found = write_coco_files(options.coco, evaluation.labelled, evaluation.found)
        done = replace(done, coco=found)
    return done


def measure_conversion(
    settings: Settings,
    interaction: Interaction,
    prepared: PreparedConversion,
    result: ConversionResult,
) -> tuple[ConversionResult, Evaluation | None]:
    """Evaluate what a conversion has made on its labelled pictures, if it was given any.

    Return the conversion with the numbers in its manifest. Raises AccuracyError when more is lost
    than the setting `max_drop` allows, and as `run_evaluation`.
    """
    labelled = prepared.labelled
    if labelled is None:
        return result, None
    done = measure_artifact(
        settings,
        interaction,
        result.artifact,
        prepared.plan.network,
        prepared.graph,
        labelled,
        EvaluationOptions(labelled.source),
    )
    done.evaluation.check(settings.convert.max_drop)
    return replace(result, artifact=done.artifact), done.evaluation


def _place(
    settings: Settings,
    interaction: Interaction,
    artifact: Artifact,
    models: Models,
    options: EvaluationOptions,
) -> tuple[Models, Run, Backend]:
    """Choose what runs the cvimodel here, and where; the emulator falls back on the simulator."""
    jobs = options.jobs or core_count()
    compiler = find_compiler(settings.general.toolchain, settings.cache_dir, interaction)
    if options.on == EMULATOR:
        try:
            emulated = emulate(artifact, compiler, settings.cache_dir, interaction)
            run = spread_over(jobs, options.scheduler)
            return replace(models, emulated=emulated.path), run, EMULATOR
        except SimulatorError as error:
            if options.scheduler:
                raise InputError(
                    f"a cluster needs the emulator: {error.message}",
                    "Leave --scheduler out: the TPU simulator runs on this machine alone.",
                ) from error
            interaction.say(f"The slower TPU simulator is used: {error.message}")
    simulator = Simulator(compiler, settings.cache_dir / "tmp")
    return models, driven_by(simulator, jobs), SIMULATOR


def note(artifact: Artifact, evaluation: Evaluation, interaction: Interaction) -> Artifact:
    """Write the numbers into the artifact's manifest, if it has one that may be written."""
    noted = replace(artifact, provenance=artifact.provenance | {"accuracy": evaluation.summary()})
    if artifact.manifest is None:
        return noted
    try:
        return write_manifest(noted, artifact.manifest)
    except OSError as error:
        if not is_refused(error):
            raise
        interaction.warn(f"the numbers are not in {artifact.manifest}, which cannot be written")
        return noted
