"""Compute a calibration table from pictures, in recam's own process."""

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
from .probing import OperationCutter
from .table import table_text
from .thresholds import BINS, kl_threshold
from .tuning import Bounds, TuningPictures, TuningTask, bytes_a_picture, plan_tuning, tune

_LEAST_SAMPLES, _MOST_SAMPLES = 8192, 65536
_SHOWN = 3
# The limit for activations kept of the pictures for tuning: 96 MB a picture for YOLO11n at 640.
_TUNING_BYTES = 800_000_000


@dataclass(frozen=True)
class CalibratorOptions:
    """Options of the calibrator; names and defaults as for run_calibration.

    `bins` are those of a histogram, into which `samples` values of a tensor go, over all pictures.
    Thresholds are tuned on `tune_num` pictures.
    """

    bins: int = BINS
    tune_num: int = 5
    samples: int = 6_500_000

    def samples_of_a_picture(self, pictures: int) -> int:
        """Return how many values of a tensor to sample in each of so many pictures."""
        return max(_LEAST_SAMPLES, min(_MOST_SAMPLES, self.samples // pictures))


class NotCalibratedError(CompilationError):
    """The compiler needs thresholds of tensors that are not in the ONNX graph."""


def calibrate(
    prepared: Path,
    mlir: Path,
    pictures: Sequence[Path],
    read: ReadPicture,
    progress: Progress,
    options: CalibratorOptions | None = None,
) -> str:
    """Return the text of the calibration table for `mlir`, which was made from the ONNX `prepared`.

    `read` turns a picture file into the network's input, float32 [1, 3, H, W].

    Raises NotCalibratedError when the compiler's own calibrator has to be used, and InputError when
    a picture cannot be read or the network cannot be run.
    """
    options = options or CalibratorOptions()
    plan = _planned(prepared, mlir, pictures, options)
    tuned_on = plan.tuned_on
    if len(tuned_on) < min(options.tune_num, len(pictures)):
        progress.say(f"thresholds are tuned on {len(tuned_on)} pictures, to limit memory")
    with progress.step("Calibrating") as step:
        found = collect(
            plan.model,
            tuple(dict.fromkeys(plan.onnx_names.values())),
            pictures,
            read,
            samples=plan.samples,
            keep={name for task in plan.tasks for name in task.probe.sampled},
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
    """The plan of a calibration.

    `onnx_names` has the ONNX tensor for each of the compiler's names. `samples` values of a tensor
    are taken from each picture. The `tasks` run on the pictures `tuned_on`.
    """

    model: onnx.ModelProto
    onnx_names: Mapping[str, str]
    cutter: OperationCutter
    tasks: Sequence[TuningTask]
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
            "the ONNX graph has no values for "
            + (", ".join(names.missing[:_SHOWN]) or "any tensor of the translated network"),
            "Use the compiler's own calibrator: --calibrator stock.",
        )
    cutter = OperationCutter(model, shapes)
    tasks = [
        TuningTask(pair.tensor, probe)
        for pair in plan_tuning(operations)
        if (probe := cutter.probe(pair.operation, names.onnx))
    ]
    samples = options.samples_of_a_picture(len(pictures))
    kept = bytes_a_picture(shapes, [task.probe for task in tasks], samples)
    most = max(1, _TUNING_BYTES // max(kept, 1))
    tuned_on = pictures[: min(options.tune_num, most)]
    return _Plan(model, names.onnx, cutter, tasks, samples, tuned_on)


def _tuned(
    plan: _Plan,
    found: Activations,
    bounds: Mapping[str, Bounds],
    read: ReadPicture,
    step: Step,
) -> dict[str, float]:
    """Tune the thresholds whose bounds are far enough apart; return them by tensor."""
    worth = [task for task in plan.tasks if bounds[task.tensor].worth_tuning]
    activations = TuningPictures(
        plan.model,
        found.samples,
        plan.tuned_on,
        read,
        [task.probe for task in worth],
    )
    return tune(plan.cutter, worth, bounds, activations.of, step)


def _bounds(statistics: TensorStatistics, bins: int) -> Bounds:
    """Return the range to tune in: from the threshold by divergence to the largest magnitude.

    The first may be half a bin too high, and is limited to the second.
    """
    largest = statistics.absolute_maximum
    return Bounds(min(kl_threshold(*statistics.histogram(bins)), largest), largest)
