"""Row 3: our process killed at each step of a deployment, and a plain second run after it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_camera import GOOD_RUNNER, FaultCamera
from fault_shims import taking

SIZE = 300_000


@dataclass(frozen=True)
class Point:
    """A step: the call of a program on the camera that it begins (or ends) with."""

    name: str
    tool: str
    pattern: str
    when: str = "before"


POINTS = (
    Point("looking at the camera", "df", "*"),
    Point("claiming the lock", "mv", "*lock.text*"),
    Point("holding the lock", "dd", "bs=64*"),
    Point("beginning the upload", "dd", "if=/dev/null*"),
    Point("half of the upload", "cat", "half"),
    Point("the whole upload", "cat", "''", "after"),
    Point("settling what came", "sync", "*.recam-*.cvimodel"),
    Point("trying the model", "runner", ""),
    Point("keeping the old model", "ln", "*"),
    Point("the old model copied aside", "ln", "*", "after"),
    Point("naming the kept model", "mv", "*.recam-new-0*"),
    Point("before the switch", "mv", "*.recam-*/model.cvimodel"),
    Point("after the switch", "mv", "*.recam-*/model.cvimodel", "after"),
    Point("before the new names", "mv", "*.recam-model.json*"),
    Point("after the new names", "mv", "*.recam-model.json*", "after"),
    Point("settling the folder", "sync", "*/Models"),
    Point("before the record", "mv", "*active.json"),
    Point("after the record", "mv", "*active.json", "after"),
    Point("forgetting the oldest", "rm", "*history/0*"),
)
# What goes on by itself when the connection ends is the same program on both servers; OpenSSH
# lets it run, so these are the steps where that matters.
ORPHANS = {
    "the whole upload",
    "trying the model",
    "keeping the old model",
    "before the switch",
    "after the switch",
    "before the record",
}


@pytest.fixture
def prepared(camera: FaultCamera) -> FaultCamera:
    """A camera on which recam has deployed before, so that all steps are taken."""
    saved = camera.folder / "saved"
    camera.put_runner(GOOD_RUNNER)
    if saved.is_dir():
        shutil.rmtree(camera.userdata)
        shutil.copytree(saved, camera.userdata, symlinks=True)
    else:
        camera.deploy(camera.artifact("before", SIZE)).fine()
        shutil.copytree(camera.userdata, saved, symlinks=True)
    return camera


def stop_at(camera: FaultCamera, point: Point) -> None:
    if point.tool == "runner":
        state = camera.shims.state
        camera.put_runner(
            f"touch {state}/hit; while [ ! -e {state}/go ]; do sleep 0.02; done; {GOOD_RUNNER}"
        )
    elif point.pattern == "half":
        camera.shims.once("cat", "''", taking(SIZE // 2))
    else:
        camera.shims.stop_at(point.tool, point.pattern, point.when)


def killed_at(camera: FaultCamera, reached: Callable[[], object], new: Path) -> None:
    """Deploy in a process of its own, and kill it when `reached` returns."""
    process = camera.start("deploy", new, RECAM_HISTORY="1")
    try:
        reached()
    finally:
        process.kill()


def survives(camera: FaultCamera, new: Path) -> None:
    """What is there is whole; a plain second run ends well, and all is as if nothing had been."""
    old = camera.artifact("before", SIZE)
    done = camera.deploy(new, RECAM_HISTORY="1").fine()
    assert camera.holds_one_of(new) == new.read_bytes()
    assert camera.recorded()["id"] == done["id"] == camera.history_document()["active"]
    assert camera.parts() == []
    names = sorted(path.name for path in camera.history.iterdir())
    assert len(names) == 2, names
    kept = camera.history / names[0] / "model.cvimodel"
    assert kept.read_bytes() == old.read_bytes()
    assert [path.name for path in camera.work.iterdir()] == ["history"]


CASES = [("virtual", point) for point in POINTS] + [
    ("openssh", point) for point in POINTS if point.name in ORPHANS
]


@pytest.mark.parametrize(
    ("camera", "point"),
    CASES,
    indirect=["camera"],
    ids=[f"{kind}-{point.name}" for kind, point in CASES],
)
def test_row_03_killed_while(prepared: FaultCamera, point: Point) -> None:
    new = prepared.artifact("after", SIZE)
    stop_at(prepared, point)
    killed_at(prepared, prepared.shims.wait, new)
    if prepared.kind == "virtual":
        prepared.shims.kill_stopped()  # at once, as when the power goes
    prepared.holds_one_of(prepared.artifact("before", SIZE), new)
    prepared.shims.clear()  # with OpenSSH, what had stopped goes on now
    prepared.put_runner(GOOD_RUNNER)
    survives(prepared, new)


def test_row_03_killed_while_logging_in(prepared: FaultCamera) -> None:
    new = prepared.artifact("after", SIZE)
    before = prepared.proxy.bytes_to_server

    def reached() -> None:
        deadline = time.monotonic() + 20
        while prepared.proxy.bytes_to_server == before:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    killed_at(prepared, reached, new)
    prepared.holds_one_of(prepared.artifact("before", SIZE))
    survives(prepared, new)
