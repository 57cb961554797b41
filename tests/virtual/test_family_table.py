"""Every family in every precision converts, and the camera finds with it what there is.

README.md has a table of this. With RECAM_WRITE_TABLE=1 these tests write its cells; else they hold
what they find against them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from family_models import SUBJECTS, Subject, found_on_camera
from family_table import PRECISIONS, Row, read_rows, write_row
from recam_runs import DEMO, Run

from recam_deploy.settings import load_settings
from recam_deploy.toolchain import find

pytestmark = pytest.mark.toolchain

COSINE_TOLERANCE = 0.01
"""Pictures are scaled and networks computed a little differently on other machines."""
ROWS = [(subject.title, precision) for subject in SUBJECTS for precision in PRECISIONS]
# INT8 has one scale for a tensor: coordinates to hundreds drown scores below 1, so these lose what
# they find; how much of it, a change in the last bit of a picture decides.
LOSES = frozenset(
    (subject.title, "int8")
    for subject in SUBJECTS
    if subject.family in ("yolov5-detect", "yolo11-pose", "yolo11-seg")
)
ANYTHING = ("--min-cosine", "0", "--min-matched", "0")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: str(subject.title))
def test_the_table_of_families_is_true(
    run: Run, camera: dict[str, Any], tmp_path: Path, subject: Subject, precision: str
) -> None:
    loses = (subject.title, precision) in LOSES
    done = run(
        *("convert", subject.model, "--calibration", DEMO / "calibration", "--images", "6"),
        *("--verify", "6", "--quantize", precision, *(ANYTHING if loses else ())),
        *("--output", "m.cvimodel", "--json"),
        cwd=tmp_path,
    )
    assert done.code == 0, done.err + done.out
    check = done.document["verification"]
    counts = check["detections"]
    manifest = Path(done.document["artifact"]["manifest"])
    seen, _ = found_on_camera(run, camera, subject, manifest, tmp_path)
    row = Row(
        model=subject.title,
        precision=precision,
        taken_for=taken_for(tmp_path / "m.cvimodel", tmp_path),
        cosine=min(check["cosine"]),
        matched=f"{counts['matched']} of {counts['float']}",
        found=f"{seen.matched} of {seen.reference}",
    )
    assert row.taken_for == subject.taken_for
    if loses:
        assert counts["matched"] < counts["float"]
    else:
        assert seen.matched == seen.reference > 0
    if os.environ.get("RECAM_WRITE_TABLE"):
        write_row(row, [one.title for one in SUBJECTS])
    written = read_rows()[row.key]
    assert written.taken_for == row.taken_for
    assert loses or written.found == row.found
    assert row.cosine >= written.cosine - COSINE_TOLERANCE


def test_the_table_has_these_rows_and_no_others() -> None:
    assert list(read_rows()) == ROWS


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
