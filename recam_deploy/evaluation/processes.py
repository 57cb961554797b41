"""Spread work over processes or threads of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import TypeVar

from ..errors import EvaluationError, UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Sequence[Result]]

_MOST_BREAKS = 3
"""How often in a row a worker may be killed before any work is done."""

_MOST_ITEMS = 16
_LEAST_LIMIT, _A_CORE = 8, 2


def core_count() -> int:
    """Count the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_jobs(jobs: int) -> None:
    """Raise UsageError for far more processes than cores: each one takes memory for both models."""
    cores = core_count()
    most = max(_LEAST_LIMIT, _A_CORE * cores)
    if jobs > most:
        raise UsageError(
            f"{jobs} processes are too many: this machine lets recam use {cores} cores",
            f"Give --jobs {cores}, or leave it out. More machines: --scheduler.",
        )


def chunked(items: Sequence[Item], jobs: int, parts: int = 20) -> list[tuple[int, Sequence[Item]]]:
    """Split items into chunks, each with the place of its first item; some `parts` for each job."""
    size = min(_MOST_ITEMS, max(1, -(-len(items) // (parts * jobs))))
    return [(start, items[start : start + size]) for start in range(0, len(items), size)]


def map_in_processes(
    work: Work[Item, Result], items: Sequence[Item], jobs: int
) -> Iterator[tuple[int, Sequence[Result]]]:
    """Yield the results of chunks as they end, each with the place of its first item.

    When a worker is killed, its chunk alone is done again. Raises EvaluationError when workers are
    killed again and again, and whatever `work` raises. The processes have ended before an exception
    leaves; so they do when this process is killed.
    """
    waiting = deque(chunked(items, jobs))
    running: dict[Future[Sequence[Result]], tuple[Executor, tuple[int, Sequence[Item]]]] = {}
    breaks = 0
    with _Processes() as processes:

        def start(worker: Executor) -> None:
            if waiting:
                chunk = waiting.popleft()
                with _interrupts_later():  # the first work starts the process
                    running[worker.submit(work, chunk[1])] = worker, chunk

        for _ in range(min(jobs, len(waiting))):
            start(processes.add())
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                worker, chunk = running.pop(future)
                try:
                    results = future.result()
                except BrokenProcessPool as error:
                    breaks += 1
                    if breaks >= _MOST_BREAKS:
                        raise _killed(breaks) from error
                    waiting.appendleft(chunk)
                    start(processes.add())
                    continue
                breaks = 0
                start(worker)
                yield chunk[0], results


def map_in_threads(
    work: Work[Item, Result], items: Sequence[Item], jobs: int
) -> Iterator[tuple[int, Sequence[Result]]]:
    """Yield as `map_in_processes`, from threads: for work that waits for other programs.

    Their start takes a while, so the chunks are larger.
    """
    executor = ThreadPoolExecutor(jobs)
    try:
        chunks = chunked(items, jobs, parts=2)
        futures = {executor.submit(work, some): start for start, some in chunks}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


class _Processes(contextlib.AbstractContextManager["_Processes"]):
    """Worker processes, each an executor of its own: the loss of one breaks no other.

    At the end they are not waited for: what they still do is of no use.
    """

    def __init__(self) -> None:
        # A forked process would inherit onnxruntime's locks, and the threads that hold them are
        # gone.
        self._context = multiprocessing.get_context("spawn")
        self._reader, self._writer = self._context.Pipe(duplex=False)
        self._executors: list[Executor] = []

    def add(self) -> Executor:
        """Return one more process, which starts at the first work that it is given."""
        executor = ProcessPoolExecutor(
            1, self._context, initializer=_begin, initargs=(self._reader,)
        )
        self._executors.append(executor)
        return executor

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        for executor in self._executors:
            executor.shutdown(wait=True, cancel_futures=True)
        self._reader.close()


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Hold Ctrl-C back; processes that start meanwhile never see it, and print no traceback."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(reader: Connection) -> None:
    """Prepare a worker process: it ends as soon as nobody holds the other end of `reader`.

    Ctrl-C, which the terminal sends to all processes, is left to the one that waits for them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(reader,), daemon=True).start()


def _end_with(reader: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        reader.recv()
    os._exit(0)


def _killed(times: int) -> EvaluationError:
    return EvaluationError(
        f"the system killed {times} worker processes in a row, most likely for want of memory",
        "Use fewer processes: --jobs 1.",
    )
