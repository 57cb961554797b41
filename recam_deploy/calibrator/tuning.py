"""Raise thresholds where that brings an operation's output closer to the float network's.

The divergence is that of one tensor alone, but the next operation's output counts. So for each
operation, 21 thresholds of its input are evaluated, from that of the divergence to the largest
magnitude, and the one with the closest output is kept. This is the search of tpu_mlir 1.7
(`SimpleTuner` in `calibration/kld_calibrator.py`), with the same pairs of tensor and operation.
Weights stay float, since their error is the same at every threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from ..errors import InputError
from ..network.runtime import Array, Runtime
from ..progress import Step
from ..toolchain.mlir import Operation
from .collecting import ReadPicture, in_parallel
from .observing import ObservedModel, Patches, float_shapes
from .probing import OperationCutter, Probe, View, distance, quantized

STEPS = 20
_STRIDE = 4
_LEAST_RANGE = 0.01
# A grid of 80 × 80 is used whole, of a larger one as many places. *Measured*: with fewer, accuracy
# drops, for clipped values are rare.
_PATCH_SIDE = 8
_PATCHES = 100


@dataclass(frozen=True)
class TuningPair:
    """A `tensor` whose threshold is tuned on `operation`, both named as in the MLIR file."""

    operation: Operation
    tensor: str


def plan_tuning(operations: Sequence[Operation]) -> tuple[TuningPair, ...]:
    """List the pairs of tensor and operation to tune on, in order.

    Each operation tunes the inputs that no operation before it tuned, or its first input when there
    are none.
    """
    tuned: set[str] = set()
    pairs = []
    for operation in operations:
        fresh = [name for name in operation.inputs if name not in tuned]
        for name in fresh or operation.inputs[:1]:
            pairs.append(TuningPair(operation, name))
            tuned.add(name)
    return tuple(pairs)


@dataclass(frozen=True)
class Bounds:
    """The range of thresholds to search: from that of the divergence to the largest magnitude."""

    threshold: float
    absolute_maximum: float

    @property
    def worth_tuning(self) -> bool:
        """Say whether the bounds are far enough apart to search between them."""
        return self.absolute_maximum - self.threshold > _LEAST_RANGE

    @property
    def candidates(self) -> list[float]:
        """Return the 21 thresholds to evaluate, in ascending order."""
        step = (self.absolute_maximum - self.threshold) / STEPS
        return [self.threshold + step * index for index in range(STEPS + 1)]


@dataclass(frozen=True)
class TuningTask:
    """A tuning pair whose operation can run alone: thresholds of `tensor`, evaluated by `probe`."""

    tensor: str
    probe: Probe


def tune(
    cutter: OperationCutter,
    tasks: Sequence[TuningTask],
    bounds: Mapping[str, Bounds],
    activations: Callable[[Probe], list[list[Array]]],
    step: Step,
) -> dict[str, float]:
    """Return the best threshold of each tensor in `tasks`; of several, the largest.

    `activations` returns a probe's inputs, [picture][input], in the form of its view.
    """

    def tuned(task: TuningTask) -> tuple[str, float]:
        limits = bounds[task.tensor]
        try:
            evaluate = evaluator(cutter, task.probe, activations(task.probe))
            return task.tensor, best_threshold(limits, evaluate)
        except InputError:
            # An operation that cannot run alone keeps the divergence's threshold.
            return task.tensor, limits.threshold

    best: dict[str, float] = {}
    for done, (tensor, threshold) in enumerate(in_parallel(tuned, tasks), start=1):
        best[tensor] = max(threshold, best.get(tensor, 0.0))
        step.update(done, len(tasks), "tuning thresholds")
    return best


def best_threshold(bounds: Bounds, evaluate: Callable[[float], float]) -> float:
    """Return the candidate with the least distance; of equals the lowest.

    Every fourth is evaluated, then those around the best of them: the distance has one minimum.
    """
    candidates = bounds.candidates
    distances: dict[int, float] = {}

    def far(index: int) -> tuple[float, int]:
        if index not in distances:
            distances[index] = evaluate(candidates[index])
        return distances[index], index

    near = min(range(0, STEPS + 1, _STRIDE), key=far)
    first, last = max(0, near - _STRIDE + 1), min(STEPS, near + _STRIDE - 1)
    return candidates[min(range(first, last + 1), key=far)]


def evaluator(
    cutter: OperationCutter, probe: Probe, pictures: Sequence[Sequence[Array]]
) -> Callable[[float], float]:
    """Return a function of a threshold: the distance of the probe's output, summed over pictures.

    All inputs are clipped at the same threshold, as in tpu_mlir.
    """
    if probe.view is View.OUTPUT_SAMPLE:
        return lambda threshold: sum(
            distance(output, quantized(output, threshold)) for (output,) in pictures
        )
    runtime = cutter.runtime(probe)
    references = [_run(runtime, probe, inputs) for inputs in pictures]

    def evaluate(threshold: float) -> float:
        total = 0.0
        for inputs, reference in zip(pictures, references, strict=True):
            result = _run(runtime, probe, [quantized(value, threshold) for value in inputs])
            total += distance(reference, result)
        return total

    return evaluate


def _run(runtime: Runtime, probe: Probe, inputs: Sequence[Array]) -> Array:
    (output,) = runtime.run(dict(zip(probe.inputs, inputs, strict=True)))
    return output


def bytes_a_picture(
    shapes: Mapping[str, tuple[int, ...]], probes: Sequence[Probe], samples: int
) -> int:
    """Compute the bytes that one picture takes for `probes`, with `samples` values of a tensor."""
    sampled = {name for probe in probes for name in probe.sampled}
    sizes = [min(samples, math.prod(shapes[name])) for name in sampled]
    for name, view in _beyond_samples(probes):
        sizes.append(_viewed_size(shapes[name], view))
    return 4 * sum(sizes)


def _viewed_size(shape: tuple[int, ...], view: View) -> int:
    patches = patches_of(shape) if view is View.PATCHES else None
    if patches is None:
        return math.prod(shape)
    return len(patches.corners) * shape[1] * patches.side**2


def _beyond_samples(probes: Sequence[Probe]) -> list[tuple[str, View]]:
    """List the tensors that are needed as patches or whole, in a fixed order."""
    wanted = {
        (name, probe.view)
        for probe in probes
        if probe.view in (View.PATCHES, View.WHOLE)
        for name in probe.inputs
    }
    return sorted(wanted, key=lambda entry: (entry[0], entry[1].name))


class TuningPictures:
    """The inputs of probes: collected samples, and patches and whole tensors of a few pictures."""

    def __init__(
        self,
        model: onnx.ModelProto,
        samples: Mapping[str, Mapping[int, Array]],
        pictures: Sequence[Path],
        read: ReadPicture,
        probes: Sequence[Probe],
    ) -> None:
        """Run `pictures` through `model` for the tensors that `probes` need beyond the `samples`.

        `model` must have its shapes inferred. Raises InputError.
        """
        self._samples = samples
        self._shapes = float_shapes(model)
        self._count = len(pictures)
        self._seen = self._look(model, _beyond_samples(probes), pictures, read)

    def _look(
        self,
        model: onnx.ModelProto,
        wanted: Sequence[tuple[str, View]],
        pictures: Sequence[Path],
        read: ReadPicture,
    ) -> list[dict[tuple[str, View], Array]]:
        if not wanted:
            return [{} for _ in pictures]
        observed = ObservedModel(model)
        for name, view in wanted:
            patches = patches_of(self._shapes[name]) if view is View.PATCHES else None
            if patches:
                observed.patches(name, patches)
            else:
                observed.whole(name)
        runtime = Runtime(observed.serialized(), threads=1, lean=True)
        held = 4 * sum(int(np.prod(shape)) for shape in self._shapes.values())

        def look(path: Path) -> dict[tuple[str, View], Array]:
            outputs = runtime.run({runtime.inputs[0]: read(path)})
            return dict(zip(wanted, outputs, strict=True))

        return list(in_parallel(look, pictures, held))

    def of(self, probe: Probe) -> list[list[Array]]:
        """Return a probe's inputs, or the output if it needs no more, as [picture][tensor]."""
        if probe.sampled:
            return [
                [self._samples[name][index] for name in probe.sampled]
                for index in range(self._count)
            ]
        return [[seen[name, probe.view] for name in probe.inputs] for seen in self._seen]


def patches_of(shape: tuple[int, ...]) -> Patches | None:
    """Choose the patches of a tensor [1, C, H, W]; None when it is small and used whole."""
    height, width = shape[2:]
    if height * width <= _PATCHES * _PATCH_SIDE**2 or min(height, width) < _PATCH_SIDE:
        return None
    random = np.random.default_rng(height * width)
    corners = [
        (
            int(random.integers(height - _PATCH_SIDE + 1)),
            int(random.integers(width - _PATCH_SIDE + 1)),
        )
        for _ in range(_PATCHES)
    ]
    return Patches(_PATCH_SIDE, tuple(dict.fromkeys(corners)))
