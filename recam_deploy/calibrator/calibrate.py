"""From pictures to a calibration table, in recam's own process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from ..errors import CompilationError
from ..progress import Progress
from ..toolchain.mlir import read_operations
from ..toolchain.tables import Threshold
from .collecting import ReadPicture, collect
from .correspondence import correspond
from .histogram import TensorStatistics
from .observing import float_shapes
from .probing import Surroundings
from .table import table_text
from .thresholds import BINS, kl_threshold
from .tuning import Attempt, Bounds, TuningPictures, plan_trials, tune

_LEAST_SAMPLES, _MOST_SAMPLES = 8192, 65536


@dataclass(frozen=True)
class CalibrationOptions:
    """`samples` values of a tensor go into its histogram, over all pictures; thresholds are tuned
    on the first `tune_pictures`, as the compiler does."""

    samples: int = 6_500_000
    tune_pictures: int = 5

    def samples_of_a_picture(self, pictures: int) -> int:
        """How many values of a tensor are looked at in each of so many pictures."""
        return max(_LEAST_SAMPLES, min(_MOST_SAMPLES, self.samples // pictures))


class NotCalibratedError(CompilationError):
    """The compiler wants thresholds of tensors that the ONNX graph does not have."""


def _bounds(statistics: TensorStatistics) -> Bounds:
    largest = statistics.absolute_maximum
    return Bounds(min(kl_threshold(*statistics.histogram(BINS)), largest), largest)


def calibrate(
    prepared: Path,
    mlir: Path,
    pictures: Sequence[Path],
    read: ReadPicture,
    progress: Progress,
    options: CalibrationOptions = CalibrationOptions(),
) -> str:
    """The calibration table for the MLIR file `mlir`, made of the ONNX file `prepared`.

    `read` turns a picture into the network's input, float32 [1, 3, H, W].

    Raises NotCalibratedError when the compiler's own calibrator has to be used, and InputError when
    a picture cannot be read or the network not be run.
    """
    operations = read_operations(mlir.read_text(encoding="utf-8"))
    model = onnx.shape_inference.infer_shapes(onnx.load(prepared))
    shapes = float_shapes(model)
    names = correspond(operations, shapes)
    if names.missing:
        raise NotCalibratedError(
            f"no values are known for {', '.join(names.missing[:3])}", "Use the stock calibrator."
        )
    surroundings = Surroundings(model, shapes)
    attempts = [
        Attempt(trial.tensor, probe)
        for trial in plan_trials(operations)
        if (probe := surroundings.probe(trial.operation, names.onnx))
    ]
    tuned_on = pictures[: options.tune_pictures]
    with progress.step("Calibrating", "images") as step:
        found = collect(
            model,
            tuple(dict.fromkeys(names.onnx.values())),
            pictures,
            read,
            samples=options.samples_of_a_picture(len(pictures)),
            keep={name for attempt in attempts for name in attempt.probe.sampled},
            keep_pictures=len(tuned_on),
            step=step,
        )
        step.update(note="computing thresholds")
        bounds = {name: _bounds(found.statistics[tensor]) for name, tensor in names.onnx.items()}
        worth = [attempt for attempt in attempts if bounds[attempt.tensor].worth_trying]
        activations = TuningPictures(
            model, shapes, found.samples, tuned_on, read, [attempt.probe for attempt in worth]
        )
        tuned = tune(surroundings, worth, bounds, activations.of, step)
    return table_text(
        {
            name: Threshold(
                max(tuned.get(name, 0.0), limits.threshold),
                *found.statistics[names.onnx[name]].limits,
            )
            for name, limits in bounds.items()
        },
        pictures=len(pictures),
        tuned_on=len(tuned_on),
    )
