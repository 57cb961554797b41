"""Run the pictures through the float network in parallel, and collect statistics of its tensors."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import onnx

from ..errors import InputError
from ..network.runtime import Runtime
from ..progress import Step
from .histogram import TensorStatistics
from .observing import ObservedModel, float_shapes

Array = npt.NDArray[np.float32]
ReadPicture = Callable[[Path], Array]
T = TypeVar("T")
R = TypeVar("R")

_MAX_WORKERS = 4
_HELD_BYTES = 800_000_000


def workers(held: int = 0) -> int:
    """Return how many threads to use when each holds `held` bytes."""
    room = _HELD_BYTES // max(held, 1)
    return max(1, min(_MAX_WORKERS, os.cpu_count() or 1, room))


def in_parallel(function: Callable[[T], R], items: Sequence[T], held: int = 0) -> Iterator[R]:
    """Yield the results of `function` in order, with only as many items in progress as workers.

    Each item holds `held` bytes while it is processed. Raises what `function` raises.
    """
    count = workers(held)
    with ThreadPoolExecutor(count) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class Activations:
    """The statistics of each tensor, and for the `kept` ones the sampled values by picture."""

    def __init__(self, tensors: Sequence[str], kept: Iterable[str]) -> None:
        self.statistics = {tensor: TensorStatistics() for tensor in tensors}
        self.samples: dict[str, dict[int, Array]] = {tensor: {} for tensor in kept}


def collect(
    model: onnx.ModelProto,
    tensors: Sequence[str],
    pictures: Sequence[Path],
    read: ReadPicture,
    *,
    samples: int,
    keep: Collection[str],
    keep_pictures: int,
    step: Step,
) -> Activations:
    """Run all `pictures` through `model`, and collect statistics of `tensors`.

    `model` must have its shapes inferred. `samples` values of a tensor and picture enter its
    histogram; those of the tensors `keep` in the first `keep_pictures` are kept. Raises InputError
    when the model cannot be run, or computes values that are not finite.
    """
    shapes = float_shapes(model)
    observed = ObservedModel(model)
    for tensor in tensors:
        observed.extremes(tensor)
        observed.sample(tensor, int(np.prod(shapes[tensor])), samples)
    runtime = Runtime(observed.serialized(), threads=1, lean=True)
    found = Activations(tensors, keep)
    lock = threading.Lock()

    def look(index: int) -> None:
        outputs = runtime.run({runtime.inputs[0]: read(pictures[index])})
        for number, tensor in enumerate(tensors):
            minimum, maximum, values = outputs[3 * number : 3 * number + 3]
            _check_finite(tensor, (minimum, maximum, values), pictures[index])
            with lock:
                found.statistics[tensor].add(float(minimum), float(maximum), values)
                if index < keep_pictures and tensor in found.samples:
                    found.samples[tensor][index] = values

    held = 4 * sum(int(np.prod(shape)) for shape in shapes.values())
    for done, _ in enumerate(in_parallel(look, range(len(pictures)), held), start=1):
        step.update(done, len(pictures), "collecting activations")
    return found


def _check_finite(tensor: str, seen: Iterable[Array], picture: Path) -> None:
    """Raise InputError for values that are not finite.

    onnxruntime's minimum and maximum ignore some NaNs, so the samples are checked as well.
    """
    if not all(np.isfinite(values).all() for values in seen):
        raise InputError(
            f"the float model computes values that are not finite: {tensor} on {picture.name}",
            "INT8 cannot hold them. Run the model in onnxruntime to see why, and export it again; "
            "or convert with --quantize bf16.",
        )
