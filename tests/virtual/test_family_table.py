"""Every family in every precision converts, and the camera takes it for what it is.

README.md has a table of this. With RECAM_WRITE_TABLE=1 these tests write its rows; else they hold
what they find against them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from family_table import Row, read_rows, write_row
from onnx_models import anchored_detector, detector
from recam_runs import DEMO, SHARED, Run
from test_families import yolo26

from recam_deploy.settings import load_settings
from recam_deploy.toolchain import find

pytestmark = pytest.mark.toolchain

COSINE_TOLERANCE = 0.01
"""Pictures are scaled and networks computed a little differently on other machines."""


@dataclass(frozen=True)
class Subject:
    """A model, the pictures for it, and the family that the camera must take it for."""

    title: str
    taken_for: str
    source: str | Callable[[], onnx.ModelProto]
    pictures: Path = DEMO / "calibration"
    words: tuple[str, ...] = ()

    def file(self, folder: Path) -> Path:
        if isinstance(self.source, str):
            return Path(self.source)
        onnx.save(self.source(), folder / "model.onnx")
        return folder / "model.onnx"


def trained(name: str) -> str:
    return str(SHARED / "onnx" / f"{name}.onnx")


RANDOM = ("--min-cosine", "0", "--min-matched", "0")
SHAPES = SHARED / "shapes" / "images" / "calib"
SUBJECTS = (
    Subject("YOLO11 detection (the bundled model)", "YOLO11", str(DEMO / "shapes.onnx")),
    Subject("YOLO11 pose", "YOLO11-pose", trained("yolo11n-pose-stars-320"), SHARED / "stars"),
    Subject("YOLO11 segmentation", "YOLO11-seg", trained("yolo11n-seg-shapes-320"), SHAPES),
    Subject("YOLO11 classification", "classifier", trained("yolo11n-cls-shapes-128"), SHAPES),
    Subject(
        "YOLOv8 detection, random weights",
        "YOLO11",
        lambda: detector(80, style="yolov8"),
        words=RANDOM,
    ),
    Subject("YOLO26 detection, random weights", "YOLO26", yolo26, words=RANDOM),
    Subject("YOLOv5 detection, random weights", "YOLOv5", anchored_detector, words=RANDOM),
)
# INT8 has one scale for a tensor: coordinates to hundreds drown scores below 1 (pose,
# segmentation), so this loses what they find, and the camera sees nothing.
LOSES = {("YOLO11 pose", "int8"), ("YOLO11 segmentation", "int8")}


@pytest.mark.parametrize("precision", ["int8", "mixed", "bf16"])
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: str(subject.title))
def test_the_table_of_families_is_true(
    run: Run, tmp_path: Path, subject: Subject, precision: str
) -> None:
    source = subject.file(tmp_path)
    if not source.is_file():
        pytest.skip("the trained exports and their pictures lie beside the project, not in it")
    count = "6" if isinstance(subject.source, str) else "3"
    accepted = RANDOM if (subject.title, precision) in LOSES else subject.words
    done = run(
        *("convert", source, "--calibration", subject.pictures, "--images", count),
        *("--verify", "3", "--quantize", precision, *accepted, "--output", "m.cvimodel", "--json"),
        cwd=tmp_path,
    )
    assert done.code == 0, done.err + done.out
    check = done.document["verification"]
    counts = check["detections"]
    row = Row(
        model=subject.title,
        precision=precision,
        taken_for=taken_for(tmp_path / "m.cvimodel", tmp_path),
        cosine=min(check["cosine"]),
        matched=f"{counts['matched']} of {counts['float']}",
    )
    assert row.taken_for == subject.taken_for
    if os.environ.get("RECAM_WRITE_TABLE"):
        write_row(row)
    written = read_rows()[row.key]
    assert written.taken_for == row.taken_for
    assert row.cosine >= written.cosine - COSINE_TOLERANCE


def taken_for(cvimodel: Path, scratch: Path) -> str:
    """The family that the virtual camera's own program chooses."""
    from virtual.sscma import factory
    from virtual.sscma.engine import Engine

    toolchain = find(load_settings().cache_dir)
    assert toolchain
    libraries = os.pathsep.join(str(folder) for folder in toolchain.simulator_libraries)
    model = Engine(libraries, scratch / "simulator.log", scratch).load(cvimodel)
    family = factory.choose(model)
    return family.name if family else "nothing"
