"""`--int8-outputs`: the camera finds the same as with float outputs, with less of its memory."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from labelled import alike, detections
from own_scales import build_own_scales
from recam_runs import DEMO, MODELS, Run, StartCamera

from recam_deploy.cvimodel import read_model
from recam_deploy.detection.types import Detection

pytestmark = pytest.mark.toolchain

MODEL = MODELS / "yolo11-shapes-192.onnx"
PICTURE = min((DEMO / "test").glob("*.jpg"))
CALIBRATION = ("--calibration", DEMO / "calibration", "--images", "8")


def convert(run: Run, model: Path, folder: Path, *words: str) -> Path:
    """Convert, and return the manifest's path."""
    done = run("convert", model, *CALIBRATION, "--json", *words, cwd=folder)
    assert done.code == 0, done.err + done.out
    return Path(done.document["artifact"]["manifest"])


@pytest.fixture(scope="module")
def float_outputs(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(run, MODEL, tmp_path_factory.mktemp("float"))


@pytest.fixture(scope="module")
def int8_outputs(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(run, MODEL, tmp_path_factory.mktemp("int8"), "--int8-outputs")


@pytest.fixture(scope="module")
def own_scales(float_outputs: Path, environment: dict[str, str]) -> Path:
    """The same network with `--quant_output` alone: each output has a scale of its own."""
    cache = Path(environment["RECAM_CACHE_DIR"])
    return build_own_scales(float_outputs, cache, float_outputs.parent / "own-scales")


def names_file(manifest: Path) -> Path:
    path = manifest.parent / "names.txt"
    path.write_text("\n".join(json.loads(manifest.read_text())["labels"]))
    return path


def found_in_test(
    run: Run, camera: dict[str, Any], artifact: Path, folder: Path, *words: str | Path
) -> list[Detection]:
    """Run the artifact on the picture on the camera; return what it finds."""
    done = run(
        *("test", artifact, "--image", PICTURE, "--json", *words),
        cwd=folder,
        RECAM_SETTINGS=camera["settings"],
    )
    assert done.code == 0, done.err + done.out
    return detections(done.document)


def test_the_camera_finds_the_same_in_a_test(
    run: Run, camera: dict[str, Any], float_outputs: Path, int8_outputs: Path, tmp_path: Path
) -> None:
    expected = found_in_test(run, camera, float_outputs, tmp_path)
    found = found_in_test(run, camera, int8_outputs, tmp_path)
    assert len(expected) >= 4
    assert alike(expected, found), (expected, found)


def test_the_outputs_take_a_quarter_of_the_memory(float_outputs: Path, int8_outputs: Path) -> None:
    plain, int8 = (
        read_model(manifest.with_suffix(".cvimodel")) for manifest in (float_outputs, int8_outputs)
    )
    values = sum((64 + 5) * (192 // stride) ** 2 for stride in (8, 16, 32))
    assert plain.ion_bytes - int8.ion_bytes >= 3 * values
    assert {tensor.dtype for tensor in int8.outputs} == {"int8"}
    assert int8.unequal_scales == {}


def test_the_manifest_says_so_and_otherwise_nothing(
    float_outputs: Path, int8_outputs: Path
) -> None:
    plain, int8 = (json.loads(path.read_text()) for path in (float_outputs, int8_outputs))
    assert set(int8) - set(plain) == {"int8_outputs"}
    assert int8["int8_outputs"] is True
    assert {output["dtype"] for output in int8["outputs"]} == {"int8"}


def test_each_with_its_own_scale_the_camera_finds_something_else_and_is_warned_of(
    run: Run,
    camera: dict[str, Any],
    float_outputs: Path,
    own_scales: Path,
    tmp_path: Path,
) -> None:
    labels = ("--labels", names_file(float_outputs))
    assert read_model(own_scales).unequal_scales
    expected = found_in_test(run, camera, float_outputs, tmp_path)
    assert not alike(expected, found_in_test(run, camera, own_scales, tmp_path, *labels))
    planned = run(
        *("deploy", own_scales, *labels, "--dry-run", "--json"),
        cwd=tmp_path,
        RECAM_SETTINGS=camera["settings"],
    )
    assert planned.code == 0, planned.err + planned.out
    assert "multiplies each with the other's" in planned.err


def test_the_camera_finds_the_same_live(
    run: Run, start_camera: StartCamera, tmp_path: Path
) -> None:
    """`recam up` with the flag, on a camera that sees one picture, beside a model without it."""
    seen = tmp_path / "seen"
    seen.mkdir()
    shutil.copy(PICTURE, seen)
    up = ("up", MODEL, *CALIBRATION, "--image", PICTURE, "--json")
    with start_camera("--pictures", str(seen)) as camera:
        live = []
        for words in ((), ("--int8-outputs",)):
            done = run(*up, *words, cwd=tmp_path, RECAM_SETTINGS=camera["settings"])
            assert done.code == 0, done.err + done.out
            assert done.document["live"]["events"] >= 2
            live.append(done.document)
    plain, int8 = live
    assert plain["artifact"]["sha256"] != int8["artifact"]["sha256"]
    assert alike(detections(plain["live"]), detections(int8["live"]))
    assert alike(detections(plain["smoke"]), detections(int8["smoke"]))


def test_every_layer_is_measured_in_a_network_with_int8_outputs(
    run: Run, int8_outputs: Path, tmp_path: Path
) -> None:
    words = ("--images", DEMO / "test", "--model", MODEL, "--limit", "1", "--layers", "--json")
    done = run("verify", int8_outputs, *words, cwd=tmp_path)
    assert done.code == 0, done.err + done.out
    assert "no longer in the cache" not in done.err
    layers = {layer["name"]: layer for layer in done.document["layers"]}
    outputs = [output["name"] for output in json.loads(int8_outputs.read_text())["outputs"]]
    assert len(layers) > 30
    assert all(layers[name]["cosine"] > 0.99 for name in outputs)


def test_yolov8_has_the_same_heads(run: Run, camera: dict[str, Any], tmp_path: Path) -> None:
    model = MODELS / "yolov8-shapes-192.onnx"
    plain = convert(run, model, tmp_path, "-o", "plain.cvimodel")
    int8 = convert(run, model, tmp_path, "-o", "int8.cvimodel", "--int8-outputs")
    expected = found_in_test(run, camera, plain, tmp_path)
    assert alike(expected, found_in_test(run, camera, int8, tmp_path))
