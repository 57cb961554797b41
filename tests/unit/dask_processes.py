"""Real Dask schedulers and workers: programs on loopback, at ports that the system chooses."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import site
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import recam_deploy

PROJECT = Path(recam_deploy.__file__).resolve().parents[1]
_SECONDS = 30
# As the console program `dask` does, which need not be on the PATH.
_SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"
_WORKER = "from distributed.cli.dask_worker import main; main()"


@dataclass(frozen=True)
class Scheduler:
    """A running scheduler: its address, its process, and a folder for its workers."""

    address: str
    process: subprocess.Popen[bytes]
    folder: Path


def environment(**changes: str) -> dict[str, str]:
    """Variables with which a program finds this very recam_deploy."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONPATH": str(PROJECT)} | changes


@contextlib.contextmanager
def started(
    words: Sequence[str], folder: Path, variables: Mapping[str, str], log: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a process group of its own, which is killed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{log}.log").open("wb") as output:
        process = subprocess.Popen(
            [*words],
            cwd=folder,
            env=dict(variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_SECONDS)


@contextlib.contextmanager
def scheduler(folder: Path) -> Iterator[Scheduler]:
    told = folder / "scheduler.json"
    words = [sys.executable, "-c", _SCHEDULER, "--host", "127.0.0.1", "--port", "0"]
    words += ["--no-dashboard", "--no-show", "--scheduler-file", str(told)]
    with started(words, folder, environment(), "scheduler") as process:
        yield Scheduler(str(_read_when_there(told)["address"]), process, folder)


@contextlib.contextmanager
def worker(
    of: Scheduler,
    name: str,
    *,
    python: Sequence[str] = (sys.executable,),
    variables: Mapping[str, str] | None = None,
    nanny: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker of one thread, whose folder is empty; wait until the scheduler has it."""
    folder = of.folder / name
    words = [*python, "-c", _WORKER, of.address, "--name", name, "--nthreads", "1"]
    words += ["--host", "127.0.0.1", "--no-dashboard", "--local-directory", str(folder / "local")]
    words += [] if nanny else ["--no-nanny"]
    before = worker_names(of)
    with started(words, folder, variables or environment(), "worker") as process:
        wait_until(lambda: len(worker_names(of)) > len(before), f"the worker {name}")
        yield process


def worker_names(of: Scheduler) -> list[str]:
    with connected(of.address) as client:
        found = client.scheduler_info(n_workers=-1)["workers"]
    return [str(one["name"]) for one in found.values()]


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of the test's own."""
    from distributed import Client

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the versions that a test changes
        client = Client(address, timeout=_SECONDS, set_as_default=False)
    with client:
        yield client


def tasks(of: Scheduler) -> int:
    """How many tasks the scheduler has, beside data that it was sent."""

    def count(dask_scheduler: Any) -> int:
        return sum(1 for task in dask_scheduler.tasks.values() if task.run_spec)

    with connected(of.address) as client:
        return int(client.run_on_scheduler(count))


def packages_without(folder: Path, *left_out: str) -> dict[str, str]:
    """Variables of a Python, to be run with -S, that has our packages but for some."""
    folder.mkdir(parents=True)
    for place in map(Path, site.getsitepackages()):
        for entry in place.iterdir():
            plain = entry.name.replace("-", "_").lower()
            if not any(plain.startswith(one) for one in (*left_out, "_recam_deploy")):
                with contextlib.suppress(FileExistsError):
                    (folder / entry.name).symlink_to(entry)
    if "recam_deploy" not in left_out:
        (folder / "recam_deploy").symlink_to(PROJECT / "recam_deploy")
    return environment(PYTHONPATH=str(folder))


def wait_until(holds: Any, what: str, seconds: float = _SECONDS) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, f"{what} did not come in {seconds} s"
        time.sleep(0.05)


def _read_when_there(path: Path) -> dict[str, Any]:
    wait_until(lambda: path.exists() and path.stat().st_size, "the scheduler")
    document: dict[str, Any] = json.loads(path.read_text())
    return document
