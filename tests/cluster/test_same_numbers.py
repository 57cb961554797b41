"""A Dask cluster gives the numbers of one process: with any workers, and with some of them lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from dask_processes import PROJECT, Scheduler, connected, environment, scheduler, worker
from evaluated import counted, numbers, opened, write_models, write_pictures
from PIL import Image

from recam_deploy.errors import EvaluationError
from recam_deploy.evaluation import cluster
from recam_deploy.evaluation.detecting import Models
from recam_deploy.evaluation.evaluate import Run
from recam_deploy.evaluation.running import spread_over
from recam_deploy.evaluation.types import LabelledSet

PICTURES = 60


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "set", PICTURES)


@pytest.fixture(scope="module")
def labelled(models: Models, data: Path) -> LabelledSet:
    return opened(data, models)


@pytest.fixture(scope="module")
def wanted(models: Models, labelled: LabelledSet) -> str:
    return numbers(models, labelled, spread_over(1))


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Scheduler]:
    with scheduler(tmp_path / "dask") as running:
        yield running


def on(running: Scheduler) -> Run:
    return spread_over(1, running.address)


def after(chunks: int, run: Run, act: Callable[[], None]) -> Run:
    """`run`, and `act` once so many chunks are done."""

    def acting(models: Models, pictures: Any) -> Iterator[Any]:
        for number, result in enumerate(run(models, pictures), 1):
            if number == chunks:
                act()
            yield result

    return acting


def test_one_and_two_workers_of_their_own_give_the_same_numbers(
    started: Scheduler, models: Models, labelled: LabelledSet, wanted: str
) -> None:
    with worker(started, "first"):
        assert numbers(models, labelled, on(started)) == wanted
        with worker(started, "second", nanny=True):
            assert numbers(models, labelled, on(started)) == wanted


def test_a_local_cluster_of_four_gives_the_same_numbers(
    models: Models, labelled: LabelledSet, wanted: str, tmp_path: Path
) -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=4,
        threads_per_worker=1,
        dashboard_address=None,
        local_directory=str(tmp_path / "dask"),
    ) as local:
        assert numbers(models, labelled, spread_over(1, local.scheduler_address)) == wanted


def test_a_worker_of_several_threads_gives_the_same_numbers(
    models: Models, labelled: LabelledSet, wanted: str, tmp_path: Path
) -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1,
        threads_per_worker=4,
        dashboard_address=None,
        local_directory=str(tmp_path / "dask"),
    ) as local:
        assert numbers(models, labelled, spread_over(1, local.scheduler_address)) == wanted


def test_a_killed_worker_costs_only_its_pictures(
    started: Scheduler, models: Models, labelled: LabelledSet, wanted: str
) -> None:
    places: list[int] = []
    with worker(started, "first") as first, worker(started, "second"):
        run = after(4, on(started), first.kill)
        assert numbers(models, labelled, counted(run, places)) == wanted
        again = assigned_again(started)
    assert len(places) == len(set(places))
    assert 1 <= again <= cluster._AHEAD + 1


def assigned_again(running: Scheduler) -> int:
    """How often a task was given to a second worker, because the first was lost."""

    def count(dask_scheduler: Any) -> int:
        moved = [(str(key), *states) for key, *states in dask_scheduler.transition_log]
        return sum(
            key.startswith("_detect_there") and states[:2] == ["processing", "released"]
            for key, *states in moved
        )

    with connected(running.address) as client:
        return int(client.run_on_scheduler(count))


def test_a_worker_that_its_nanny_starts_again_goes_on_from_nothing(
    started: Scheduler, models: Models, labelled: LabelledSet, wanted: str
) -> None:
    """It was the only one that had the models."""
    with worker(started, "only", nanny=True):
        run = after(3, on(started), lambda: kill_worker(started))
        assert numbers(models, labelled, run) == wanted


def kill_worker(running: Scheduler) -> None:
    with connected(running.address) as client:
        (pid,) = client.run(os.getpid).values()
    os.kill(pid, signal.SIGKILL)


def test_a_worker_that_comes_later_shares_the_rest(
    started: Scheduler, models: Models, labelled: LabelledSet, wanted: str
) -> None:
    with ExitStack() as later, worker(started, "first") as first:

        def change() -> None:
            later.enter_context(worker(started, "second"))
            first.kill()

        assert numbers(models, labelled, after(3, on(started), change)) == wanted


def test_all_workers_killed_is_an_error_and_no_hang(
    started: Scheduler, models: Models, labelled: LabelledSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_WORKER_SECONDS", 3)
    with worker(started, "first") as first, worker(started, "second") as second:

        def kill() -> None:
            first.kill()
            second.kill()

        with pytest.raises(EvaluationError, match="no worker|all workers") as caught:
            numbers(models, labelled, after(3, on(started), kill))
    assert "dask worker" in caught.value.hint


def test_a_killed_scheduler_is_an_error_and_no_hang(
    started: Scheduler, models: Models, labelled: LabelledSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 2)
    with (
        worker(started, "first"),
        pytest.raises(EvaluationError, match="connection to the Dask scheduler was lost"),
    ):
        numbers(models, labelled, after(3, on(started), started.process.kill))


def test_workers_that_see_no_picture_get_the_bytes(
    started: Scheduler, models: Models, labelled: LabelledSet, wanted: str, hidden: dict[str, str]
) -> None:
    with worker(started, "far", variables=hidden), worker(started, "near"):
        assert numbers(models, labelled, on(started)) == wanted


def test_few_bytes_of_pictures_wait_at_a_time(
    started: Scheduler,
    models: Models,
    labelled: LabelledSet,
    wanted: str,
    hidden: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "_MOST_BYTES", 1)
    with worker(started, "far", variables=hidden):
        assert numbers(models, labelled, on(started)) == wanted


@pytest.fixture
def hidden(tmp_path: Path, data: Path) -> dict[str, str]:
    """Variables of a Python that finds no file below the data's folder."""
    folder = tmp_path / "hiding"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import pathlib\n"
        "read = pathlib.Path.read_bytes\n"
        "def read_bytes(self):\n"
        f"    if str(self).startswith({str(data.parent)!r}):\n"
        "        raise FileNotFoundError(2, 'No such file', str(self))\n"
        "    return read(self)\n"
        "pathlib.Path.read_bytes = read_bytes\n"
    )
    return environment(PYTHONPATH=f"{folder}{os.pathsep}{PROJECT}")


@pytest.mark.parametrize("far", [False, True])
def test_pictures_that_cannot_be_read_are_named_as_on_one_machine(
    far: bool,
    started: Scheduler,
    models: Models,
    data: Path,
    labelled: LabelledSet,
    hidden: dict[str, str],
    tmp_path: Path,
) -> None:
    torn, gone = labelled.pictures[7].path, labelled.pictures[20].path
    whole, there = torn.read_bytes(), gone.read_bytes()
    try:
        torn.write_bytes(whole[: len(whole) // 2])
        gone.unlink()
        here = numbers(models, labelled, spread_over(1))
        assert "2 unreadable pictures were left out" in here
        with worker(started, "only", variables=hidden if far else None):
            assert numbers(models, labelled, on(started)) == here
    finally:
        torn.write_bytes(whole)
        gone.write_bytes(there)


def test_a_picture_that_a_worker_has_in_another_version_is_sent(
    started: Scheduler,
    models: Models,
    labelled: LabelledSet,
    wanted: str,
    tmp_path: Path,
    data: Path,
) -> None:
    """At the same path lies another picture: that of another machine."""
    other = tmp_path / "other.jpg"
    Image.new("RGB", (64, 64)).save(other)
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import pathlib\n"
        "read = pathlib.Path.read_bytes\n"
        "def read_bytes(self):\n"
        f"    mine = str(self).startswith({str(data.parent)!r})\n"
        f"    return read(pathlib.Path({str(other)!r}) if mine else self)\n"
        "pathlib.Path.read_bytes = read_bytes\n"
    )
    variables = environment(PYTHONPATH=f"{folder}{os.pathsep}{PROJECT}")
    with worker(started, "other", variables=variables):
        assert numbers(models, labelled, on(started)) == wanted
