"""A model goes from ONNX to boxes on the camera's picture, and each step proves it."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from labelled import detections, float_detections, truth
from PIL import Image
from planted import WRONG
from recam_runs import DEMO, Run

from recam_deploy.artifact import sha256_of
from recam_deploy.detection.match import Agreement, agreement

pytestmark = pytest.mark.toolchain


def test_the_demo_draws_boxes_on_the_shapes(run: Run, tmp_path: Path) -> None:
    done = run("demo", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    smoke = done.document["smoke"]
    picture = min((DEMO / "test").glob("*.jpg"))
    names = tuple(done.document["conversion"]["labels"])
    result = agreement(truth(picture, names), detections(smoke), min_iou=0.5)
    assert result.matched == result.reference > 0
    assert result.extra == 0
    original = Image.open(picture)
    assert Image.open(smoke["labeled"]).size == original.size
    size = done.document["conversion"]["input"]
    assert Image.open(smoke["output"]).size == (size["width"], size["height"])
    assert all(value is not None for value in smoke["timings_ms"].values())
    assert done.document["deployment"]["previous"] is not None
    assert not list(tmp_path.glob("*/*.rejected.*"))
    assert done.document["flow"]["nodes_ready"]
    assert done.document["live"]["detections"]


def replaced(environment: dict[str, str], tmp_path: Path, node: str, npm: str) -> dict[str, str]:
    """Variables of a machine whose Node.js and npm are these shell scripts, with a new cache."""
    programs, cache = tmp_path / "bin", tmp_path / "cache"
    programs.mkdir()
    cache.mkdir()
    for name, does in (("node", node), ("npm", npm)):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)
    for name in ("toolchain", "steps"):
        installed = Path(environment["RECAM_CACHE_DIR"]) / name
        installed.mkdir(exist_ok=True)
        (cache / name).symlink_to(installed)
    path = f"{programs}{os.pathsep}{environment['PATH']}"
    return {"PATH": path, "RECAM_CACHE_DIR": str(cache)}


def test_the_demo_goes_on_where_node_red_cannot_be_had(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    failing = "echo 'network request to http://registry/ failed, reason: no route'; exit 1"
    variables = replaced(environment, tmp_path, "echo v20.19.0", failing)
    done = run("demo", "--json", cwd=tmp_path, **variables)
    assert done.code == 0, done.err
    assert done.document["smoke"]["detections"]
    assert "live" not in done.document
    assert "nothing is shown live" in done.err
    assert "no route" in done.err


def test_the_demo_goes_on_where_node_red_does_not_start(
    run: Run, camera: dict[str, Any], environment: dict[str, str], tmp_path: Path
) -> None:
    """The session's camera has seen to it that Node-RED is installed."""
    fails = '[ "$1" = --version ] && echo v20.19.0 && exit\necho "no such instruction"; exit 132'
    variables = replaced(environment, tmp_path, fails, "exit 1")
    node_red = Path(environment["RECAM_CACHE_DIR"]) / "node-red"
    (Path(variables["RECAM_CACHE_DIR"]) / "node-red").symlink_to(node_red)
    done = run("demo", "--json", cwd=tmp_path, **variables)
    assert done.code == 0, done.err
    assert done.document["smoke"]["detections"]
    assert "live" not in done.document
    assert "nothing is shown live" in done.err
    assert "no such instruction" in done.err


def test_row_13_node_red_that_is_down_leaves_the_model_deployed_and_says_so(
    run: Run, camera: dict[str, Any], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = str(listener.getsockname()[1])
    done = run(
        *("up", DEMO / "shapes.onnx", "--calibration", DEMO / "calibration", "--images", "8"),
        *("--image", min((DEMO / "test").glob("*.jpg")), "--json"),
        cwd=tmp_path,
        RECAM_SETTINGS=camera["settings"],
        RECAM_NODE_RED_PORT=closed,
    )
    assert done.code == 1
    assert done.document["error"]["kind"] == "partly_done"
    assert "deployed and tested" in done.document["error"]["message"]
    active = Path(done.document["deployment"]["active"])
    assert sha256_of(active) == done.document["artifact"]["sha256"]
    assert done.document["smoke"]["detections"]
    assert "flow" not in done.document


def test_new_class_names_reach_the_camera_without_a_new_conversion(
    run: Run, camera: dict[str, Any], artifact: Path, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("Kreis\nQuadrat\nDreieck\nStern\nKreuz\n")
    done = run("deploy", artifact, "--json", cwd=tmp_path, RECAM_SETTINGS=camera["settings"])
    assert done.code == 0, done.err + done.out
    words = ("deploy", artifact, "--labels", names, "--json")
    renamed = run(*words, cwd=tmp_path, RECAM_SETTINGS=camera["settings"]).document
    assert 0 < renamed["uploaded_bytes"] < 5000
    models = Path(done.document["active"]).parent
    info = json.loads((models / "model.json").read_text())
    assert info["classes"] == ["Kreis", "Quadrat", "Dreieck", "Stern", "Kreuz"]
    picture = min((DEMO / "test").glob("*.jpg"))
    report = run(
        *("test", artifact, "--labels", names, "--json", "--image", picture),
        cwd=tmp_path,
        RECAM_SETTINGS=camera["settings"],
    ).document
    assert {d["label"] for d in report["detections"]} <= set(info["classes"])
    assert report["detections"]


def test_a_dry_run_changes_nothing_on_the_camera(
    run: Run, camera: dict[str, Any], artifact: Path, tmp_path: Path
) -> None:
    models = Path(camera["folder"]) / "root" / "userdata" / "Models"
    (models / "model.json").write_text("{}")
    before = {path.name: path.read_bytes() for path in models.iterdir()}
    words = ("deploy", artifact, "--dry-run", "--json")
    plan = run(*words, cwd=tmp_path, RECAM_SETTINGS=camera["settings"]).document
    assert [step["action"] for step in plan["steps"]][-2:] == ["write-info", "write-record"]
    assert {path.name: path.read_bytes() for path in models.iterdir()} == before


def test_a_wrong_password_costs_no_conversion(
    run: Run, camera: dict[str, Any], tmp_path: Path
) -> None:
    done = run(
        *("up", DEMO / "shapes.onnx", "--calibration", DEMO / "calibration", "--images", "3"),
        *("--image", min((DEMO / "test").glob("*.jpg")), "--json"),
        cwd=tmp_path,
        RECAM_SETTINGS=camera["settings"],
        RECAM_PASSWORD=WRONG,
    )
    assert done.code == 1
    assert done.document["error"]["kind"] == "authentication"
    assert WRONG not in done.out + done.err
    assert list(tmp_path.iterdir()) == []


def test_the_camera_finds_what_float_finds(
    run: Run, camera: dict[str, Any], artifact: Path, tmp_path: Path
) -> None:
    """At least 95 % of the detections over 0.5, matched at an IoU of 0.7, and as few others."""
    pictures = sorted((DEMO / "test").glob("*.jpg"))
    counts = Agreement()
    wanted = float_detections(DEMO / "shapes.onnx", pictures)
    for picture, expected in zip(pictures, wanted, strict=True):
        report = run(
            *("test", artifact, "--image", picture, "--json"),
            cwd=tmp_path,
            RECAM_SETTINGS=camera["settings"],
        )
        assert report.code == 0, report.err + report.out
        counts += agreement(expected, detections(report.document))
    assert counts.reference > 20
    assert counts.recall >= 0.95
    assert counts.extra <= 0.05 * counts.reference
