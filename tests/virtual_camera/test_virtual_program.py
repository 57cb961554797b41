"""What ``sscma-model`` says and returns, line for line."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from virtual.sscma import main as program
from virtual.sscma.engine import Engine, EngineAbortedError, EngineError, Run
from virtual.sscma.tensors import Model, Tensor

GREEN, RED, END = "\033[32mI ", "\033[31mE ", "\033[0m\r\n"
SIZE = 64


class FakeEngine(Engine):
    """A simulator that knows its answer: one object of class 1 in a two-class model."""

    def load(self, model: Path) -> Model:
        if model.read_bytes() != b"good":
            raise EngineError("bad")
        return self.model()

    def model(self) -> Model:
        outputs = []
        for grid in (8, 4, 2):
            for channels in (64, 2):
                shape = (1, channels, grid, grid)
                outputs.append(Tensor("map", shape, "float32", channels * grid * grid * 4))
        return Model((Tensor("in", (1, SIZE, SIZE, 3), "uint8", SIZE * SIZE * 3),), tuple(outputs))

    def run(self, path: Path, model: Model, data: bytes) -> Run:
        assert len(data) == SIZE * SIZE * 3
        arrays: list[NDArray[Any]] = [np.full(t.shape, -8, np.float32) for t in model.outputs]
        arrays[0][:] = 0
        arrays[1][0, 1, 4, 4] = 2.0
        return Run(arrays, 8123.9)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, a picture and a library; the process counts as root."""
    (tmp_path / "m.cvimodel").write_bytes(b"good")
    Image.new("RGB", (100, 50), (9, 9, 9)).save(tmp_path / "in.jpg")
    (tmp_path / "libcviruntime.so").touch()
    monkeypatch.setattr(program, "Engine", FakeEngine)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setenv(program.ROOT_MARK, "1")
    monkeypatch.setenv(program.LIBRARY_PATH, f"/nowhere:{tmp_path}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def go(folder: Path, *arguments: str) -> int:
    return program.main(folder, "./sscma-model", arguments)


def test_a_run_prints_the_cameras_lines_in_its_order(
    files: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert go(files, "m.cvimodel", "in.jpg", "out.jpg") == 0
    lines = capfdbinary.readouterr().out.decode().splitlines(keepends=True)
    assert lines[0] == f"{GREEN}engine load model m.cvimodel{END}"
    assert lines[1] == f"{GREEN}model type: 9{END}"
    assert lines[2] == (
        "x: 0.562500, y: 0.562500, w: 1.875000, h: 1.875000, score: 0.880797 target: 1\n"
    )
    assert lines[3].startswith(f"{GREEN}pre: ")
    assert ", infer: 8123ms, post: " in lines[3]
    assert len(lines) == 4
    with Image.open(files / "out.jpg") as image:
        assert image.size == (SIZE, SIZE)


def test_without_a_third_argument_the_picture_is_result_jpg(files: Path) -> None:
    assert go(files, "m.cvimodel", "in.jpg") == 0
    assert (files / "result.jpg").exists()


def test_too_few_arguments_are_a_usage_error(
    files: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert go(files, "m.cvimodel") == 255
    assert capfdbinary.readouterr().out.startswith(b"Usage:\n   ./sscma-model cvimodel image.jpg")


def test_a_missing_library_is_named_as_musl_names_it(
    files: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv(program.LIBRARY_PATH, "/lib:/usr/nothing")
    assert go(files, "m.cvimodel", "in.jpg", "out.jpg") == 127
    assert capfdbinary.readouterr().err.startswith(
        b"Error loading shared library libcviruntime.so: No such file or directory "
        b"(needed by ./sscma-model)\n"
    )


def test_without_root_the_device_cannot_be_opened(
    files: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.delenv(program.ROOT_MARK)
    assert go(files, "missing.cvimodel", "in.jpg", "out.jpg") == 134
    assert b"cvi_device_mem.cpp: device_init" in capfdbinary.readouterr().err


@pytest.mark.parametrize(
    ("model", "picture", "message"),
    [
        (b"bad", b"", "engine load model failed"),
        (b"good", b"text", "read image failed"),
    ],
)
def test_failures_are_logged_in_red_and_exit_1(
    files: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    model: bytes,
    picture: bytes,
    message: str,
) -> None:
    (files / "m.cvimodel").write_bytes(model)
    (files / "in.jpg").write_bytes(picture)
    assert go(files, "m.cvimodel", "in.jpg", "out.jpg") == 1
    assert capfdbinary.readouterr().out.decode().endswith(f"{RED}{message}{END}")
    assert not (files / "out.jpg").exists()


def test_a_model_of_no_family_is_refused(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    image = Tensor("in", (1, SIZE, SIZE, 3), "uint8", 0)
    other = Model((image,), (Tensor("out", (1, 84, 84, 1), "float32", 0),))
    monkeypatch.setattr(FakeEngine, "model", lambda _: other)
    assert go(files, "m.cvimodel", "in.jpg", "out.jpg") == 1
    assert capfdbinary.readouterr().out.decode().endswith(f"{RED}model not supported{END}")


def test_the_next_firmware_takes_such_a_model_for_a_pose(
    files: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    image = Tensor("in", (1, SIZE, SIZE, 3), "uint8", SIZE * SIZE * 3)
    array = np.full((1, 84, 84, 1), -9, np.float32)
    other = Model((image,), (Tensor("out", array.shape, "float32", array.nbytes),))
    monkeypatch.setattr(FakeEngine, "model", lambda _: other)
    monkeypatch.setattr(FakeEngine, "run", lambda *_: Run([array], 1.0))
    (files / "release").write_text("next\n")
    assert go(files, "m.cvimodel", "in.jpg", "out.jpg") == 0
    assert f"{GREEN}model type: 15{END}" in capfdbinary.readouterr().out.decode()


@pytest.mark.parametrize(
    ("number", "shape", "fill", "expected"),
    [
        (4, (1, 3, 1, 1), {1: 0.75, 2: 0.125}, ["score: 0.750000 target: 1\n"]),
        (
            10,
            (1, 8, 84, 1),
            {0: 32, 84: 16, 168: 8, 252: 4, 336: 0.5, 420: 48, 504: 64},
            [
                "x: 0.500000, y: 0.250000, w: 0.125000, h: 0.062500, score: 0.500000 target: 0\n",
                "x: 0.750000, y: 1.000000\n",
            ],
        ),
    ],
)
def test_every_kind_of_result_has_its_lines(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    number: int,
    shape: tuple[int, ...],
    fill: dict[int, float],
    expected: list[str],
) -> None:
    array = np.zeros(shape, np.float32)
    for index, value in fill.items():
        array.reshape(-1)[index] = value
    image = Tensor("in", (1, SIZE, SIZE, 3), "uint8", SIZE * SIZE * 3)
    model = Model((image,), (Tensor("out", shape, "float32", array.nbytes),))
    monkeypatch.setattr(FakeEngine, "model", lambda _: model)
    monkeypatch.setattr(FakeEngine, "run", lambda *_: Run([array], 1.0))
    assert go(files, "m.cvimodel", "in.jpg", "out.jpg") == 0
    lines = capfdbinary.readouterr().out.decode().splitlines(keepends=True)
    assert lines[1] == f"{GREEN}model type: {number}{END}"
    assert lines[2 : 2 + len(expected)] == expected
    assert lines[-1].startswith(f"{GREEN}pre: ")
    with Image.open(files / "out.jpg") as drawn:
        assert max(channel[1] for channel in drawn.convert("RGB").getextrema()) > 200


def test_outputs_of_a_type_not_decoded_show_nothing_and_are_no_failure(
    files: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    array = np.ones((1, 3, 1, 1), np.int32)
    image = Tensor("in", (1, SIZE, SIZE, 3), "uint8", SIZE * SIZE * 3)
    model = Model((image,), (Tensor("out", array.shape, "int32", array.nbytes),))
    monkeypatch.setattr(FakeEngine, "model", lambda _: model)
    monkeypatch.setattr(FakeEngine, "run", lambda *_: Run([array], 1.0))
    assert go(files, "m.cvimodel", "in.jpg", "out.jpg") == 0
    assert len(capfdbinary.readouterr().out.splitlines()) == 3
    assert (files / "out.jpg").exists()


def test_an_unwritable_output_goes_unnoticed_as_on_the_camera(files: Path) -> None:
    assert go(files, "m.cvimodel", "in.jpg", "no/such/folder.jpg") == 0


def test_an_abort_loses_what_was_printed(
    files: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert go(files, "m.cvimodel", "in.jpg", "out.xyz") == 134
    printed = capfdbinary.readouterr()
    assert printed.out == b""
    assert b"what():" in printed.err
    Image.new("RGB", (2000, 2)).save(files / "in.jpg")
    assert go(files, "m.cvimodel", "in.jpg", "out.jpg") == 134
    assert capfdbinary.readouterr().out == b""


def test_a_library_that_aborts_ends_the_program_so(
    files: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    def abort(*_: object) -> Run:
        raise EngineAbortedError(signal.SIGSEGV)

    monkeypatch.setattr(FakeEngine, "run", abort)
    assert go(files, "m.cvimodel", "in.jpg", "out.jpg") == 139
    assert capfdbinary.readouterr().out == b""
