"""Widths that are no multiple of 64: right in the smoke test and live, and wrong if built dense.

The camera sees one picture only, so what is found live can be compared with the smoke test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from dense_build import build_dense
from family_models import SUBJECTS
from labelled import detections, float_detections
from PIL import Image
from recam_runs import DEMO, Run, running_camera
from resized import write_resized

from recam_deploy.cvimodel import read_model
from recam_deploy.detection.types import Detection

pytestmark = pytest.mark.toolchain
SURE = 0.65


@dataclass(frozen=True)
class Case:
    """A model for `side` pixels, a camera that sees `picture` alone, and a folder for both."""

    side: int
    folder: Path
    picture: Path
    model: Path
    manifest: Path
    labels: tuple[str, ...]
    settings: dict[str, str]


@pytest.fixture(
    scope="module",
    params=[("YOLOv8 detection", 416), ("YOLO11 classification", 224)],
    ids=lambda param: f"{param[0]} at {param[1]}",
)
def case(
    request: pytest.FixtureRequest, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Case]:
    title, side = request.param
    subject = next(subject for subject in SUBJECTS if subject.title == title)
    folder = tmp_path_factory.mktemp("padded")
    seen = folder / "seen"
    seen.mkdir()
    picture = subject.picture(folder)
    with Image.open(picture) as image:
        image.save(seen / "only.png")
    model = write_resized(subject.model, folder / "model.onnx", side)
    words = ("--calibration", DEMO / "calibration", "--images", "8", "--quantize", "int8")
    done = run("convert", model, *words, "--json", cwd=folder)
    assert done.code == 0, done.err + done.out
    manifest = Path(done.document["artifact"]["manifest"])
    labels = tuple(json.loads(manifest.read_text())["labels"])
    with running_camera(run, folder / "camera", "--pictures", str(seen)) as document:
        settings = {"RECAM_SETTINGS": document["settings"]}
        yield Case(side, folder, seen / "only.png", model, manifest, labels, settings)


@pytest.fixture(scope="module")
def dense(case: Case, environment: dict[str, str]) -> Path:
    """The same network as the guide's flag left out would build it."""
    cache = Path(environment["RECAM_CACHE_DIR"])
    return build_dense(cache, case.side, "int8", case.folder / "dense")


def live(run: Run, case: Case) -> list[Detection]:
    """Push the flow; return what the active model finds in the camera's one picture."""
    pushed = run("flow", "push", "--yes", "--json", cwd=case.folder, **case.settings)
    assert pushed.code == 0, pushed.err + pushed.out
    seen = run("watch", "--count", "3", "--json", cwd=case.folder, **case.settings)
    assert seen.code == 0, seen.err + seen.out
    return detections(seen.document["events"][-1])


def alike(found: list[Detection], wanted: list[Detection]) -> bool:
    """Whether both name the same sure objects, about as sure.

    The flow has a score threshold of its own, and boxes live are in pixels of the preview.
    """
    seen, known = (
        sorted((one.label, one.score) for one in listed if one.score > SURE)
        for listed in (found, wanted)
    )
    return [label for label, _ in seen] == [label for label, _ in known] and all(
        abs(score - other) < 0.1 for (_, score), (_, other) in zip(seen, known, strict=True)
    )


def test_padded_rows_are_right_in_the_smoke_test_and_live(
    run: Run, case: Case, tmp_path: Path
) -> None:
    assert read_model(case.manifest.with_suffix(".cvimodel")).rows == "padded"
    assert run("deploy", case.manifest, "--json", cwd=tmp_path, **case.settings).code == 0
    words = ("test", case.manifest, "--image", case.picture, "--json")
    tested = run(*words, cwd=tmp_path, **case.settings)
    assert tested.code == 0, tested.err + tested.out
    found = detections(tested.document)
    (wanted,) = float_detections(case.model, [case.picture])
    assert wanted
    assert alike(found, wanted)
    assert tested.document["runner"]["path"].endswith("tpu_run.py")
    assert tested.document["timings_ms"]["inference"] > 0
    assert tested.document["timings_ms"]["preprocess"] is None
    assert Image.open(tmp_path / "Out.jpg").size == (case.side, case.side)
    assert Image.open(tmp_path / "Out.labeled.jpg").size == Image.open(case.picture).size
    assert "sheared" not in tested.err
    assert alike(live(run, case), found)


def test_a_dense_build_is_warned_of_tests_well_and_is_wrong_live(
    run: Run, case: Case, dense: Path, tmp_path: Path
) -> None:
    names = case.folder / "names.txt"
    names.write_text("\n".join(case.labels))
    labels = ("--labels", names)
    deployed = run("deploy", dense, *labels, "--json", cwd=tmp_path, **case.settings)
    assert (deployed.code, "is sheared" in deployed.err) == (0, True)
    words = ("test", dense, *labels, "--image", case.picture, "--json")
    tested = run(*words, cwd=tmp_path, **case.settings)
    found = detections(tested.document)
    assert found
    assert tested.document["runner"]["path"].endswith("sscma-model")
    assert not alike(live(run, case), found)


def test_a_runner_that_would_not_be_used_is_refused(run: Run, case: Case, tmp_path: Path) -> None:
    runner = tmp_path / "sscma-model"
    runner.write_text("#!/bin/sh\n")
    words = ("test", case.manifest, "--image", case.picture, "--runner", runner, "--json")
    refused = run(*words, cwd=tmp_path, **case.settings)
    assert (refused.code, refused.document["error"]["kind"]) == (1, "input")
    assert "--runner has no effect" in refused.document["error"]["message"]
