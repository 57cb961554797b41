"""What a deployment will do follows from the artifact and the camera's facts alone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from recam_deploy.artifact import Artifact
from recam_deploy.camera.deployment import check_artifact, model_info, plan_deployment
from recam_deploy.camera.facts import CameraFacts, FolderFacts
from recam_deploy.camera.layout import CameraLayout
from recam_deploy.errors import DeploymentError, InputError
from recam_deploy.settings import CameraSettings

LAYOUT = CameraLayout.from_settings(CameraSettings())
FOLDER = FolderFacts(
    exists=True,
    is_link=False,
    writable=True,
    owner=1000,
    free=1_000_000_000,
    mount="/userdata",
    read_only=False,
    leftover_bytes=0,
)
FACTS = CameraFacts(
    machine="riscv64",
    uid=1000,
    has_timeout=True,
    has_sha256sum=True,
    has_python3=True,
    models=FOLDER,
    work=FOLDER,
    active_sha256="b" * 64,
    active_is_folder=False,
    runner_sha256=None,
    info=None,
)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    path = tmp_path / "shapes.cvimodel"
    path.write_bytes(b"CviModel")
    return Artifact(
        cvimodel=path,
        manifest=None,
        name="shapes",
        sha256=hashlib.sha256(b"CviModel").hexdigest(),
        size=3_000_000,
        chip="cv181x",
        labels=("circle", "ä"),
        family="yolo11-detect",
        quantization="int8",
    )


def facts(**changed: Any) -> CameraFacts:
    return dataclasses.replace(FACTS, **changed)


def folder(**changed: Any) -> FolderFacts:
    return dataclasses.replace(FOLDER, **changed)


def test_a_new_model_is_switched_and_its_info_written(artifact: Artifact) -> None:
    plan = plan_deployment(artifact, FACTS, LAYOUT)
    assert (plan.upload, plan.write_info, plan.root) == (True, True, False)
    assert [step.action for step in plan.steps] == ["switch-model", "write-info"]
    assert all(step.reason for step in plan.steps)
    assert json.loads(json.dumps(plan.as_json()))["previous"] == "b" * 64


def test_nothing_is_done_when_both_are_in_place(artifact: Artifact) -> None:
    same = facts(active_sha256=artifact.sha256, info=json.dumps(model_info(artifact)))
    plan = plan_deployment(artifact, same, LAYOUT)
    assert plan.steps == ()
    assert plan.as_json()["upload_bytes"] == 0


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"classes": []}', "[" * 100_000])
def test_only_the_info_is_written_when_it_differs(artifact: Artifact, text: str | None) -> None:
    plan = plan_deployment(artifact, facts(active_sha256=artifact.sha256, info=text), LAYOUT)
    assert [step.action for step in plan.steps] == ["write-info"]


def test_a_model_that_may_not_be_read_counts_as_another(artifact: Artifact) -> None:
    plan = plan_deployment(artifact, facts(active_sha256=""), LAYOUT)
    assert plan.upload
    assert plan.as_json()["previous"] is None


def test_a_folder_of_another_user_takes_the_way_through_the_work_folder(
    artifact: Artifact,
) -> None:
    plan = plan_deployment(artifact, facts(models=folder(writable=False, owner=0)), LAYOUT)
    assert plan.root
    assert "stage" in [step.action for step in plan.steps]


def test_a_missing_folder_and_leftovers_are_seen_to(artifact: Artifact) -> None:
    changed = facts(models=folder(exists=False), work=folder(leftover_bytes=5))
    actions = [step.action for step in plan_deployment(artifact, changed, LAYOUT).steps]
    assert actions[:2] == ["make-folder", "clean"]


def test_the_info_has_the_cameras_fields(artifact: Artifact) -> None:
    info = model_info(artifact)
    assert list(info) == [
        "model_id",
        "version",
        "model_name",
        "model_format",
        "ai_framwork",
        "author",
        "description",
        "pic_url",
        "classes",
        "checksum",
    ]
    assert info["classes"] == ["circle", "ä"]
    assert info["checksum"] == hashlib.md5(b"CviModel", usedforsecurity=False).hexdigest()


def test_a_full_camera_is_refused_with_both_figures(artifact: Artifact) -> None:
    with pytest.raises(DeploymentError, match=r"52\.0 MB free on /userdata, 53\.0 MB needed"):
        plan_deployment(artifact, facts(models=folder(free=52_000_000)), LAYOUT)


def test_leftovers_count_as_space_for_they_are_removed_first(artifact: Artifact) -> None:
    enough = folder(free=52_000_000, leftover_bytes=2_000_000)
    assert plan_deployment(artifact, facts(models=enough), LAYOUT).upload


def test_the_way_through_the_work_folder_needs_the_space_twice(artifact: Artifact) -> None:
    tight = folder(free=55_000_000)
    assert plan_deployment(artifact, facts(models=tight, work=tight), LAYOUT).upload
    roots = dataclasses.replace(tight, writable=False)
    with pytest.raises(DeploymentError, match="not enough space"):
        plan_deployment(artifact, facts(models=roots, work=tight), LAYOUT)


def test_a_full_camera_still_gets_new_class_names(artifact: Artifact) -> None:
    changed = facts(active_sha256=artifact.sha256, models=folder(free=50_100_000))
    assert plan_deployment(artifact, changed, LAYOUT).write_info


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"models": folder(is_link=True)}, "symbolic link"),
        ({"models": folder(read_only=True)}, "read-only"),
        ({"models": folder(writable=False), "work": folder(is_link=True)}, "symbolic link"),
        ({"active_is_folder": True}, "is a folder"),
        ({"has_sha256sum": False, "has_python3": False}, "neither sha256sum nor python3"),
    ],
)
def test_what_cannot_go_well_is_found_before_anything_is_written(
    artifact: Artifact, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(DeploymentError, match=message):
        plan_deployment(artifact, facts(**changed), LAYOUT)


@pytest.mark.parametrize("chip", ["cv183x", "bm1684", ""])
def test_a_model_for_another_chip_is_refused(artifact: Artifact, chip: str) -> None:
    check_artifact(artifact)
    with pytest.raises(InputError, match="a reCamera's is cv181x"):
        check_artifact(dataclasses.replace(artifact, chip=chip))


def test_an_artifact_that_vanished_is_an_error_of_the_input(artifact: Artifact) -> None:
    artifact.cvimodel.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        plan_deployment(artifact, FACTS, LAYOUT)
