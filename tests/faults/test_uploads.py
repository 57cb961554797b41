"""What goes wrong while a model is on its way: rows 1, 2, 4, 5, 17, 21 to 23, 26 and 27."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cvimodels import cvimodel_bytes, yolo11_tensors
from fault_camera import GOOD_RUNNER, FaultCamera, sha256
from fault_proxy import Faults
from fault_shims import FLIPPING, taking
from PIL import Image

SIZE = 600_000


def cut_when_hit(camera: FaultCamera) -> threading.Thread:
    """Cut every connection as soon as a shim has done its part."""

    def cut() -> None:
        camera.shims.wait()
        camera.proxy.cut_all()
        camera.shims.go()

    thread = threading.Thread(target=cut)
    thread.start()
    return thread


@pytest.mark.parametrize("where", ["0", "1", "middle", "last"])
def test_row_01_a_cut_upload_leaves_the_old_model_and_is_gone_on_with(
    camera: FaultCamera, where: str
) -> None:
    new = camera.artifact("new", SIZE)
    size = new.stat().st_size
    count = {"0": 0, "1": 1, "middle": size // 2, "last": size - 1}[where]
    camera.shims.once("cat", "''", taking(count))
    cutting = cut_when_hit(camera)
    said = camera.deploy(new).failed("connection")
    cutting.join()
    assert "lost while uploading new.cvimodel" in said
    camera.holds_one_of(b"the old model")
    camera.shims.clear()
    done = camera.deploy(new).fine()
    assert size - count <= done["uploaded_bytes"] < size - count + 1000
    assert camera.holds_one_of(new) == new.read_bytes()
    assert camera.parts() == []


def test_row_01_a_part_of_another_model_is_removed_by_the_next_run(camera: FaultCamera) -> None:
    camera.shims.once("cat", "''", taking(300_000))
    cutting = cut_when_hit(camera)
    camera.deploy(camera.artifact("first", SIZE)).failed("connection")
    cutting.join()
    camera.shims.clear()
    assert [part.stat().st_size for part in camera.parts()] == [300_000]
    other = camera.artifact("other")
    camera.deploy(other).fine()
    assert camera.parts() == []
    camera.holds_one_of(other)


def test_row_01_a_part_with_other_bytes_is_used_only_as_far_as_it_agrees(
    camera: FaultCamera,
) -> None:
    new = camera.artifact("new", SIZE)
    camera.shims.once("cat", "''", taking(550_000))
    cutting = cut_when_hit(camera)
    camera.deploy(new).failed("connection")
    cutting.join()
    camera.shims.clear()
    (part,) = camera.parts()
    data = bytearray(part.read_bytes())
    data[300_000] ^= 1
    part.write_bytes(data)
    done = camera.deploy(new).fine()
    agreed = 256 * 1024
    assert 0 <= done["uploaded_bytes"] - (new.stat().st_size - agreed) < 1000
    camera.holds_one_of(new)


def test_row_02_a_cut_before_the_record_is_mended_without_an_upload(camera: FaultCamera) -> None:
    new = camera.artifact("new", SIZE)
    camera.shims.stop_at("mv", "*active.json")

    def cut() -> None:
        camera.shims.wait()
        camera.proxy.cut_all()

    cutting = threading.Thread(target=cut)
    cutting.start()
    camera.deploy(new).failed("connection")
    cutting.join()
    assert camera.holds_one_of(new) == new.read_bytes()
    assert not (camera.history / "active.json").exists()
    camera.shims.kill_stopped()
    camera.shims.clear()
    assert camera.deploy(new).fine()["uploaded_bytes"] == 0
    assert camera.recorded()["sha256"] == camera.history_document()["entries"][0]["sha256"]


def test_row_04_too_little_space_is_found_before_anything_is_sent(camera: FaultCamera) -> None:
    camera.shims.replace(
        "df",
        'printf "Filesystem 1024-blocks Used Available Capacity Mounted on\\n'
        '/dev/x 100000 90000 10000 90%% /\\n"',
    )
    said = camera.deploy(camera.artifact("new", SIZE)).failed("deployment")
    assert "10.2 MB free" in said
    assert "50.6 MB needed" in said
    assert camera.parts() == []
    camera.holds_one_of(b"the old model")


def test_row_04_a_disk_that_fills_up_meanwhile_is_not_left_full(
    camera: FaultCamera, mount: Callable[..., None]
) -> None:
    mount(camera.userdata, "size=60M")
    camera.reset(clean=False)
    filler = camera.userdata / "filler"
    camera.shims.once(
        "cat", "''", f"        dd if=/dev/zero of={filler} bs=64k 2>/dev/null; exec {{real}}"
    )
    said = camera.deploy(camera.artifact("new", SIZE)).failed("deployment")
    assert "No space left" in said
    assert "MB were free" in said
    assert "0.6 MB are needed" in said
    assert camera.parts() == []
    assert camera.active.read_bytes() == b"the old model"
    filler.unlink()
    camera.shims.clear()
    camera.deploy(camera.artifact("new", SIZE)).fine()
    camera.holds_one_of(camera.artifact("new", SIZE))


def test_row_05_one_flipped_bit_is_found_and_nothing_switched(camera: FaultCamera) -> None:
    new = camera.artifact("new", SIZE)
    camera.shims.once("cat", "''", FLIPPING)
    assert "sha256 differs" in camera.deploy(new).failed("deployment")
    assert camera.shims.hit.exists()
    camera.holds_one_of(b"the old model")
    assert camera.parts() == []
    camera.shims.clear()
    camera.deploy(new).fine()
    camera.holds_one_of(new)


def test_row_05_what_is_flipped_on_the_wire_is_refused_by_ssh(camera: FaultCamera) -> None:
    new = camera.artifact("new", SIZE)
    camera.proxy.faults = lambda: Faults(flip_at=200_000)
    camera.deploy(new).failed("connection")
    camera.proxy.faults = Faults
    camera.holds_one_of(b"the old model")
    camera.deploy(new).fine()
    camera.holds_one_of(new)


def test_row_17_a_read_only_folder_is_found_before_anything_is_sent(
    camera: FaultCamera, mount: Callable[..., None]
) -> None:
    mount(camera.models, "size=60M")
    camera.active.write_bytes(b"the old model")
    camera.info.write_text("{}")
    mount(camera.models, "remount,ro")
    before = camera.proxy.bytes_to_server
    said = camera.deploy(camera.artifact("new", SIZE)).failed("deployment")
    assert "read-only" in said
    assert camera.proxy.bytes_to_server - before < 50_000
    assert not camera.work.exists() or not any(camera.work.iterdir())
    camera.holds_one_of(b"the old model")


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_row_21_a_damaged_cvimodel_is_refused_on_the_host(
    virtual: FaultCamera, damage: str
) -> None:
    new = virtual.artifact("new")
    data = bytearray(new.read_bytes())
    if damage == "flipped":
        data[-5] ^= 1
    new.write_bytes(bytes({"truncated": data[:-1], "flipped": data, "empty": b""}[damage]))
    connections = virtual.proxy.connections
    virtual.deploy(new).failed("input")
    assert virtual.proxy.connections == connections


def test_row_22_a_model_for_another_chip_is_refused_before_connecting(
    virtual: FaultCamera,
) -> None:
    connections = virtual.proxy.connections
    said = virtual.deploy(virtual.artifact("new", chip="cv183x")).failed("input")
    assert "cv183x" in said
    assert "cv181x" in said
    assert virtual.proxy.connections == connections


def test_row_23_a_model_larger_than_all_of_the_tpus_memory_is_not_sent(
    camera: FaultCamera,
) -> None:
    system = camera.userdata.parent / "proc/device-tree/reserved-memory/ion"
    system.mkdir(parents=True)
    try:
        (system / "size").write_bytes((400_000).to_bytes(8, "big"))
        said = camera.deploy(camera.artifact("new")).failed("deployment")
    finally:
        shutil.rmtree(camera.userdata.parent / "proc")
    assert re.search(r"needs (0\.[5-9]|[1-9]\.\d) MB .* has 0\.4 MB in all", said)
    camera.holds_one_of(b"the old model")


def test_case_68_a_test_of_a_model_larger_than_all_of_the_tpus_memory_sends_nothing(
    camera: FaultCamera, tmp_path: Path
) -> None:
    camera.put_runner(f"echo ran >>{tmp_path / 'ran'}; exit 1")
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    system = camera.userdata.parent / "proc/device-tree/reserved-memory/ion"
    system.mkdir(parents=True)
    words = ("test", camera.artifact("new"), "--image", tmp_path / "a.png")
    try:
        (system / "size").write_bytes((400_000).to_bytes(8, "big"))
        said = camera.recam(*words, "--output", tmp_path / "Out.jpg").failed("deployment")
    finally:
        shutil.rmtree(camera.userdata.parent / "proc")
    assert re.search(r"needs (0\.[5-9]|[1-9]\.\d) MB .* has 0\.4 MB in all", said)
    assert not (tmp_path / "ran").exists()
    assert [path.name for path in camera.userdata.rglob("*.cvimodel*")] == [camera.active.name]
    camera.holds_one_of(b"the old model")


def test_row_23_a_model_that_the_tpu_does_not_take_is_not_switched_to(
    camera: FaultCamera,
) -> None:
    camera.put_runner("echo 'E engine load model failed'; exit 1")
    said = camera.deploy(camera.artifact("new")).failed("smoke_test")
    assert re.search(r"could not load the model: it needs \d\.[1-9] MB of the TPU's memory", said)
    assert "--no-try" in said
    camera.holds_one_of(b"the old model")
    assert camera.parts() == []
    camera.put_runner(GOOD_RUNNER)
    assert camera.deploy(camera.artifact("new")).fine()["tried"] is True
    camera.holds_one_of(camera.artifact("new"))


AWKWARD = ["a b; touch CANARY", "$(touch CANARY)", "`touch CANARY`", "-rf", "'\"'", "*"]


@pytest.mark.parametrize("name", AWKWARD)
def test_row_26_names_are_never_read_by_a_shell(
    camera: FaultCamera, name: str, tmp_path: Path
) -> None:
    new = tmp_path / f"{name}.cvimodel"
    new.write_bytes(cvimodel_bytes(*yolo11_tensors()))
    labels = tmp_path / "labels"
    labels.write_text(f"{name}\nsecond\nthird\n")
    models, work = camera.userdata / name / "Models", camera.userdata / name / "work"
    done = camera.deploy(
        new, "--labels", str(labels), RECAM_MODELS=str(models), RECAM_WORK=str(work)
    )
    assert done.fine()["active"] == str(models / "model.cvimodel")
    assert (models / "model.cvimodel").read_bytes() == new.read_bytes()
    assert sorted(path.name for path in camera.userdata.iterdir()) == sorted([name, "Models"])
    assert not list(camera.folder.rglob("CANARY"))
    assert not list(tmp_path.rglob("CANARY"))


def test_row_26_a_line_break_in_a_name_is_refused(virtual: FaultCamera) -> None:
    models = f"{virtual.userdata}/a\nb"
    said = virtual.deploy(virtual.artifact("new"), RECAM_MODELS=models).failed("settings")
    assert "control character" in said


@pytest.mark.parametrize("link", ["model", "info", "part", "models", "parent", "work", "history"])
def test_row_27_what_a_link_points_to_is_untouched(
    camera: FaultCamera, link: str, tmp_path: Path
) -> None:
    new = camera.artifact("new")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("{}")
    short = sha256(new)[:12]
    places = {
        "model": camera.active,
        "info": camera.info,
        "part": camera.models / f".recam-{short}.cvimodel",
        "models": camera.models,
        "parent": camera.userdata / "deep",
        "work": camera.work,
        "history": camera.history,
    }
    place = places[link]
    file = link in ("model", "info", "part")
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside / "file" if file else outside)
    deep = {"RECAM_MODELS": str(place / "Models")} if link == "parent" else {}
    done = camera.deploy(new, **deep)
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "{}"
    if file:
        done.fine()
        assert not camera.active.is_symlink()
        assert not camera.info.is_symlink()
        camera.holds_one_of(new)
    else:
        done.failed("deployment")


def test_a_file_in_the_place_of_the_models_folder_is_told_with_what_to_do(
    virtual: FaultCamera,
) -> None:
    shutil.rmtree(virtual.models)
    virtual.models.write_bytes(b"a file")
    said = virtual.deploy(virtual.artifact("new")).failed("deployment")
    assert "exists" in said
    assert virtual.models.read_bytes() == b"a file"


def test_a_work_folder_that_cannot_be_made_is_told_with_what_to_do(virtual: FaultCamera) -> None:
    (virtual.userdata / "file").write_bytes(b"a file")
    work = str(virtual.userdata / "file" / "recam")
    said = virtual.deploy(virtual.artifact("new"), RECAM_WORK=work).failed("camera")
    assert work in said
    assert "camera.work" in said
