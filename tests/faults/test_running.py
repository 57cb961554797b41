"""What goes wrong while a model runs on the camera: rows 10 to 12, 24, 25 and 28."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from fault_camera import GOOD_RUNNER, FaultCamera, StartVirtual, running
from PIL import Image

from recam_deploy.errors import CompilationError
from recam_deploy.process import Completed
from recam_deploy.progress import SilentProgress
from recam_deploy.ssh import connection, session
from recam_deploy.step_cache import StepCache
from recam_deploy.toolchain.local import Toolchain
from recam_deploy.toolchain.tools import ToolCommand, run_tool

LAST = b"the last result"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "in.jpg"
    Image.new("RGB", (128, 64), "navy").save(path)
    (tmp_path / "Out.jpg").write_bytes(LAST)
    return path


def words(camera: FaultCamera, picture: Path) -> tuple[str | Path, ...]:
    return ("test", camera.artifact("new"), "--image", picture)


def test_row_10_a_missing_library_is_named_and_nothing_replaced(camera: FaultCamera) -> None:
    camera.put_runner(
        "echo 'Error loading shared library libcviruntime.so: No such file or directory "
        "(needed by sscma-model)' >&2; exit 127"
    )
    said = camera.deploy(camera.artifact("new")).failed("smoke_test")
    assert "libcviruntime.so" in said
    camera.holds_one_of(b"the old model")
    assert camera.parts() == []


def test_row_11_a_camera_that_restarts_during_a_run_gives_no_result(
    start_virtual: StartVirtual, picture: Path
) -> None:
    camera = start_virtual()
    camera.reset()
    state = camera.shims.state
    camera.put_runner(f'cp "$2" "$3"; touch {state}/hit; exec sleep 20')

    def restart() -> None:
        camera.shims.wait()
        camera.process.send_signal(signal.SIGKILL)
        camera.process.wait()

    thread = threading.Thread(target=restart)
    thread.start()
    started = time.monotonic()
    camera.recam(*words(camera, picture)).failed("connection")
    thread.join()
    assert time.monotonic() - started < 20
    assert picture.with_name("Out.jpg").read_bytes() == LAST
    assert not picture.with_name("Out.labeled.jpg").exists()


def test_row_11_a_connection_that_falls_silent_is_waited_for_in_bounds(
    camera: FaultCamera, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (connection, session):
        monkeypatch.setattr(module, "GRACE_SECONDS", 0.5)
    state = camera.shims.state
    camera.put_runner(f"touch {state}/hit; exec sleep 4723.5")

    def fall_silent() -> None:
        camera.shims.wait()
        camera.proxy.stall()

    thread = threading.Thread(target=fall_silent)
    thread.start()
    started = time.monotonic()
    try:
        said = camera.recam(*words(camera, picture), RECAM_RUN_TIMEOUT="1").failed("connection")
    finally:
        thread.join()
        camera.proxy.resume()
    assert "lost while running" in said
    assert time.monotonic() - started < 15
    assert picture.with_name("Out.jpg").read_bytes() == LAST


def test_row_12_a_program_that_hangs_is_ended_and_leaves_nothing_running(
    camera: FaultCamera, picture: Path
) -> None:
    camera.put_runner("trap '' TERM; sleep 4724.5; exec sleep 4724.5")
    said = camera.recam(*words(camera, picture), RECAM_RUN_TIMEOUT="1").failed("smoke_test")
    assert "sscma-model on the camera did not finish within 1 s" in said
    deadline = time.monotonic() + 10
    while running("4724.5"):
        assert time.monotonic() < deadline, "the program still runs"
        time.sleep(0.05)
    assert picture.with_name("Out.jpg").read_bytes() == LAST


def test_an_interrupted_run_leaves_nothing_running_on_the_camera(
    camera: FaultCamera, picture: Path
) -> None:
    camera.put_runner("sleep 4725.5")
    process = camera.start(*words(camera, picture))
    deadline = time.monotonic() + 20
    while not running("4725.5"):
        assert time.monotonic() < deadline, "the program was not started"
        time.sleep(0.05)
    process.interrupt()
    assert camera.finish(process).code == 130
    assert not running(f"{camera.runner}\0"), "the program still runs"
    assert not list(camera.work.glob(".recam-run-*"))


def test_row_24_a_corrupt_onnx_is_refused_and_nothing_cached(
    virtual: FaultCamera, picture: Path
) -> None:
    model = picture.with_name("corrupt.onnx")
    model.write_bytes(b"\x08\x07" + os.urandom(300))
    ended = virtual.recam("convert", model, "--calibration", picture.parent)
    ended.failed("input")
    steps = Path(virtual.environment["RECAM_CACHE_DIR"]) / "steps"
    assert not steps.exists() or not any(steps.glob("*-*"))


def test_row_24_a_tool_that_writes_nothing_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    command = ToolCommand("model_deploy", ("--model", "m.cvimodel"), (Path("m.cvimodel"),))

    def exits_well(*_: object, **__: object) -> Completed:
        return Completed(("model_deploy",), 0, "", "")

    def build(folder: Path) -> None:
        toolchain, log = Toolchain.at(tmp_path / "t"), tmp_path / "log"
        run_tool(toolchain, command, folder, log, SilentProgress(), run=exits_well)

    cache = StepCache(tmp_path / "steps")
    with pytest.raises(CompilationError, match="did not write"):
        cache.run("compile", "compile-1", build)
    assert cache.entries() == []


def test_row_25_what_is_not_utf8_is_kept_byte_for_byte(camera: FaultCamera) -> None:
    info = b'{"classes": ["caf\xe9"], "model_name": "\xff"}'
    camera.info.write_bytes(info)
    camera.put_runner(f"printf '\\377\\376 noise\\n'; {GOOD_RUNNER}")
    first = camera.deploy(camera.artifact("new")).fine()
    assert first["tried"] is True
    document = camera.history_document()
    assert document["entries"][0]["id"] == first["id"]
    camera.recam("rollback").fine()
    assert camera.active.read_bytes() == b"the old model"
    assert camera.info.read_bytes() == info


# The virtual camera's SSH library takes only commands in UTF-8.
@pytest.mark.parametrize("camera", ["openssh"], indirect=True)
def test_row_25_a_folder_whose_name_is_not_utf8_is_used_as_it_is(camera: FaultCamera) -> None:
    models = camera.userdata / os.fsdecode(b"caf\xe9")
    new = camera.artifact("new")
    done = camera.deploy(new, RECAM_MODELS=str(models))
    assert done.fine()["active"] == str(models / "model.cvimodel")
    assert (models / "model.cvimodel").read_bytes() == new.read_bytes()


def test_row_28_a_picture_cut_short_is_found_and_the_last_result_kept(
    camera: FaultCamera, picture: Path
) -> None:
    camera.put_runner(GOOD_RUNNER)
    # scp is the server's own here, so the file is cut once its hash has been told.
    camera.shims.replace(
        "sha256sum",
        'file=$(readlink /proc/$$/fd/0)\n{real} "$@"\n'
        'case $file in *Out.jpg) truncate -s 200 "$file" ;; esac',
    )
    said = camera.recam(*words(camera, picture)).failed("smoke_test")
    assert "arrived damaged" in said
    assert picture.with_name("Out.jpg").read_bytes() == LAST
    assert not picture.with_name("Out.labeled.jpg").exists()
    camera.shims.clear()
    camera.recam(*words(camera, picture)).fine()
    assert Image.open(picture.with_name("Out.jpg")).size == (128, 64)


def test_a_result_that_cannot_be_written_beside_the_last_one_replaces_neither(
    virtual: FaultCamera, picture: Path
) -> None:
    virtual.put_runner(GOOD_RUNNER)
    picture.with_name("Out.labeled.jpg").mkdir()
    virtual.recam(*words(virtual, picture)).failed("input")
    assert picture.with_name("Out.jpg").read_bytes() == LAST
