"""From pictures to a calibration table, in recam's own process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from ..errors import CompilationError
from ..progress import Progress, Step
from ..toolchain.mlir import read_operations
from ..toolchain.tables import Threshold
from .collecting import Activations, ReadPicture, collect
from .correspondence import correspond
from .histogram import TensorStatistics
from .observing import float_shapes
from .probing import Surroundings
from .table import table_text
from .thresholds import BINS, kl_threshold
from .tuning import Attempt, Bounds, TuningPictures, bytes_a_picture, plan_trials, tune

_LEAST_SAMPLES, _MOST_SAMPLES = 8192, 65536
_SHOWN = 3
# What is kept of the pictures that thresholds are tuned on: 96 MB each for YOLO11n at 640.
_TUNING_BYTES = 800_000_000


@dataclass(frozen=True)
class CalibratorOptions:
    """`bins` of the histograms and `tune_num` pictures that thresholds are tuned on, as for
    run_calibration; `samples` values of a tensor go into its histogram, over all pictures."""

    bins: int = BINS
    tune_num: int = 5
    samples: int = 6_500_000

    def samples_of_a_picture(self, pictures: int) -> int:
        """How many values of a tensor are looked at in each of so many pictures."""
        return max(_LEAST_SAMPLES, min(_MOST_SAMPLES, self.samples // pictures))


class NotCalibratedError(CompilationError):
    """The compiler wants thresholds of tensors that the ONNX graph does not have."""


def calibrate(
    prepared: Path,
    mlir: Path,
    pictures: Sequence[Path],
    read: ReadPicture,
    progress: Progress,
    options: CalibratorOptions | None = None,
) -> str:
    """The calibration table for the MLIR file `mlir`, made of the ONNX file `prepared`.

    `read` turns a picture into the network's input, float32 [1, 3, H, W].

    Raises NotCalibratedError when the compiler's own calibrator has to be used, and InputError when
    a picture cannot be read or the network not be run.
    """
    options = options or CalibratorOptions()
    plan = _planned(prepared, mlir, pictures, options)
    tuned_on = plan.tuned_on
    if len(tuned_on) < min(options.tune_num, len(pictures)):
        progress.say(f"thresholds are tuned on {len(tuned_on)} pictures, all that memory holds")
    with progress.step("Calibrating") as step:
        found = collect(
            plan.model,
            tuple(dict.fromkeys(plan.onnx_names.values())),
            pictures,
            read,
            samples=plan.samples,
            keep={name for attempt in plan.attempts for name in attempt.probe.sampled},
            keep_pictures=len(tuned_on),
            step=step,
        )
        step.update(note="computing thresholds")
        statistics = {name: found.statistics[tensor] for name, tensor in plan.onnx_names.items()}
        bounds = {name: _bounds(values, options.bins) for name, values in statistics.items()}
        tuned = _tuned(plan, found, bounds, read, step) if tuned_on else {}
    table = {
        name: Threshold(tuned.get(name, bounds[name].threshold), *values.limits)
        for name, values in statistics.items()
    }
    return table_text(table, bins=options.bins, pictures=len(pictures), tuned_on=len(tuned_on))


@dataclass(frozen=True)
class _Plan:
    """What will be looked at: `onnx_names` has the ONNX tensor of each of the compiler's, `samples`
    values of each are taken a picture, and `attempts` made on the pictures `tuned_on`."""

    model: onnx.ModelProto
    onnx_names: Mapping[str, str]
    surroundings: Surroundings
    attempts: Sequence[Attempt]
    samples: int
    tuned_on: Sequence[Path]


def _planned(
    prepared: Path, mlir: Path, pictures: Sequence[Path], options: CalibratorOptions
) -> _Plan:
    operations = read_operations(mlir.read_text(encoding="utf-8"))
    model = onnx.shape_inference.infer_shapes(onnx.load(prepared))
    shapes = float_shapes(model)
    names = correspond(operations, shapes)
    if names.missing or not operations:
        raise NotCalibratedError(
            "no values are known for "
            + (", ".join(names.missing[:_SHOWN]) or "any tensor of the translated network"),
            "Use the compiler's own calibrator: --calibrator stock.",
        )
    surroundings = Surroundings(model, shapes)
    attempts = [
        Attempt(trial.tensor, probe)
        for trial in plan_trials(operations)
        if (probe := surroundings.probe(trial.operation, names.onnx))
    ]
    samples = options.samples_of_a_picture(len(pictures))
    kept = bytes_a_picture(shapes, [attempt.probe for attempt in attempts], samples)
    most = max(1, _TUNING_BYTES // max(kept, 1))
    tuned_on = pictures[: min(options.tune_num, most)]
    return _Plan(model, names.onnx, surroundings, attempts, samples, tuned_on)


def _tuned(
    plan: _Plan,
    found: Activations,
    bounds: Mapping[str, Bounds],
    read: ReadPicture,
    step: Step,
) -> dict[str, float]:
    """The thresholds that are worth tuning, tuned."""
    worth = [attempt for attempt in plan.attempts if bounds[attempt.tensor].worth_trying]
    seen = TuningPictures(
        plan.model,
        found.samples,
        plan.tuned_on,
        read,
        [attempt.probe for attempt in worth],
    )
    return tune(plan.surroundings, worth, bounds, seen.of, step)


def _bounds(statistics: TensorStatistics, bins: int) -> Bounds:
    """From the threshold of the divergence, which may lie half a bin too high, to the largest."""
    largest = statistics.absolute_maximum
    return Bounds(min(kl_threshold(*statistics.histogram(bins)), largest), largest)
