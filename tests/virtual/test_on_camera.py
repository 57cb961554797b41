"""The camera's own TPU measures what the emulator does, and its outputs are compared to the bit."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_shims import Shims
from recam_runs import DEMO, MODELS, Ended, Run, running_camera

pytestmark = pytest.mark.toolchain

PICTURES = sorted((DEMO / "test").glob("*.jpg"))
SOURCE = MODELS / "yolo11-shapes-192.onnx"
CALIBRATION = ("--calibration", DEMO / "calibration", "--images", "8")

# Runs the camera's python3, then changes one bit of the outputs of the first picture.
TAMPERING = """{real} "$@"; code=$?
for word; do case $word in */out.bin) {python} -c 'import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(1000)
    byte = file.read(1)[0]
    file.seek(1000)
    file.write(bytes([byte ^ 1]))' "$word" ;; esac; done
exit $code"""


@dataclass(frozen=True)
class Place:
    """A running camera, and a folder with a data set, converted models and an environment."""

    folder: Path
    root: Path
    settings: dict[str, str]

    def left(self) -> list[str]:
        """What lies in the camera's work folder beside what stays there."""
        work = self.root / "userdata" / "recam"
        return sorted(path.name for path in work.iterdir() if path.name != "history")


@pytest.fixture(scope="module")
def place(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("on-camera")
    for kind in ("images", "labels"):
        (folder / kind / "val").mkdir(parents=True)
    for number in range(10):  # more than are run at once
        picture = PICTURES[number % len(PICTURES)]
        shutil.copy(picture, folder / "images" / "val" / f"{number}.jpg")
        shutil.copy(picture.with_suffix(".txt"), folder / "labels" / "val" / f"{number}.txt")
    (folder / "data.yaml").write_text(
        "val: images/val\nnames: [circle, square, triangle, star, cross]\n"
    )
    shutil.copy(SOURCE, folder)
    with running_camera(run, folder / "camera", "--no-node-red") as document:
        root = Path(document["settings"]).parent / "root"
        yield Place(folder, root, {"RECAM_SETTINGS": document["settings"]})


def converted(run: Run, place: Place, name: str, *words: str) -> Path:
    output = place.folder / f"{name}.cvimodel"
    done = run(
        *("convert", SOURCE.name, *CALIBRATION, *words, "-o", output, "--json"), cwd=place.folder
    )
    assert done.code == 0, done.err + done.out
    return output.with_suffix(".json")


@pytest.fixture(scope="module")
def artifact(run: Run, place: Place) -> Path:
    return converted(run, place, "int8")


@pytest.fixture
def shims(place: Place, tmp_path: Path) -> Iterator[Shims]:
    """Programs that stand before the camera's own."""
    shims = Shims(place.root / "usr/bin", tmp_path / "shims")
    shims.clear()
    yield shims
    shims.clear()


def evaluated(run: Run, place: Place, artifact: Path, *words: str) -> Ended:
    settings = place.settings if "camera" in words else {}
    words = ("--data", "data.yaml", *words, "--json")
    return run("evaluate", artifact, *words, cwd=place.folder, **settings)


def compared(run: Run, place: Place, artifact: Path) -> Ended:
    words = ("test", artifact, "--image", PICTURES[0], "--exact", "--json")
    return run(*words, cwd=place.folder, **place.settings)


def test_the_camera_measures_the_same_numbers_as_the_emulator(
    run: Run, place: Place, artifact: Path
) -> None:
    here, there = (evaluated(run, place, artifact, "--on", on) for on in ("emulator", "camera"))
    assert here.code == 0, here.err + here.out
    assert there.code == 0, there.err + there.out
    assert (here.document["backend"], there.document["backend"]) == ("emulator", "camera")
    assert there.document["images"] == 10
    assert there.document["cvimodel"]["map50"] > 0.5
    same = ("float", "cvimodel", "lost", "as_camera", "classes", "objects")
    assert {name: here.document[name] for name in same} == {
        name: there.document[name] for name in same
    }
    assert json.loads(artifact.read_text())["accuracy"]["backend"] == "camera"
    assert place.left() == []


def test_the_chips_outputs_are_equal_to_the_bit(run: Run, place: Place, artifact: Path) -> None:
    done = compared(run, place, artifact)
    assert done.code == 0, done.err + done.out
    values = (64 + 5) * (24 * 24 + 12 * 12 + 6 * 6)
    equal = {"equal": True, "values": values, "different": 0, "largest_difference": 0.0}
    document = done.document
    assert document.pop("inference_ms") > 0
    assert document == {"equal": True, "simulator": equal, "emulator": equal, "no_emulator": None}
    assert place.left() == []
    words = ("test", artifact, "--image", PICTURES[0], "--exact")
    told = run(*words, cwd=place.folder, **place.settings)
    assert f"equal to the simulator: all {values:,} values, bit for bit" in told.out
    assert not (place.folder / "Out.jpg").exists()


def test_int8_outputs_are_compared_as_they_are(run: Run, place: Place) -> None:
    done = compared(run, place, converted(run, place, "int8-outputs", "--int8-outputs"))
    assert done.code == 0, done.err + done.out
    assert done.document["simulator"]["different"] == 0


def test_a_single_changed_bit_is_told_with_exit_code_1(
    run: Run, place: Place, artifact: Path, shims: Shims
) -> None:
    shims.replace("python3", TAMPERING.replace("{python}", shlex.quote(sys.executable)))
    done = compared(run, place, artifact)
    assert done.code == 1, done.err + done.out
    document = done.document
    assert document["equal"] is False
    for name in ("simulator", "emulator"):
        assert document[name]["different"] == 1
        assert document[name]["largest_difference"] > 0
    words = ("test", artifact, "--image", PICTURES[0], "--exact")
    told = run(*words, cwd=place.folder, **place.settings)
    assert told.code == 1
    assert "not equal to the simulator: 1 of" in told.out
    assert place.left() == []


def test_an_emulator_that_is_gone_is_told_and_the_simulator_decides(
    run: Run, place: Place, artifact: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """A model that was converted on another machine."""
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "toolchain").symlink_to(Path(environment["RECAM_CACHE_DIR"]) / "toolchain")
    words = ("test", artifact, "--image", PICTURES[0], "--exact", "--json")
    done = run(*words, cwd=tmp_path, RECAM_CACHE_DIR=str(cache), **place.settings)
    assert done.code == 0, done.err + done.out
    assert done.document["emulator"] is None
    assert done.document["no_emulator"]
    assert done.document["simulator"]["equal"] is True
