"""Convert a model: check all inputs, install the compiler if needed, run the steps."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from ..artifact import is_manifest
from ..class_names import read_labels
from ..conversion.calibration import CalibrationSet
from ..conversion.commands import LOSS_TABLE_FILE, TEST_RESULT_FILE
from ..conversion.convert import ConversionResult, Converter
from ..conversion.from_settings import (
    check_channel_format,
    preprocessing_of,
    read_options,
    read_pictures,
)
from ..conversion.int8_outputs import check_int8_outputs
from ..conversion.plan import ConversionPlan, choose_quantization, plan_conversion
from ..conversion.searching import Measure
from ..conversion.thresholds import Thresholds
from ..errors import CacheBusyError, InputError
from ..evaluation.data import open_labelled_set
from ..evaluation.evaluate import AccuracyMeter, task_of
from ..evaluation.processes import core_count
from ..evaluation.running import loadable, spread_over
from ..evaluation.types import LabelledSet
from ..files import copy_atomically, stem_of
from ..folders import expanded
from ..frameworks import Exported
from ..interaction import Interaction, NoInteraction
from ..network.model import Network
from ..network.reading import read_network, read_raw_network
from ..picture_sets import spread
from ..progress import Progress
from ..settings import ConvertSettings, Settings
from ..step_cache import StepCache
from ..system_errors import unless_refused
from ..toolchain import TPU_MLIR_VERSION, Compiler, ensure, ensure_docker

_MOST_SEARCHED = 500


@dataclass(frozen=True)
class PreparedConversion:
    """A conversion whose inputs were read and checked.

    `export` is the export that made the ONNX model from another framework's, if any. `labelled` are
    the pictures to measure the cvimodel on, if there are any.
    """

    plan: ConversionPlan
    graph: onnx.ModelProto
    output: Path
    export: Exported | None = None
    labelled: LabelledSet | None = None


def prepare_conversion(
    settings: Settings,
    model: Path,
    output: Path | None,
    labels: Path | None,
    export: Exported | None = None,
    interaction: Interaction | None = None,
) -> PreparedConversion:
    """Read and check all inputs of a conversion, before it takes time.

    Says which calibration pictures are used, and warns of those that are not. Raises InputError.
    """
    interaction = interaction or NoInteraction()
    convert = settings.convert
    read = read_raw_network if convert.family == "raw" else read_network
    network, graph = read(
        model,
        read_labels(labels) if labels else (),
        preprocessing_of(convert),
        output_names=convert.output_names,
        input_shape=convert.input_shapes[0] if convert.input_shapes else (),
    )
    check_channel_format(convert, network)
    pictures = read_pictures(convert, step_cache(settings), interaction)
    labelled = _labelled(convert, network, interaction)
    options = read_options(convert, network, pictures, labelled.digest if labelled else "")
    quantization = choose_quantization(network, convert.quantize, options.quantize_table)
    if options.deploy.int8_outputs:
        check_int8_outputs(network, quantization)
    plan = plan_conversion(
        network,
        pictures,
        options,
        quantization=quantization,
        tpu_mlir=TPU_MLIR_VERSION,
    )
    target = output_path(model, output, quantization)
    _tell(interaction, pictures, calibrates=plan.calibrate is not None)
    return PreparedConversion(plan, graph, target, export, labelled)


def _labelled(
    convert: ConvertSettings, network: Network, interaction: Interaction
) -> LabelledSet | None:
    """Open the pictures to measure the cvimodel on; None where the settings name none."""
    if convert.data is None:
        if convert.max_drop is not None:
            raise InputError(
                "max_drop is set, and there are no labelled pictures to measure the loss on",
                "Name them with --data, or leave max_drop out.",
            )
        return None
    labelled = open_labelled_set(
        expanded(convert.data),
        task_of(network.family),
        network.labels,
        split=None,
        limit=None,
        progress=interaction,
    )
    for problem in labelled.problems:
        interaction.warn(problem)
    return labelled


def _tell(interaction: Interaction, pictures: CalibrationSet, *, calibrates: bool) -> None:
    choice = pictures.choice
    if choice is None:
        return
    interaction.say(f"Calibration pictures: {choice.told()}")
    for problem in (*choice.problems, *(choice.doubts if calibrates else ())):
        interaction.warn(problem)


def run_conversion(
    settings: Settings, progress: Progress, prepared: PreparedConversion
) -> ConversionResult:
    """Install the compiler if needed, then convert.

    Raises InputError, ToolchainError, CompilationError or VerificationError.
    """
    plan, cache_dir = prepared.plan, settings.cache_dir
    cache = StepCache(cache_dir / "steps", progress)
    if plan.calibration.reading:
        with unless_refused():
            plan.calibration.reading.keep(cache)
    compiler = find_compiler(settings.general.toolchain, cache_dir, progress)
    export = prepared.export
    converter = Converter(
        plan,
        prepared.graph,
        compiler,
        cache,
        cache_dir,
        progress,
        origin=export.origin if export else None,
        measure=_measure(prepared, cache_dir, progress),
    )
    thresholds = Thresholds(settings.convert.min_cosine, settings.convert.min_matched)
    result = converter.run(prepared.output, thresholds)
    for wanted, step, file in (
        (settings.convert.test_result, "transform", TEST_RESULT_FILE),
        (settings.convert.loss_table, "search", LOSS_TABLE_FILE),
    ):
        if wanted:
            copy_result(result, step, file, expanded(wanted))
    if export:
        result = replace(result, steps=(export.step, *result.steps))
    with contextlib.suppress(CacheBusyError), unless_refused():
        cache.clean(max(1, settings.general.cache_limit_mb) * 1_000_000)
    return result


def _measure(prepared: PreparedConversion, cache_dir: Path, progress: Progress) -> Measure | None:
    """Return what measures a trial of a search for accuracy; it loads the models at first use.

    A search runs all pictures some seven times, so it takes some of them at most.
    """
    labelled = prepared.labelled
    if labelled is None:
        return None
    some = replace(labelled, pictures=spread(labelled.pictures, _MOST_SEARCHED))
    network = prepared.plan.network
    found: list[AccuracyMeter] = []

    def measure(emulated: Path) -> float:
        run = spread_over(core_count(), None)
        with loadable(network, prepared.graph, prepared.output, cache_dir) as models:
            if not found:
                found.append(AccuracyMeter(models, some, run, progress))
            return found[0].lost(emulated)

    return measure


def copy_result(result: ConversionResult, step: str, file: str, target: Path) -> None:
    """Copy a step's file to `target`; do nothing when the step wrote none."""
    folder = next((done.folder for done in result.steps if done.name == step), None)
    if folder and (folder / file).is_file():
        copy_atomically(folder / file, target)


def find_compiler(toolchain: str, cache_dir: Path, progress: Progress) -> Compiler:
    """Find the compiler, "local" or in "docker"; install it if needed. Raises ToolchainError."""
    install = ensure_docker if toolchain == "docker" else ensure
    return install(cache_dir, progress)


def step_cache(settings: Settings, progress: Progress | None = None) -> StepCache:
    """Open the cache of finished conversion steps."""
    return StepCache(settings.cache_dir / "steps", progress)


def output_path(model: Path, output: Path | None, quantization: str) -> Path:
    """Return the path of the cvimodel. Raises InputError when it cannot be written."""
    target = output or Path(f"{stem_of(model)}_{quantization}.cvimodel")
    if target.suffix != ".cvimodel":
        raise InputError(
            f"the output {target} does not end in .cvimodel",
            f"Name it {target.with_suffix('.cvimodel')}.",
        )
    if not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} does not exist", "Create it first.")
    manifest = target.with_suffix(".json")
    if manifest.exists() and not is_manifest(manifest):
        raise InputError(
            f"the manifest would replace {manifest}, which is no manifest",
            "Choose another name for the output.",
        )
    return target
