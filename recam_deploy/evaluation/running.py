"""Choose where models are run: in processes, on a cluster, or by a TPU that this process drives."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import onnx

from ..conversion.tpu import Tpu
from ..errors import CameraError
from ..network.model import Network
from ..network.prepare import prepare
from .cluster import check_cluster, map_on_cluster
from .detecting import Models, Result, detect
from .evaluate import Run
from .processes import check_jobs, map_in_processes, map_in_threads

_FEW = 8
"""So few pictures are done before the processes have started."""

_AT_ONCE = 8
"""The camera takes about a second to load a model, and some seconds for so many pictures."""


@contextlib.contextmanager
def loadable(
    network: Network, graph: onnx.ModelProto, cvimodel: Path, cache_dir: Path
) -> Iterator[Models]:
    """Yield a network's models as files that other processes load, without an emulator.

    `graph` is what `read_network` returned.
    """
    scratch = cache_dir / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="recam-evaluation-", dir=scratch) as name:
        prepared = Path(name) / "float.onnx"
        onnx.save(prepare(graph, network), prepared)
        yield Models(network, cvimodel, prepared, None)


def check_spread(jobs: int | None, scheduler: str | None) -> None:
    """Check a number of processes and a scheduler's address, before anything is done with them.

    Raises UsageError, and EvaluationError where Dask is not installed.
    """
    if jobs is not None:
        check_jobs(jobs)
    if scheduler is not None:
        check_cluster(scheduler)


def spread_over(jobs: int, scheduler: str | None = None) -> Run:
    """Return what runs emulated models: a Dask cluster, or processes of this machine."""
    if scheduler is not None:
        return lambda models, pictures: map_on_cluster(models, pictures, scheduler)

    def run(models: Models, pictures: Sequence[Path]) -> Iterator[tuple[int, Sequence[Result]]]:
        work = partial(detect, models)
        few = jobs == 1 or len(pictures) <= _FEW
        return map_in_threads(work, pictures, 1) if few else map_in_processes(work, pictures, jobs)

    return run


def driven_by(tpu: Tpu, jobs: int) -> Run:
    """Return what runs the cvimodel on `tpu`, from so many threads."""

    def run(models: Models, pictures: Sequence[Path]) -> Iterator[tuple[int, Sequence[Result]]]:
        return map_in_threads(partial(detect, models, tpu=tpu), pictures, jobs)

    return run


def in_turn(tpu: Tpu) -> Run:
    """Return what runs the cvimodel on the camera's TPU in this thread, which gets Ctrl-C."""

    def run(models: Models, pictures: Sequence[Path]) -> Iterator[tuple[int, Sequence[Result]]]:
        for start in range(0, len(pictures), _AT_ONCE):
            try:
                results = detect(models, pictures[start : start + _AT_ONCE], tpu)
            except CameraError as error:
                error.message += f"; {start:,} of {len(pictures):,} pictures were done"
                raise
            yield start, results

    return run
