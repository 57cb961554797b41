"""Models that were converted here run in onnxruntime on the virtual camera, with equal results."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dense_build import build_dense
from labelled import detections
from numpy.typing import NDArray
from recam_runs import DEMO, MODELS, Run, StartCamera
from resized import write_resized
from virtual.picture_file import read_frame
from virtual.pictures import Frame
from virtual.sscma.engine import Engine
from virtual.sscma.input_image import Format, InputImage, frame_bytes, input_bytes
from virtual.sscma.resident import Emulator, ResidentModel, load

from recam_deploy.artifact import sha256_of
from recam_deploy.toolchain import find

pytestmark = pytest.mark.toolchain

PICTURES = sorted((DEMO / "test").glob("*.jpg"))
CALIBRATION = ("--calibration", DEMO / "calibration", "--images", "8")
ORDINARY = MODELS / "yolo11-shapes-192.onnx"
PADDED = 160
"""A side whose rows are padded: 480 bytes, in 512."""
SURE = 0.65
EMULATED = "runs in onnxruntime"

Arrays = list[NDArray[np.generic]]


@dataclass(frozen=True)
class Subject:
    """A source, the words with which it is converted, and the side where it is another one."""

    source: Path
    words: tuple[str, ...] = ()
    side: int = 0


SUBJECTS = {
    "bundled": Subject(DEMO / "shapes.onnx"),
    "INT8 outputs": Subject(ORDINARY, ("--int8-outputs",)),
    "BF16 in its tail": Subject(MODELS / "yolo11-pose-shapes-192.onnx"),
    "padded rows": Subject(MODELS / "yolov8-shapes-192.onnx", side=PADDED),
}


def convert(run: Run, subject: Subject, folder: Path) -> Path:
    source = subject.source
    if subject.side:
        source = write_resized(source, folder / "model.onnx", subject.side)
    output = folder / "out.cvimodel"
    words = (*CALIBRATION, *subject.words, "-o", output, "--json")
    done = run("convert", source, *words, cwd=folder)
    assert done.code == 0, done.err + done.out
    return output


@pytest.fixture(scope="session")
def engine(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The simulator, beside the networks that were emulated in these tests."""
    cache = Path(environment["RECAM_CACHE_DIR"])
    toolchain = find(cache)
    assert toolchain
    libraries = os.pathsep.join(map(str, toolchain.simulator_libraries))
    folder = tmp_path_factory.mktemp("engine")
    return Engine(libraries, folder / "simulator.log", folder, cache / "steps")


async def results(model: ResidentModel, *, video: bool) -> list[Arrays]:
    """Run the demo's pictures and one of noise, as the live path or the test program does."""
    side = model.model.width
    noise = np.random.default_rng(3).integers(0, 256, (side, side, 3), np.uint8)
    seen = [Frame(0, read_frame(picture)).fitted(side, side) for picture in PICTURES[:2]]
    image = InputImage(side, side, Format.PACKED)
    fill = frame_bytes if video else input_bytes
    return [(await model.run(fill(model.model, image, one))).arrays for one in (*seen, noise)]


def by_both(engine: Engine, cvimodel: Path, *, video: bool = True) -> tuple[list[Arrays], ...]:
    """Return what the simulator gives, then what the emulated network does."""

    async def go() -> tuple[list[Arrays], ...]:
        simulated = await load(replace(engine, emulated=None), cvimodel)
        emulated = await load(engine, cvimodel)
        try:
            assert not isinstance(simulated.tpu, Emulator)
            assert isinstance(emulated.tpu, Emulator)
            return tuple([await results(one, video=video) for one in (simulated, emulated)])
        finally:
            await simulated.close()
            await emulated.close()

    return asyncio.run(go())


def sure_labels(document: dict[str, Any]) -> list[str]:
    """Return what was found beyond doubt; live, boxes are in pixels of the preview."""
    return sorted(one.label for one in detections(document) if one.score > SURE)


def same(wanted: list[Arrays], found: list[Arrays]) -> bool:
    """Whether all outputs are equal in type, shape and bits."""
    return all(
        (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        for one, other in zip(wanted, found, strict=True)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("name", SUBJECTS)
def test_live_frames_give_the_simulators_outputs_bit_for_bit(
    name: str, run: Run, engine: Engine, tmp_path: Path
) -> None:
    cvimodel = convert(run, SUBJECTS[name], tmp_path)
    wanted, found = by_both(engine, cvimodel)
    assert same(wanted, found)
    assert not same(wanted[:1], wanted[1:2])
    wanted, found = by_both(engine, cvimodel, video=False)
    assert same(wanted, found)


def test_a_dense_build_sees_the_same_sheared_frames_in_both(
    run: Run, engine: Engine, environment: dict[str, str], tmp_path: Path
) -> None:
    """recam emulates no such build; the network is that of the padded one."""
    padded = convert(run, SUBJECTS["padded rows"], tmp_path)
    cache = Path(environment["RECAM_CACHE_DIR"])
    dense = build_dense(cache, PADDED, "int8", tmp_path / "dense")
    (made,) = (cache / "steps").glob(f"emulate-*/{sha256_of(padded)}.onnx")
    step = tmp_path / "steps" / "emulate-dense"
    shutil.copytree(made.parent, step)
    old, new = made.name, f"{sha256_of(dense)}.onnx"
    (step / old).rename(step / new)
    record = step / "step.json"
    record.write_text(record.read_text().replace(old, new))
    wanted, found = by_both(replace(engine, emulated=step.parent), dense)
    assert same(wanted, found)
    right, _ = by_both(engine, padded)
    assert not same(wanted, right)


def test_a_camera_runs_what_was_converted_here_in_onnxruntime_and_else_the_simulator(
    run: Run, start_camera: StartCamera, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    seen.mkdir()
    shutil.copy(PICTURES[0], seen)
    source = DEMO / "shapes.onnx"
    with start_camera("--pictures", str(seen)) as camera:
        log, settings = Path(camera["log"]), {"RECAM_SETTINGS": camera["settings"]}
        pushed = run("flow", "push", "--yes", "--json", cwd=tmp_path, **settings)
        assert pushed.code == 0, pushed.err + pushed.out
        watched = run("watch", "--count", "1", "--json", cwd=tmp_path, **settings).document
        assert watched["events"]
        assert EMULATED not in log.read_text()  # the factory's model was not converted here
        simulated = watched["timings_ms"]["inference"]

        up = ("up", source, *CALIBRATION, "--image", PICTURES[0], "--json")
        done = run(*up, cwd=tmp_path, **settings)
        assert done.code == 0, done.err + done.out
        assert EMULATED in log.read_text()
        watched = run("watch", "--seconds", "5", "--json", cwd=tmp_path, **settings).document
    live, tested = (sure_labels(one) for one in (watched["events"][-1], done.document["smoke"]))
    assert live == tested
    assert len(live) >= 4
    assert watched["timings_ms"]["inference"] * 5 < simulated
    assert watched["fps"] >= 5
