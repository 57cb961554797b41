"""Raising thresholds where an operation's output gains by it.

The divergence looks at one tensor; what counts is what the next operation makes of it. So for each
operation the threshold of its input is tried at 21 places between that of the divergence and the
largest magnitude, and kept where the operation's output is nearest to that of the float network.
This is the search of tpu_mlir 1.7 (`SimpleTuner` in `calibration/kld_calibrator.py`), which tensors
are tried on which operation included; weights stay float here, since their error is the same at
every threshold.
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
from .observing import Observed, Patches, float_shapes
from .probing import Probe, Surroundings, View, distance, quantized

STEPS = 20
_STRIDE = 4
_LEAST_RANGE = 0.01
# A grid of 80 × 80 is taken whole, of a larger one as many places. *Measured*: fewer lose accuracy,
# for what is cut off is rare.
_PATCH_SIDE = 8
_PATCHES = 100


@dataclass(frozen=True)
class Trial:
    """Thresholds of `tensor` to be tried on `operation`, both named as in the MLIR file."""

    operation: Operation
    tensor: str


def plan_trials(operations: Sequence[Operation]) -> tuple[Trial, ...]:
    """Each operation tries the inputs that none before it has tried; or its first again, when
    there are no others."""
    tried: set[str] = set()
    trials = []
    for operation in operations:
        fresh = [name for name in operation.inputs if name not in tried]
        for name in fresh or operation.inputs[:1]:
            trials.append(Trial(operation, name))
            tried.add(name)
    return tuple(trials)


@dataclass(frozen=True)
class Bounds:
    """Between which thresholds a tensor's is sought."""

    threshold: float
    absolute_maximum: float

    @property
    def worth_trying(self) -> bool:
        return self.absolute_maximum - self.threshold > _LEAST_RANGE

    @property
    def candidates(self) -> list[float]:
        step = (self.absolute_maximum - self.threshold) / STEPS
        return [self.threshold + step * index for index in range(STEPS + 1)]


@dataclass(frozen=True)
class Attempt:
    """A trial that can be made: thresholds of `tensor`, judged by `probe`."""

    tensor: str
    probe: Probe


def tune(
    surroundings: Surroundings,
    attempts: Sequence[Attempt],
    bounds: Mapping[str, Bounds],
    activations: Callable[[Probe], list[list[Array]]],
    step: Step,
) -> dict[str, float]:
    """The best threshold of each tensor that was tried: of several, the largest.

    `activations` gives a probe's inputs a picture, as its view has them.
    """

    def attempted(attempt: Attempt) -> tuple[str, float]:
        limits = bounds[attempt.tensor]
        try:
            evaluate = evaluator(surroundings, attempt.probe, activations(attempt.probe))
            return attempt.tensor, best_threshold(limits, evaluate)
        except InputError:
            # An operation that cannot be computed alone leaves the divergence's threshold.
            return attempt.tensor, limits.threshold

    best: dict[str, float] = {}
    for done, (tensor, threshold) in enumerate(in_parallel(attempted, attempts), start=1):
        best[tensor] = max(threshold, best.get(tensor, 0.0))
        step.update(done, len(attempts), "tuning thresholds")
    return best


def best_threshold(bounds: Bounds, evaluate: Callable[[float], float]) -> float:
    """The candidate with the least distance; of equals the lowest.

    Every fourth is tried, then those around the best of them: the distance has one valley.
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
    surroundings: Surroundings, probe: Probe, pictures: Sequence[Sequence[Array]]
) -> Callable[[float], float]:
    """How far the probe's output is off at a threshold, over the pictures.

    All inputs are cut off at the same one, as tpu_mlir does it.
    """
    if probe.view is View.OUTPUT_SAMPLE:
        return lambda threshold: sum(
            distance(output, quantized(output, threshold)) for (output,) in pictures
        )
    runtime = surroundings.runtime(probe)
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
    """What is kept of a picture for `probes`, when `samples` values of a tensor are."""
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
    """The tensors that are needed as patches or whole, in a fixed order."""
    wanted = {
        (name, probe.view)
        for probe in probes
        if probe.view in (View.PATCHES, View.WHOLE)
        for name in probe.inputs
    }
    return sorted(wanted, key=lambda entry: (entry[0], entry[1].name))


class TuningPictures:
    """The activations that probes are given: samples that were collected, and patches and whole
    tensors of a few pictures."""

    def __init__(
        self,
        model: onnx.ModelProto,
        samples: Mapping[str, Mapping[int, Array]],
        pictures: Sequence[Path],
        read: ReadPicture,
        probes: Sequence[Probe],
    ) -> None:
        """Run `pictures` through `model`, whose shapes are known, for what the `probes` need beyond
        the `samples`."""
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
        observed = Observed(model)
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
        """A probe's inputs, a list a picture; or its output, where that is all it needs."""
        if probe.sampled:
            return [
                [self._samples[name][index] for name in probe.sampled]
                for index in range(self._count)
            ]
        return [[seen[name, probe.view] for name in probe.inputs] for seen in self._seen]


def patches_of(shape: tuple[int, ...]) -> Patches | None:
    """Where a tensor [1, C, H, W] is cut into patches; None when it is small and taken whole."""
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
