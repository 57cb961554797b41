"""What goes wrong while pictures are run on the camera for a model's raw outputs."""

from __future__ import annotations

import shlex
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import made_up_tpu
import onnx
import pytest
from cvimodels import write_cvimodel
from fault_camera import Ended, FaultCamera, running
from fault_proxy import Faults
from onnx_models import detector
from PIL import Image

PICTURES = 20  # more than two times as many as are run at once
ONE_BATCH = 8


@pytest.fixture
def words(tmp_path: Path) -> tuple[str | Path, ...]:
    """`recam evaluate` on the camera; each picture has one object."""
    for kind in ("images", "labels"):
        (tmp_path / "set" / kind / "val").mkdir(parents=True)
    for number in range(PICTURES):
        name = f"set/images/val/{number:02}.png"
        Image.new("RGB", (64, 64), (number * 10, 90, 40)).save(tmp_path / name)
        (tmp_path / f"set/labels/val/{number:02}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    data = tmp_path / "set/data.yaml"
    data.write_text("val: images/val\nnames: [class 0, class 1, class 2]\n")
    onnx.save(detector(), tmp_path / "m.onnx")
    model = write_cvimodel(tmp_path / "m.cvimodel")
    where = ("--model", tmp_path / "m.onnx", "--data", data, "--on", "camera")
    return ("evaluate", model, *where)


def put_tpu(camera: FaultCamera, **faults: int) -> None:
    """Give the camera a python3 whose TPU is made up, and what is to go wrong with it."""
    state = camera.shims.state
    play = f"{shlex.quote(made_up_tpu.__file__)} {shlex.quote(str(state))}"
    camera.shims.replace("python3", f'exec {{real}} {play} "$@"')
    for name, number in faults.items():
        (state / name.replace("_", "-")).write_text(str(number))


def left(camera: FaultCamera) -> list[Path]:
    return list(camera.work.glob(".recam-*"))


def test_all_pictures_are_run_in_batches_and_nothing_is_left(
    camera: FaultCamera, words: tuple[str | Path, ...]
) -> None:
    put_tpu(camera)
    document = camera.recam(*words).fine()
    assert (document["images"], document["backend"]) == (PICTURES, "camera")
    assert len((camera.shims.state / "passes").read_bytes()) == PICTURES
    assert left(camera) == []


def test_a_cut_in_the_middle_of_a_batch_says_how_many_pictures_were_done(
    camera: FaultCamera, words: tuple[str | Path, ...]
) -> None:
    put_tpu(camera, stall_at=ONE_BATCH + 3)

    def cut() -> None:
        camera.shims.wait()
        camera.proxy.cut_all()

    thread = threading.Thread(target=cut)
    thread.start()
    started = time.monotonic()
    said = camera.recam(*words).failed("connection")
    thread.join()
    assert "lost while running tpu_run.py" in said
    assert f"; {ONE_BATCH} of {PICTURES} pictures were done" in said
    assert time.monotonic() - started < 30
    (camera.shims.state / "stall-at").unlink()
    camera.shims.go()
    camera.recam(*words, "--wait", "60").fine()
    assert left(camera) == []


def test_an_upload_of_pictures_that_is_cut_is_told_alike(
    camera: FaultCamera, words: tuple[str | Path, ...]
) -> None:
    put_tpu(camera)
    before = camera.proxy.bytes_to_server
    camera.recam(*words).fine()
    whole = camera.proxy.bytes_to_server - before
    batch = ONE_BATCH * 64 * 64 * 3
    camera.proxy.faults = lambda: Faults(cut_after=whole - batch)
    said = camera.recam(*words).failed("connection")
    assert "uploading in.bin" in said
    assert f"; {ONE_BATCH} of {PICTURES} pictures were done" in said
    camera.proxy.faults = Faults
    camera.recam(*words, "--wait", "60").fine()
    assert left(camera) == []


def test_a_disk_that_fills_up_under_the_outputs_is_named_and_emptied(
    camera: FaultCamera, words: tuple[str | Path, ...], mount: Callable[..., None]
) -> None:
    camera.work.mkdir(exist_ok=True)
    mount(camera.work, "size=60m,mode=777")
    put_tpu(camera, fill_at=ONE_BATCH + 2)
    said = camera.recam(*words).failed("smoke_test")
    assert "No space left on device" in said
    assert f"{ONE_BATCH} of {PICTURES} pictures were done" in said
    assert "Remove recordings" in said
    assert left(camera) == []
    assert shutil.disk_usage(camera.work).used < 1 << 20


def test_a_disk_without_room_for_one_picture_is_refused_before_anything_is_sent(
    camera: FaultCamera, words: tuple[str | Path, ...], mount: Callable[..., None]
) -> None:
    camera.work.mkdir(exist_ok=True)
    mount(camera.work, "size=47m,mode=777")
    put_tpu(camera)
    said = camera.recam(*words).failed("smoke_test")
    assert "not enough space on the camera" in said
    assert left(camera) == []


def test_ctrl_c_ends_the_run_on_the_camera_and_removes_its_files(
    camera: FaultCamera, words: tuple[str | Path, ...]
) -> None:
    put_tpu(camera, stall_at=ONE_BATCH + 1)
    process = camera.start(*words)
    camera.shims.wait(60)
    process.interrupt()
    ended: Ended = camera.finish(process)
    assert ended.code == 130, ended.err
    assert not running(str(camera.work / ".recam-run-")), "the program still runs"
    assert left(camera) == []
