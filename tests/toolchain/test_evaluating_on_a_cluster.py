"""`recam evaluate` on processes and on a Dask cluster: one artifact, the same document."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from dask_processes import Scheduler, environment, scheduler, tasks, wait_until, worker
from evaluated import NETWORK, write_pictures

from recam_deploy.resources import resource
from recam_deploy.toolchain import Toolchain

pytestmark = pytest.mark.toolchain

_CALIBRATION = str(resource("device/demo") / "calibration")


@pytest.fixture(scope="module")
def artifact(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    shutil.copy(NETWORK, folder)
    words = ("convert", NETWORK.name, "--calibration", _CALIBRATION, "--images", "8", "--json")
    done = recam(*words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["artifact"]["manifest"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "set", 60)


@pytest.fixture(scope="module")
def wanted(artifact: Path, data: Path) -> dict[str, Any]:
    return document(artifact, data, "--jobs", "1")


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    """A scheduler with two workers, which no test kills."""
    with (
        scheduler(tmp_path_factory.mktemp("dask")) as running,
        worker(running, "first"),
        worker(running, "second"),
    ):
        yield running


def variables() -> dict[str, str]:
    named = os.environ.get("RECAM_CACHE_DIR")
    return environment(**({"RECAM_CACHE_DIR": named} if named else {}))


def recam(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "recam_deploy", *words],
        cwd=cwd,
        env=variables(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def evaluate(artifact: Path, data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return recam("evaluate", str(artifact), "--data", str(data), *words, cwd=artifact.parent)


def document(artifact: Path, data: Path, *words: str) -> dict[str, Any]:
    """What `evaluate --json` prints, without the time that it took."""
    done = evaluate(artifact, data, *words, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return {k: v for k, v in found.items() if k not in ("seconds", "images_per_second")}


def error(done: subprocess.CompletedProcess[str], code: int = 1) -> list[str]:
    assert done.returncode == code, done.stderr + done.stdout
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    return lines[[line.startswith("error:") for line in lines].index(True) :]


@contextmanager
def running(artifact: Path, data: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`recam evaluate` in a process group of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "recam_deploy", "evaluate", artifact, "--data", data, *words],
        cwd=artifact.parent,
        env=variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def group(leader: int) -> list[int]:
    """The processes of a group that are alive."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            state, _, its_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if entry.name.isdigit() and int(its_group) == leader and state != "Z":
            found.append(int(entry.name))
    return found


@pytest.mark.parametrize("jobs", ["2", "4"])
def test_processes_print_the_same_document(
    jobs: str, artifact: Path, data: Path, wanted: dict[str, Any]
) -> None:
    assert wanted["backend"] == "emulator"
    assert wanted["float"]["map50"] > 0.8
    assert document(artifact, data, "--jobs", jobs) == wanted


def test_a_cluster_prints_the_same_document(
    artifact: Path, data: Path, wanted: dict[str, Any], two_workers: Scheduler
) -> None:
    assert document(artifact, data, "--scheduler", two_workers.address) == wanted


def test_coco_files_are_equal_byte_for_byte(
    artifact: Path, data: Path, two_workers: Scheduler, tmp_path: Path
) -> None:
    document(artifact, data, "--jobs", "1", "--coco", str(tmp_path / "here"))
    words = ("--scheduler", two_workers.address, "--coco", str(tmp_path / "there"))
    document(artifact, data, *words)
    here, there = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("here", "there")
    )
    assert here
    assert here == there


def test_ctrl_c_on_processes_leaves_none(
    artifact: Path, many: Path, wanted: dict[str, Any]
) -> None:
    with running(artifact, many, "--jobs", "2") as process:
        # The command, its two processes, and Python's own tracker of their resources.
        wait_until(lambda: len(group(process.pid)) == 4, "the processes", 60)
        time.sleep(2)
        interrupted(process)
        wait_until(lambda: group(process.pid) == [], "the end of the tracker", 5)


def test_ctrl_c_on_a_cluster_cancels_its_tasks(
    artifact: Path, many: Path, wanted: dict[str, Any], two_workers: Scheduler
) -> None:
    with running(artifact, many, "--scheduler", two_workers.address) as process:
        wait_until(lambda: tasks(two_workers) >= 4, "the tasks", 60)
        interrupted(process)
        assert group(process.pid) == []
        wait_until(lambda: tasks(two_workers) == 0, "the end of the tasks", 20)


def interrupted(process: subprocess.Popen[str]) -> None:
    started = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert time.monotonic() - started < 20
    assert "error: interrupted" in said
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def many(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures so often that they take half a minute."""
    folder = tmp_path_factory.mktemp("many")
    for kind in ("images", "labels"):
        (folder / kind / "val").mkdir(parents=True)
        for number in range(15):
            for source in (data.parent / kind / "val").iterdir():
                (folder / kind / "val" / f"{number}-{source.name}").symlink_to(source)
    (folder / "data.yaml").write_text(data.read_text())
    return folder / "data.yaml"


def test_a_worker_killed_in_the_middle_changes_nothing(
    artifact: Path, data: Path, wanted: dict[str, Any], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        started = stack.enter_context(scheduler(tmp_path))
        first = stack.enter_context(worker(started, "first"))
        stack.enter_context(worker(started, "second"))
        words = ("--scheduler", started.address, "--json")
        process = stack.enter_context(running(artifact, data, *words))
        wait_until(lambda: tasks(started) >= 4, "the tasks", 60)
        first.kill()
        out, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        found = json.loads(out)
    assert {k: found[k] for k in wanted} == wanted


def test_no_scheduler_is_one_line_and_a_hint(artifact: Path, data: Path) -> None:
    said = error(evaluate(artifact, data, "--scheduler", "tcp://127.0.0.1:1"))
    assert len(said) == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:1: Connection refused" in said[0]


def test_flags_that_contradict_are_refused_before_anything_runs(artifact: Path, data: Path) -> None:
    there = ("--scheduler", "tcp://127.0.0.1:1")
    for words, why in (
        ((*there, "--jobs", "2"), "--jobs has no effect with --scheduler"),
        ((*there, "--on", "simulator"), "--scheduler has no effect without the emulator"),
        (("--scheduler", ""), "is no address of a Dask scheduler"),
        (("--jobs", "1000"), "1000 processes are too many"),
    ):
        started = time.monotonic()
        said = error(evaluate(artifact, data, *words), 2)
        assert why in said[0]
        assert time.monotonic() - started < 20
    assert evaluate(artifact, data, "--jobs", "0").returncode == 2


def test_without_the_extra_its_command_is_told(artifact: Path, data: Path, tmp_path: Path) -> None:
    """A package that fails to load stands before the one that is installed."""
    (tmp_path / "distributed.py").write_text("raise ImportError('not installed')\n")
    words = ("evaluate", str(artifact), "--data", str(data), "--scheduler", "tcp://127.0.0.1:1")
    paths = os.pathsep.join((str(tmp_path), variables()["PYTHONPATH"]))
    done = subprocess.run(
        [sys.executable, "-m", "recam_deploy", *words],
        cwd=tmp_path,
        env=variables() | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = error(done)
    assert "needs the package distributed" in said[0]
    assert "pip install" in said[1]
