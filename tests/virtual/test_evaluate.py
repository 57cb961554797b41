"""Evaluate on labelled pictures by the command line: measure a loss, search for less, refuse it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from recam_runs import DEMO, MODELS, Ended, Run

pytestmark = pytest.mark.toolchain

DETECTOR = MODELS / "yolo11-shapes-192.onnx"
SEGMENTER = MODELS / "yolo11-seg-shapes-192.onnx"
PICTURES = ("--calibration", DEMO / "calibration", "--images", "8")
NAMES = "[circle, square, triangle, star, cross]"


def write_set(folder: Path, count: int, labels: str = "boxes") -> Path:
    """Generate labelled pictures; return their data.yaml."""
    words = ["-m", "training.shapes", str(folder / "images"), "--first", "40000"]
    words += ["--count", str(count), "--labels", labels]
    subprocess.run([sys.executable, *words], cwd=DEMO, check=True)
    (folder / "labels").mkdir()
    for path in (folder / "images").glob("*.txt"):
        path.rename(folder / "labels" / path.name)
    data = folder / "data.yaml"
    data.write_text(f"path: .\nval: images\nnames: {NAMES}\n")
    return data


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("boxes"), 24)


@pytest.fixture(scope="module")
def converted(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of the detector in INT8."""
    folder = tmp_path_factory.mktemp("converted")
    done = run("convert", DETECTOR, *PICTURES, "-o", folder / "d.cvimodel", "--json", cwd=folder)
    assert done.code == 0, done.err + done.out
    return folder / "d.json"


def timeless(done: Ended) -> dict[str, Any]:
    assert done.code == 0, done.err + done.out
    document = done.document
    for name in ("seconds", "images_per_second", "report", "coco", "backend"):
        document.pop(name, None)
    return document


def test_emulator_and_simulator_measure_the_same(
    run: Run, converted: Path, boxes: Path, tmp_path: Path
) -> None:
    words = ("evaluate", converted, "--model", DETECTOR, "--data", boxes, "--limit", "4", "--json")
    emulated = timeless(run(*words, "--jobs", "1", cwd=tmp_path))
    assert timeless(run(*words, "--jobs", "2", cwd=tmp_path)) == emulated
    assert timeless(run(*words, "--on", "simulator", cwd=tmp_path)) == emulated
    assert emulated["images"] == 4
    assert emulated["float"]["map50"] > 0.6


def test_an_evaluation_writes_all_that_it_says(
    run: Run, converted: Path, boxes: Path, tmp_path: Path
) -> None:
    words = ("--data", boxes, "--report", "r.html", "--coco", "coco", "--json")
    done = run("evaluate", converted, "--model", DETECTOR, *words, cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    document = done.document
    keys = {"images", "objects", "float", "cvimodel", "lost", "classes", "as_camera", "backend"}
    assert keys | {"seconds", "images_per_second", "report"} <= set(document)
    assert document["images"] == 24
    assert document["backend"] == "emulator"
    assert {one["label"] for one in document["classes"]} <= set(NAMES.strip("[]").split(", "))
    for name, value in document["float"].items():
        if value is not None:
            assert document["lost"][name] == pytest.approx(
                value - document["cvimodel"][name], abs=2e-6
            )
    assert json.loads(converted.read_text())["accuracy"]["cvimodel"] == document["cvimodel"]
    assert "Pictures that lost most" in Path(document["report"]).read_text()
    truth = json.loads((tmp_path / "coco" / "labels.json").read_text())
    assert len(truth["annotations"]) == document["objects"]


def test_a_loss_above_the_limit_is_an_error_with_a_remedy(
    run: Run, converted: Path, boxes: Path, tmp_path: Path
) -> None:
    pinched = tmp_path / "black"
    pinched.mkdir()
    Image.new("RGB", (320, 320), (1, 2, 3)).save(pinched / "a.png")
    made = ("--calibration", pinched, "-o", tmp_path / "bad.cvimodel", "--json")
    loose = {"RECAM_CONVERT_MIN_COSINE": "0", "RECAM_CONVERT_MIN_MATCHED": "0"}
    assert run("convert", DETECTOR, *made, cwd=tmp_path, **loose).code == 0
    words = ("--model", DETECTOR, "--data", boxes, "--max-drop", "0.01", "--json")
    done = run("evaluate", tmp_path / "bad.json", *words, cwd=tmp_path)
    assert done.code == 1
    error = done.document["error"]
    assert error["kind"] == "accuracy"
    assert "mAP50-95" in error["message"]
    assert "--max-drop" in error["hint"]


def test_a_deployment_that_loses_too_much_is_refused_and_a_good_one_is_in_the_history(
    run: Run, new_camera: dict[str, Any], boxes: Path, tmp_path: Path
) -> None:
    settings = {"RECAM_SETTINGS": new_camera["settings"]}
    picture = min((DEMO / "test").glob("*.jpg"))
    words = ("up", DETECTOR, *PICTURES, "--data", boxes, "--no-flow", "--image", picture, "--json")
    refused = run(*words, "--max-drop", "0", cwd=tmp_path, **settings)
    before = run("history", "--json", cwd=tmp_path, **settings).document
    assert refused.code == 1, refused.out
    assert refused.document["error"]["kind"] == "accuracy"
    done = run(*words, "--max-drop", "0.2", cwd=tmp_path, **settings)
    assert done.code == 0, done.err + done.out
    history = run("history", "--json", cwd=tmp_path, **settings).document
    shown = run("history", cwd=tmp_path, **settings).out
    assert before["active"] != history["active"]
    accuracy = next(one for one in history["entries"] if one["id"] == history["active"])["accuracy"]
    assert accuracy["figure"] == "mAP50-95"
    assert accuracy["cvimodel"] == pytest.approx(
        done.document["accuracy"]["cvimodel"]["map50_95"], abs=1e-4
    )
    assert f"{accuracy['cvimodel']:.4f}" in shown


def test_mixed_precision_stops_at_the_accuracy_that_was_asked_for(run: Run, tmp_path: Path) -> None:
    data = write_set(tmp_path / "set", 24, "outlines")
    words = ("--data", data, "--quantize", "mixed", "--max-drop", "0.05", "--json")
    done = run("convert", SEGMENTER, *PICTURES, *words, cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    lost = done.document["accuracy"]["lost"]
    assert max(lost["map50_95"], lost["mask_map50_95"]) <= 0.05
    mixed = done.document["mixed_precision"]
    reached = {trial["bf16_layers"]: trial["lost"] for trial in mixed["trials"]}
    assert min(reached.values()) <= 0.05
    assert 0 < mixed["bf16_layers"] < mixed["layers"]
    impossible = ("--data", data, "--quantize", "mixed", "--max-drop", "0", "--json")
    done = run("convert", SEGMENTER, *PICTURES, *impossible, cwd=tmp_path)
    assert done.code in (0, 1)
    if done.code:
        assert done.document["error"]["kind"] == "accuracy"
        assert "layers in BF16" in done.document["error"]["message"]
