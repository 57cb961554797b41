"""Spread an evaluation over the machines of a Dask cluster.

Only this module imports distributed. Scheduler and workers unpickle what they are sent, so whoever
reaches them controls them: that is Dask's design, and a matter of its network or its TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import socket
import time
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifact import sha256_of
from ..detection.pictures import read_picture
from ..errors import EvaluationError, InputError, RecamError
from ..extras import install_extra
from ..version import __version__
from .cluster_checks import HOW_TO, check_address, check_scheduler, check_workers
from .detecting import Models, Result
from .on_worker import Files, Missing, SentPicture, detect_sent, digest
from .processes import chunked

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_SECONDS = 10
_WORKER_SECONDS = 30
_POLL_SECONDS = 1.0
_COUNT_SECONDS = 5.0
_AHEAD = 3
"""The chunks that wait for each thread of the cluster, so that none of them is ever idle."""
_MOST_BYTES = 256 << 20
"""The bytes of pictures that wait on the scheduler."""
_MOST_SENDS = 3
"""How often the models are sent, as all workers that had them are lost, before any work is done."""

_START_WORKERS = "Start one on each machine: dask worker ADDRESS --nthreads 1 --nworkers auto"

_Chunk = tuple[int, Sequence[Path]]


def check_cluster(address: str) -> None:
    """Check what can be known before anything is sent: the address, and that Dask is installed.

    Raises UsageError and EvaluationError.
    """
    check_address(address)
    _import_distributed()


def map_on_cluster(
    models: Models, pictures: Sequence[Path], address: str
) -> Iterator[tuple[int, Sequence[Result]]]:
    """Run both models on the workers of the scheduler at `address`, such as tcp://10.0.0.5:8786.

    Yield the results of chunks as they end, each with the place of its first picture. The models
    are sent once; the pictures are read from their paths where the workers see the same files, and
    sent elsewhere. A chunk whose worker is lost goes to another.

    Raises UsageError for an address that is none, EvaluationError when the cluster cannot be
    reached or used, and whatever `detect` raises.
    """
    with _connected(check_address(address)) as client:
        cluster = _Cluster(client, models)
        cluster.wait_for_workers()
        check_workers(client)
        yield from cluster.map(pictures)


class _Lost:
    """Stands for results that were lost with the workers that had them, or had the models."""


class _Cluster:
    """The workers, with the models that they were sent."""

    def __init__(self, client: Client, models: Models) -> None:
        self._client = client
        sent = {sha256_of(path): path for path in (models.prepared, models.emulated) if path}
        self._contents: Files = {key: path.read_bytes() for key, path in sent.items()}
        self._models = _named_by_hash(models, sent)
        self._files: Any = None
        self._sees_pictures = True
        self._threads = 1
        self._counted = time.monotonic()
        self._sends = 0
        self._running: dict[Any, tuple[_Chunk, int]] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def wait_for_workers(self) -> None:
        """Wait for the first worker. Raises EvaluationError."""
        started = time.monotonic()
        while not self._count_threads():
            if time.monotonic() - started > _WORKER_SECONDS:
                raise EvaluationError(
                    f"the Dask scheduler has had no worker for {_WORKER_SECONDS} s", _START_WORKERS
                )
            time.sleep(0.1)

    def map(self, pictures: Sequence[Path]) -> Iterator[tuple[int, Sequence[Result]]]:
        """Yield the results of chunks as they end."""
        waiting = deque(chunked(pictures, self._threads))
        try:
            self._send_models()
            while waiting or self._running:
                while waiting and not self._is_full():
                    self._submit(waiting.popleft())
                future = self._next()
                results = _result(future)
                chunk, _ = self._running.pop(future)
                if isinstance(results, _Lost):
                    waiting.appendleft(chunk)
                    self._send_models()
                elif isinstance(results, Missing):
                    waiting.appendleft(chunk)
                    self._sees_pictures = False
                else:
                    self._sends = 0
                    yield chunk[0], results
        finally:
            with contextlib.suppress(Exception):  # the cluster may be gone
                self._client.cancel(list(self._running), force=True)

    def _send_models(self) -> None:
        """Send the models to all workers, unless they have them. Raises EvaluationError."""
        if self._files is not None and self._files.status not in ("cancelled", "lost"):
            return
        self._sends += 1
        if self._sends > _MOST_SENDS:
            raise _workers_lost()
        self.wait_for_workers()
        try:
            (self._files,) = self._client.scatter(
                [self._contents], broadcast=True, hash=False, timeout=_WORKER_SECONDS
            )
        except (OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise _workers_lost() from error

    def _is_full(self) -> bool:
        waiting = sum(size for _, size in self._running.values())
        enough = len(self._running) >= _AHEAD * max(1, self._threads)
        return bool(self._running) and (enough or waiting >= _MOST_BYTES)

    def _submit(self, chunk: _Chunk) -> None:
        pictures = [_sent(path, self._sees_pictures) for path in chunk[1]]
        with warnings.catch_warnings():
            # That of the size of what is sent: pictures have to go somehow.
            warnings.simplefilter("ignore")
            future = self._client.submit(
                _detect_there, __version__, self._models, self._files, pictures, pure=False
            )
        size = sum(len(one.data) for one in pictures if one.data is not None)
        self._running[future] = chunk, size
        future.add_done_callback(self._ended.put)

    def _next(self) -> Any:
        """Return a future that has ended. Raises EvaluationError when nothing can end any more."""
        last_worker = time.monotonic()
        if last_worker - self._counted > _COUNT_SECONDS:  # workers may have joined
            self._count_threads()
        while True:
            with contextlib.suppress(queue.Empty):
                return self._ended.get(timeout=_POLL_SECONDS)
            if self._count_threads():
                last_worker = time.monotonic()
            elif time.monotonic() - last_worker > _WORKER_SECONDS:
                raise _workers_lost()

    def _count_threads(self) -> int:
        """Count the threads of all workers; 0 while the connection is lost.

        Raises EvaluationError when Dask has given up to connect again.
        """
        self._counted = time.monotonic()
        self._threads = 0
        if self._client.status in ("closing", "closed"):
            raise EvaluationError(
                "the connection to the Dask scheduler was lost",
                "Look at the scheduler's log; start scheduler and workers again, if need be.",
            )
        with contextlib.suppress(OSError):  # a TimeoutError is one
            there: Any = self._client.scheduler
            counts = self._client.sync(there.ncores, callback_timeout=_CONNECT_SECONDS)
            self._threads = sum(counts.values())
        return self._threads


def _sent(path: Path, readable_there: bool) -> SentPicture:
    """Return what a worker is told of a picture: its hash, its bytes, or that it is unreadable."""
    try:
        data = path.read_bytes()
    except OSError:
        try:
            read_picture(path)
        except InputError as error:
            return SentPicture(path, error=error)
        return _sent(path, readable_there)  # it can be read by now
    return SentPicture(path.absolute(), digest(data), None if readable_there else data)


def _result(future: Any) -> Sequence[Result] | Missing | _Lost:
    """Return a chunk's results. Raises EvaluationError for what Dask itself raises."""
    from distributed import KilledWorker

    try:
        # The worker that has the result may be lost by now, and no other be there.
        results: Sequence[Result] | Missing = future.result(timeout=_WORKER_SECONDS)
    except RecamError:
        raise
    except (asyncio.CancelledError, futures.CancelledError):
        return _Lost()
    except KilledWorker as error:
        raise EvaluationError(
            "workers of the cluster were killed again and again, most likely for want of memory",
            "Look at the workers' logs; give each worker more memory, or one thread: --nthreads 1.",
        ) from error
    except Exception as error:  # Dask passes on whatever a worker raised.
        if future.status == "pending":
            return _Lost()
        raise EvaluationError(
            f"the cluster failed: {_first_line(error)}",
            "Look at the workers' logs; each needs the same recam-deploy, and memory for a model.",
        ) from error
    return results


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Client]:
    """Connect to a scheduler. Raises EvaluationError."""
    client_of = _import_distributed()
    try:
        _check_open(address)
        check_scheduler(address, asyncio.run(_identity(address)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions, which are checked in their turn
            client = client_of(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except RecamError:
        raise
    except (Exception, asyncio.CancelledError) as error:  # as anything may answer
        raise EvaluationError(
            f"no Dask scheduler answers at {address}: {_first_line(error)}", HOW_TO
        ) from error
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            client.close(timeout=_CONNECT_SECONDS)


def _check_open(address: str) -> None:
    """Raise OSError at once where nothing listens; Dask tries again until its time is up."""
    from distributed.comm.addressing import get_address_host_port

    with socket.create_connection(get_address_host_port(address), timeout=_CONNECT_SECONDS):
        pass


async def _identity(address: str) -> Mapping[str, Any]:
    """Ask what listens at `address`. A Client that cannot connect would leave a thread behind."""
    from distributed import Security, rpc

    arguments = Security().get_connection_args("client")
    async with rpc(address, timeout=_CONNECT_SECONDS, connection_args=arguments) as there:
        found: Mapping[str, Any] = await asyncio.wait_for(there.identity(), 1.5 * _CONNECT_SECONDS)
        return found


def _import_distributed() -> Any:
    """Return Dask's class Client, and silence its logs. Raises EvaluationError."""
    try:
        from distributed import Client
    except ImportError as error:
        raise EvaluationError(
            "a Dask cluster needs the package distributed", f"Run: {install_extra('dask')}"
        ) from error
    # Its configuration gives some of its loggers levels and handlers of their own.
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return Client


def _first_line(error: BaseException) -> str:
    """Return what the first cause of an error says: Dask's own says that time ran out."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    if isinstance(error, TimeoutError | asyncio.TimeoutError) and not str(error):
        return "what listens there does not speak Dask's protocol"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _workers_lost() -> EvaluationError:
    return EvaluationError(
        "all workers of the cluster are gone",
        f"Look at their logs; they may lack memory. {_START_WORKERS}",
    )


def _named_by_hash(models: Models, sent: Mapping[str, Path]) -> Models:
    """Return the models with the hashes of their files as paths."""
    by_path = {path: Path(name) for name, path in sent.items()}
    return replace(
        models,
        prepared=models.prepared and by_path[models.prepared],
        emulated=models.emulated and by_path[models.emulated],
    )


def _detect_there(
    version: str, models: Models, files: Files, pictures: Sequence[SentPicture]
) -> list[Result] | Missing:
    """Run both models, as a worker of the cluster."""
    from distributed import get_worker

    folder = Path(get_worker().local_directory) / "recam"
    return detect_sent(version, folder, models, files, pictures)
