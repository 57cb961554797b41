"""Processes of this machine: the same numbers for any number, a killed one, and the end of all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dask_processes import environment, wait_until
from evaluated import numbers, opened, write_models, write_pictures
from noting_work import fails, notes, squares, squares_but_one_kills

from recam_deploy.errors import EvaluationError, UsageError
from recam_deploy.evaluation.detecting import Models
from recam_deploy.evaluation.processes import check_jobs, chunked, map_in_processes
from recam_deploy.evaluation.running import spread_over
from recam_deploy.evaluation.types import LabelledSet

UNIT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def labelled(models: Models, tmp_path_factory: pytest.TempPathFactory) -> LabelledSet:
    return opened(write_pictures(tmp_path_factory.mktemp("data") / "set", 40), models)


@pytest.fixture(scope="module")
def wanted(models: Models, labelled: LabelledSet) -> str:
    return numbers(models, labelled, spread_over(1))


def in_order(results: Iterator[tuple[int, Any]]) -> list[int]:
    return [one for _, some in sorted(results) for one in some]


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("jobs", [2, 4])
def test_any_number_of_processes_gives_the_same_numbers_to_the_last_digit(
    jobs: int, models: Models, labelled: LabelledSet, wanted: str
) -> None:
    assert numbers(models, labelled, spread_over(jobs)) == wanted


def test_numbers_are_the_same_with_a_process_killed_in_the_middle(
    models: Models, labelled: LabelledSet, wanted: str
) -> None:
    killed: list[int] = []

    def run(models: Models, pictures: Any) -> Iterator[Any]:
        for result in spread_over(2)(models, pictures):
            if not killed:
                worker = multiprocessing.active_children()[0]
                assert worker.pid
                os.kill(worker.pid, signal.SIGKILL)
                killed.append(worker.pid)
            yield result

    assert numbers(models, labelled, run) == wanted
    assert killed


def test_a_killed_process_costs_only_the_chunk_that_it_had(tmp_path: Path) -> None:
    items = range(60)
    chunks = [list(some) for _, some in chunked(items, 3, parts=20)]
    killed = 0
    found = []
    for result in map_in_processes(partial(squares, tmp_path, 0.15), items, 3):
        found.append(result)
        if len(found) == 5:
            done = {start for start, _ in found}
            wait_until(lambda: len(busy(tmp_path, done)) == 3, "work for all")  # noqa: B023
            killed = busy(tmp_path, done)[1]
            os.kill(killed, signal.SIGKILL)
    assert in_order(iter(found)) == [item * item for item in items]
    counts = Counter(item for item, _ in notes(tmp_path))
    twice = [item for item, count in counts.items() if count > 1]
    assert twice in chunks
    assert {pid for item, pid in notes(tmp_path) if item in twice} > {killed}


def busy(folder: Path, done: set[int]) -> list[int]:
    """The processes whose item is not among those done."""
    return [pid for item, pid in notes(folder) if item not in done]


def test_a_picture_that_kills_every_process_ends_with_a_hint(tmp_path: Path) -> None:
    work = partial(squares_but_one_kills, tmp_path, 7)
    with pytest.raises(EvaluationError, match="killed 3 worker processes in a row") as caught:
        in_order(map_in_processes(work, range(20), 2))
    assert "--jobs 1" in caught.value.hint
    assert multiprocessing.active_children() == []


def test_an_error_ends_the_other_processes_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match="no such picture"):
        in_order(map_in_processes(partial(fails, tmp_path), range(8), 2))
    assert time.monotonic() - started < 60
    assert multiprocessing.active_children() == []


_RUN = """
from functools import partial
from pathlib import Path
from noting_work import squares
from recam_deploy.evaluation.processes import map_in_processes

if __name__ == "__main__":
    try:
        for _ in map_in_processes(partial(squares, Path({folder!r}), 600), range(40), 2):
            pass
    except KeyboardInterrupt:
        raise SystemExit(130)
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A program whose two processes have work for hours; and the folder of their notes."""
    folder = tmp_path / "notes"
    folder.mkdir()
    script = tmp_path / "run.py"
    script.write_text(_RUN.format(folder=str(folder)))
    variables = environment()
    variables["PYTHONPATH"] += f"{os.pathsep}{UNIT}"
    with subprocess.Popen(
        [sys.executable, str(script)],
        env=variables,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process, folder
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_ends_all_processes_at_once_and_quietly(
    running: tuple[subprocess.Popen[str], Path],
) -> None:
    process, folder = running
    wait_until(lambda: len(notes(folder)) == 2, "the work")
    workers = {pid for _, pid in notes(folder)}
    os.killpg(process.pid, signal.SIGINT)  # to all of them, as a terminal does
    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == 130
    assert not any(map(is_alive, workers))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_while_processes_start_prints_nothing(
    running: tuple[subprocess.Popen[str], Path],
) -> None:
    process, _ = running
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: len(children.read_text().split()) == 3, "the processes")  # and the tracker
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == 130


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_end_when_the_one_that_started_them_is_killed(
    running: tuple[subprocess.Popen[str], Path],
) -> None:
    process, folder = running
    wait_until(lambda: len(notes(folder)) == 2, "the work")
    workers = {pid for _, pid in notes(folder)}
    process.kill()
    wait_until(lambda: not any(map(is_alive, workers)), "their end", 20)


def test_far_more_processes_than_cores_are_refused() -> None:
    check_jobs(8)
    with pytest.raises(UsageError, match="1000 processes are too many") as caught:
        check_jobs(1000)
    assert "--scheduler" in caught.value.hint
