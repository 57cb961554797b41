"""Spread work over processes or threads of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from ..errors import EvaluationError

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Sequence[Result]]

_MOST_BREAKS = 3
"""How often in a row a worker may be killed before any work is done."""

_MOST_ITEMS = 16


def core_count() -> int:
    """Count the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def chunked(items: Sequence[Item], jobs: int, parts: int = 20) -> list[tuple[int, Sequence[Item]]]:
    """Split items into chunks, each with the place of its first item; some `parts` for each job."""
    size = min(_MOST_ITEMS, max(1, -(-len(items) // (parts * jobs))))
    return [(start, items[start : start + size]) for start in range(0, len(items), size)]


def map_in_processes(
    work: Work[Item, Result], items: Sequence[Item], jobs: int
) -> Iterator[tuple[int, Sequence[Result]]]:
    """Yield the results of chunks as they end, each with the place of its first item.

    A chunk whose worker is killed is done again. Raises EvaluationError when workers are killed
    again and again, and whatever `work` raises. What is running ends before an exception leaves.
    """
    left = dict(chunked(items, jobs))
    breaks = 0
    while left:
        try:
            for start, results in _map(_pool(jobs), work, list(left.items())):
                del left[start]
                breaks = 0
                yield start, results
        except BrokenProcessPool as error:
            breaks += 1
            if breaks >= _MOST_BREAKS:
                raise EvaluationError(
                    f"the system killed {breaks} worker processes in a row, most likely for want "
                    "of memory",
                    "Use fewer processes: --jobs 1.",
                ) from error


def map_in_threads(
    work: Work[Item, Result], items: Sequence[Item], jobs: int
) -> Iterator[tuple[int, Sequence[Result]]]:
    """Yield as `map_in_processes`, from threads: for work that waits for other programs.

    Their start takes a while, so the chunks are larger.
    """
    return _map(ThreadPoolExecutor(jobs), work, chunked(items, jobs, parts=2))


def _pool(jobs: int) -> Executor:
    # A forked process would inherit onnxruntime's locks, and the threads that hold them are gone.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, context, initializer=_ignore_interrupts)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C, which the terminal sends to all processes, to the one that waits for them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _map(
    executor: Executor, work: Work[Item, Result], chunks: Sequence[tuple[int, Sequence[Item]]]
) -> Iterator[tuple[int, Sequence[Result]]]:
    try:
        futures = {executor.submit(work, items): start for start, items in chunks}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
