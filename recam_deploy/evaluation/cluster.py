"""Spread an evaluation over the machines of a Dask cluster.

Only this module imports distributed. Scheduler and workers unpickle what they are sent, so whoever
reaches them controls them: that is Dask's design, and a matter of its network or its TLS.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifact import sha256_of
from ..errors import EvaluationError, InputError, RecamError
from ..extras import install_extra
from ..files import write_atomically
from ..version import __version__
from .detecting import Models, Result, detect
from .processes import chunked

if TYPE_CHECKING:
    from distributed import Client

_PACKAGE = "recam-deploy"
_CONNECT_SECONDS = 10
_WORKER_SECONDS = 30
_AHEAD = 3
"""The chunks that wait for each thread of the cluster, so that none of them is ever idle."""

Files = Mapping[str, bytes]
"""The bytes of files by their sha256."""


@dataclass(frozen=True)
class _SharedFile:
    """A picture that a worker reads from `path`, or that it is sent, if its bytes differ there."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class _Missing:
    """The answer of a worker that cannot read the pictures from the paths of the client."""


def map_on_cluster(
    models: Models, pictures: Sequence[Path], address: str
) -> Iterator[tuple[int, Sequence[Result]]]:
    """Run both models on the workers of the scheduler at `address`, such as tcp://10.0.0.5:8786.

    Yield the results of chunks as they end, each with the place of its first picture. The models
    are sent once; the pictures are read from their paths where the workers see the same files, and
    sent elsewhere. A chunk whose worker is lost goes to another.

    Raises EvaluationError when the cluster cannot be reached or used, and whatever `detect` raises.
    """
    with _connected(address) as client:
        threads = _thread_count(client)
        _check_workers(client)
        sent = {sha256_of(path): path for path in (models.prepared, models.emulated) if path}
        files = client.scatter([{key: p.read_bytes() for key, p in sent.items()}], broadcast=True)
        named = _named_by_hash(models, sent)
        cluster = _Cluster(client, named, files[0])
        yield from cluster.map(pictures, threads)


@dataclass
class _Cluster:
    """The workers, with the models that they were sent."""

    client: Client
    models: Models
    files: Any
    sees_pictures: bool = True

    def map(self, pictures: Sequence[Path], threads: int) -> Iterator[tuple[int, Sequence[Result]]]:
        from distributed import as_completed

        waiting = iter(chunked(pictures, threads))
        running: dict[Any, tuple[int, Sequence[Path]]] = {}
        done = as_completed(loop=self.client.loop)

        def submit(chunk: tuple[int, Sequence[Path]]) -> None:
            future = self._submit(chunk[1])
            running[future] = chunk
            done.add(future)

        try:
            for _, chunk in zip(range(_AHEAD * threads), waiting, strict=False):
                submit(chunk)
            for future in done:
                chunk = running.pop(future)
                results = _result(future)
                if isinstance(results, _Missing):
                    self.sees_pictures = False
                    submit(chunk)
                    continue
                yield chunk[0], results
                for following in waiting:
                    submit(following)
                    break
        finally:
            with contextlib.suppress(Exception):  # the cluster may be gone
                self.client.cancel(list(running), force=True)

    def _submit(self, pictures: Sequence[Path]) -> Any:
        contents = [] if self.sees_pictures else [_read(path) for path in pictures]
        if contents:
            digests = [hashlib.sha256(data).hexdigest() for data in contents]
        else:
            digests = [_digest(path) for path in pictures]
        shared = [_SharedFile(p.absolute(), d) for p, d in zip(pictures, digests, strict=True)]
        return self.client.submit(
            _detect_there, __version__, self.models, self.files, shared, contents, pure=False
        )


def _result(future: Any) -> Sequence[Result] | _Missing:
    """Return a chunk's results. Raises EvaluationError for what Dask itself raises."""
    try:
        results: Sequence[Result] | _Missing = future.result()
    except RecamError:
        raise
    except Exception as error:  # Dask passes on whatever a worker raised.
        text = str(error).strip().partition("\n")[0] or type(error).__name__
        raise EvaluationError(
            f"the cluster failed: {text}",
            "Look at the workers' logs; each needs the same recam-deploy, and memory for a model.",
        ) from error
    return results


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError as error:
        raise EvaluationError(
            "a Dask cluster needs the package distributed", f"Run: {install_extra('dask')}"
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise EvaluationError(
            f"there is no Dask scheduler at {address}: {reason}",
            "Start one with `dask scheduler`, and give the address that it prints, such as "
            "tcp://10.0.0.5:8786.",
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=_CONNECT_SECONDS)


def _thread_count(client: Client) -> int:
    """Count the threads of all workers; wait for the first worker. Raises EvaluationError."""
    try:
        client.wait_for_workers(1, timeout=_WORKER_SECONDS)
    except TimeoutError as error:
        raise EvaluationError(
            f"the Dask scheduler has had no worker for {_WORKER_SECONDS} s",
            "Start one on each machine: dask worker ADDRESS --nthreads 1 --nworkers auto",
        ) from error
    return sum(client.nthreads().values())


def _check_workers(client: Client) -> None:
    """Raise EvaluationError when a worker lacks this very version of recam-deploy."""
    # A function of the standard library: one of ours could not be loaded where we are missing.
    found = client.run(metadata.version, _PACKAGE, on_error="return")
    for worker, version in found.items():
        if version != metadata.version(_PACKAGE):
            has = f"has recam-deploy {version}" if isinstance(version, str) else "has none"
            raise EvaluationError(
                f"the worker {worker} cannot evaluate: it {has}, and this is {__version__}",
                "Install the same recam-deploy where the workers run, and start them again.",
            )


def _named_by_hash(models: Models, sent: Mapping[str, Path]) -> Models:
    """Return the models with the hashes of their files as paths."""
    by_path = {path: Path(digest) for digest, path in sent.items()}
    return replace(
        models,
        prepared=models.prepared and by_path[models.prepared],
        emulated=models.emulated and by_path[models.emulated],
    )


def _read(path: Path) -> bytes:
    """Return a picture's bytes; none where it cannot be read, which the worker will say."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _digest(path: Path) -> str:
    return hashlib.sha256(_read(path)).hexdigest()


def _detect_there(
    version: str,
    models: Models,
    files: Files,
    pictures: Sequence[_SharedFile],
    contents: Sequence[bytes],
) -> list[Result] | _Missing:
    """Run both models, as a worker of the cluster."""
    from distributed import get_worker

    if version != __version__:
        raise EvaluationError(f"a worker has recam-deploy {__version__}, and not {version}")
    folder = Path(get_worker().local_directory) / "recam"
    folder.mkdir(parents=True, exist_ok=True)

    def placed(name: Path | None) -> Path | None:
        if name is None:
            return None
        path = folder / f"{name}.onnx"
        if not path.exists():
            write_atomically(path, files[str(name)])
        return path

    here = replace(models, prepared=placed(models.prepared), emulated=placed(models.emulated))
    if not contents:
        if any(_digest(one.path) != one.sha256 for one in pictures):
            return _Missing()
        return detect(here, [one.path for one in pictures])
    return _detect_sent(here, folder, pictures, contents)


def _detect_sent(
    models: Models, folder: Path, pictures: Sequence[_SharedFile], contents: Sequence[bytes]
) -> list[Result]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        places = [Path(name) / f"{n}{one.path.suffix}" for n, one in enumerate(pictures)]
        for place, data in zip(places, contents, strict=True):
            place.write_bytes(data)
        results = detect(models, places)
    return [
        _named(result, place, one.path) if isinstance(result, InputError) else result
        for result, place, one in zip(results, places, pictures, strict=True)
    ]


def _named(error: InputError, here: Path, there: Path) -> InputError:
    """Return an error with the client's path of the picture."""
    return InputError(error.message.replace(str(here), str(there)), error.hint)
