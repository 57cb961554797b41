"""What a deployment refuses, going back refuses too: rejected models, and other firmware's."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cvimodels import cvimodel_bytes, yolo11_tensors
from fault_camera import FaultCamera

from recam_deploy.artifact import load_artifact, write_manifest
from recam_deploy.camera import checks


def rejected_by_manifest(camera: FaultCamera) -> Path:
    artifact = load_artifact(camera.artifact("far"))
    check = {"verification": {"passed": False, "cosine": [0.4]}}
    named = replace(artifact, provenance=check, family="yolo11-detect", input_size=(256, 256))
    write_manifest(named, artifact.cvimodel.with_suffix(".json"))
    return artifact.cvimodel


def rejected_by_name(camera: FaultCamera) -> Path:
    path = camera.artifact("far")
    return path.rename(path.with_name("far.rejected.cvimodel"))


@pytest.mark.parametrize("made", [rejected_by_manifest, rejected_by_name])
def test_row_19_a_rejected_model_needs_force_here_and_from_the_history(
    camera: FaultCamera, made: object
) -> None:
    far = rejected_by_manifest(camera) if made is rejected_by_manifest else rejected_by_name(camera)
    for more in ((), ("--dry-run",)):
        assert "--force" in camera.deploy(far, *more).failed("verification")
    camera.holds_one_of(b"the old model")
    camera.deploy(far, "--force").fine()
    assert "rejected" in json.loads(camera.info.read_text())["description"]
    camera.deploy(camera.artifact("good")).fine()
    for more in ((), ("--dry-run",)):
        assert "failed recam's check" in camera.recam("rollback", *more).failed("verification")
    camera.holds_one_of(camera.artifact("good"))
    camera.recam("rollback", "--force").fine()
    assert camera.active.read_bytes() == far.read_bytes()


def test_row_8_a_rollback_keeps_the_reserve(
    camera: FaultCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its plan counts the copy of the kept model, of 2 GB here."""
    camera.deploy(camera.artifact("new")).fine()
    (kept,) = camera.history.glob("0*/model.cvimodel")
    with kept.open("r+b") as file:
        file.truncate(2_000_000_000)  # sparse
    free = shutil.disk_usage(camera.userdata).free
    monkeypatch.setattr(checks, "RESERVE_BYTES", free - 1_000_000_000)
    said = camera.recam("rollback", "--dry-run").failed("deployment")
    assert "not enough space" in said
    assert "to stay free" in said


def test_a_rollback_asks_which_firmware_runs_as_a_deployment_does(camera: FaultCamera) -> None:
    if camera.kind != "virtual":
        pytest.skip("the firmware of this machine is no camera's")
    issue = camera.userdata.parent / "etc/issue"
    before = issue.read_text()
    inputs, outputs = yolo11_tensors(256)
    boxes = [replace(one, shape=(1, 4, *one.shape[2:])) for one in outputs[0::2]]
    newer = camera.folder / "newer.cvimodel"
    newer.write_bytes(cvimodel_bytes(inputs, [*boxes, *outputs[1::2]]))
    camera.deploy(newer).fine()
    camera.deploy(camera.artifact("good")).fine()
    try:
        issue.write_text(before.replace("0.2.4", "0.2.2"))
        refused = camera.deploy(newer).failed("deployment")
        assert "yolo26-detect needs firmware 0.2.3" in refused
        assert camera.recam("rollback").failed("deployment") == refused
        assert camera.recam("rollback", "--dry-run").failed("deployment") == refused
    finally:
        issue.write_text(before)
    camera.recam("rollback").fine()
    assert camera.active.read_bytes() == newer.read_bytes()


def test_case_32_a_model_of_another_recipe_is_warned_of_each_time(camera: FaultCamera) -> None:
    inputs, outputs = yolo11_tensors(256)
    joined = [replace(one, shape=(1, 67, *one.shape[2:])) for one in outputs[0::2]]
    foreign = camera.folder / "foreign.cvimodel"
    foreign.write_bytes(cvimodel_bytes(inputs, joined))
    deployed, good = camera.deploy(foreign), camera.deploy(camera.artifact("good"))
    back = camera.recam("rollback")
    for ended in (deployed, good, back):
        ended.fine()
    assert "joined in one output" in deployed.err
    assert "joined" not in good.err
    assert "joined in one output" in back.err
    assert camera.active.read_bytes() == foreign.read_bytes()
