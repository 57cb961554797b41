"""Measure a float model and its cvimodel on labelled pictures."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import onnx

from ..artifact import Artifact, write_manifest
from ..conversion.emulated import emulate
from ..conversion.tpu import Tpu
from ..errors import InputError, SimulatorError
from ..evaluation.cluster import map_on_cluster
from ..evaluation.data import open_labelled_set
from ..evaluation.detecting import Models, Result, detect
from ..evaluation.evaluate import Evaluation, Run, evaluate, task_of
from ..evaluation.processes import core_count, map_in_processes, map_in_threads
from ..frameworks import exported_folders
from ..interaction import Interaction
from ..network.prepare import prepare
from ..report.subject import Subject, find_float_model, read_subject
from ..settings import Settings
from ..system_errors import is_refused
from ..toolchain import Compiler
from ..toolchain.simulator import Simulator
from .convert import find_compiler

Backend = Literal["emulator", "simulator", "camera"]
EMULATOR: Backend = "emulator"
SIMULATOR: Backend = "simulator"

_FEW = 8
"""So few pictures are done before the processes have started."""


@dataclass(frozen=True)
class EvaluationOptions:
    """What to evaluate on, and where.

    At most `limit` pictures of the part `split` of `data` are taken. `jobs` processes run the
    models, by default as many as there are cores; or the workers of the Dask `scheduler`.
    """

    data: Path
    split: str | None = None
    limit: int | None = None
    on: Backend = EMULATOR
    jobs: int | None = None
    scheduler: str | None = None


@dataclass(frozen=True)
class EvaluationResult:
    """The evaluation of an artifact, whose manifest holds its numbers now."""

    artifact: Artifact
    evaluation: Evaluation


def run_evaluation(
    settings: Settings,
    interaction: Interaction,
    artifact: Artifact,
    options: EvaluationOptions,
    *,
    model: Path | None = None,
    camera: Tpu | None = None,
) -> EvaluationResult:
    """Evaluate an artifact and the ONNX file that it was converted from; note it in the manifest.

    `model` is that file, by default the one that the manifest names. `camera` runs the cvimodel
    where `options.on` is "camera". Raises InputError, ToolchainError, SimulatorError and
    EvaluationError.
    """
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
    with loadable(subject, cache_dir) as models:
        models, run, backend = _place(settings, interaction, artifact, models, options, camera)
        evaluation = evaluate(models, labelled, run, backend, interaction)
    for problem in evaluation.labelled.problems[len(labelled.problems) :]:
        interaction.warn(problem)
    return EvaluationResult(note(artifact, evaluation, interaction), evaluation)


@contextlib.contextmanager
def loadable(subject: Subject, cache_dir: Path) -> Iterator[Models]:
    """Yield the models as files that other processes load, without an emulator."""
    scratch = cache_dir / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="recam-evaluation-", dir=scratch) as name:
        prepared = Path(name) / "float.onnx"
        onnx.save(prepare(subject.graph, subject.network), prepared)
        yield Models(subject.network, subject.artifact.cvimodel, prepared, None)


def _place(
    settings: Settings,
    interaction: Interaction,
    artifact: Artifact,
    models: Models,
    options: EvaluationOptions,
    camera: Tpu | None,
) -> tuple[Models, Run, str]:
    """Choose what runs the cvimodel, and where; the emulator falls back on the simulator."""
    jobs = options.jobs or core_count()
    if camera:
        return models, partial(_in_threads, camera, 1), "camera"
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
    return models, partial(_in_threads, _simulator(settings, compiler), jobs), SIMULATOR


def _simulator(settings: Settings, compiler: Compiler) -> Simulator:
    return Simulator(compiler, settings.cache_dir / "tmp")


def spread_over(jobs: int, scheduler: str | None) -> Run:
    """Return what runs emulated models: a Dask cluster, or processes of this machine."""
    if scheduler:
        return lambda models, pictures: map_on_cluster(models, pictures, scheduler)

    def run(models: Models, pictures: Sequence[Path]) -> Iterator[tuple[int, Sequence[Result]]]:
        work = partial(detect, models)
        few = jobs == 1 or len(pictures) <= _FEW
        return map_in_threads(work, pictures, 1) if few else map_in_processes(work, pictures, jobs)

    return run


def _in_threads(
    tpu: Tpu, jobs: int, models: Models, pictures: Sequence[Path]
) -> Iterator[tuple[int, Sequence[Result]]]:
    return map_in_threads(partial(detect, models, tpu=tpu), pictures, jobs)


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
