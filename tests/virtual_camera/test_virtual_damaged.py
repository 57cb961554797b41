"""What the programs do with a model file that is damaged."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual.sscma import main as program

from .conftest import DEVICE, Camera, start
from .node_client import CAMERA, MODEL, nodes

pytestmark = pytest.mark.toolchain

FACTORY = DEVICE / "virtual" / "factory"
PICTURE = next(iter(sorted((DEVICE / "demo" / "test").glob("*.jpg"))))


@pytest.fixture
def folder(simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ``sscma-model`` runs: with the TPU's simulator, as root."""
    monkeypatch.setenv(program.ROOT_MARK, "1")
    monkeypatch.setenv(program.LIBRARY_PATH, simulator)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def go(folder: Path, model: bytes) -> int:
    (folder / "m.cvimodel").write_bytes(model)
    return program.main(folder, "./sscma-model", ["m.cvimodel", str(PICTURE), "out.jpg"])


def test_a_model_cut_short_makes_the_library_abort(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    model = (FACTORY / "model.cvimodel").read_bytes()
    assert go(folder, model[: len(model) // 2]) == 134
    printed = capfdbinary.readouterr()
    assert printed.out == b""
    assert b"stream.cpp: read: 30" in printed.err
    assert not (folder / "out.jpg").exists()


def test_a_model_with_a_byte_changed_runs(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    model = bytearray((FACTORY / "model.cvimodel").read_bytes())
    model[len(model) * 3 // 4] ^= 0x10
    assert go(folder, bytes(model)) == 0
    assert b"engine load model failed" not in capfdbinary.readouterr().out
    assert (folder / "out.jpg").exists()


@pytest.mark.parametrize("content", [b"", b"no model at all " * 9])
def test_what_is_no_model_is_not_loaded(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes], content: bytes
) -> None:
    assert go(folder, content) == 1
    assert b"engine load model failed" in capfdbinary.readouterr().out


@pytest.fixture
def camera(simulator: str, tmp_path: Path) -> Iterator[Camera]:
    running = start(tmp_path / "camera", simulator)
    yield running
    assert running.stop() == 0


async def test_a_model_cut_short_ends_the_node_service_until_the_supervisor_starts_it_again(
    camera: Camera,
) -> None:
    model = (FACTORY / "model.cvimodel").read_bytes()
    place = camera.root / "userdata" / "Models" / "model.cvimodel"
    place.write_bytes(model[: len(model) // 2])
    async with nodes(camera.state) as client:
        await client.create("camera", "camera", CAMERA)
        await client.answer("camera", "create")
        await client.create("model", "model", MODEL)
        # It says nothing of the model; the next one says that it is there, and has no nodes.
        assert (await client.until(lambda id_, _: id_ in ("", "model")))["name"] == "node"
        shutil.copyfile(FACTORY / "model.cvimodel", place)
        await client.create("camera", "camera", CAMERA)
        assert (await client.answer("camera", "create"))["code"] == 0
    assert "the node service crashed: the TPU library ended with signal 6" in camera.log()
