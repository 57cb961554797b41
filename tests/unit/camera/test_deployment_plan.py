"""What a deployment will do follows from the artifact and the camera's facts alone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from camera_facts import FACTS, FOLDER
from cvimodels import cvimodel_bytes, yolo11_tensors

from recam_deploy.artifact import Artifact, sha256_of
from recam_deploy.camera.checks import check_chip
from recam_deploy.camera.deployment_plan import plan_deployment, plan_rollback
from recam_deploy.camera.facts import INFO_LIMIT, CameraFacts, FolderFacts, KeptModel
from recam_deploy.camera.model_info import entry_id, info_text, model_info
from recam_deploy.camera.paths import CameraPaths
from recam_deploy.cvimodel import read_model
from recam_deploy.errors import DeploymentError, InputError
from recam_deploy.settings import CameraSettings

LAYOUT = CameraPaths.from_settings(CameraSettings())


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
    assert (plan.model, plan.info.action, plan.root) == (artifact.read(), "write", False)
    assert [step.action for step in plan.steps] == [
        "upload-model",
        "keep-model",
        "switch-model",
        "write-info",
        "write-record",
    ]
    assert all(step.reason for step in plan.steps)
    assert plan.previous == (entry_id("b" * 64, None), "b" * 64)
    assert json.loads(json.dumps(plan.as_json()))["previous"] == "b" * 64


def test_nothing_is_done_when_both_are_in_place(artifact: Artifact) -> None:
    record = json.dumps({"id": entry_id(artifact.sha256, "c" * 64)})
    text = json.dumps(model_info(artifact))
    same = facts(active_sha256=artifact.sha256, info=text, info_sha256="c" * 64, record=record)
    plan = plan_deployment(artifact, same, LAYOUT)
    assert plan.steps == ()
    assert plan.as_json()["upload_bytes"] == 0
    unrecorded = plan_deployment(artifact, dataclasses.replace(same, record="{"), LAYOUT)
    assert [step.action for step in unrecorded.steps] == ["write-record"]


def test_a_model_json_too_long_to_be_read_whole_is_known_by_its_hash(artifact: Artifact) -> None:
    many = dataclasses.replace(artifact, labels=tuple(f"name-{n}" for n in range(20_000)))
    text = info_text(many)
    digest = hashlib.sha256(text.encode()).hexdigest()
    record = json.dumps({"id": entry_id(many.sha256, digest)})
    same = facts(
        active_sha256=many.sha256, info=text[:INFO_LIMIT], info_sha256=digest, record=record
    )
    assert len(text) > INFO_LIMIT
    assert plan_deployment(many, same, LAYOUT).steps == ()


def test_names_that_are_not_unicode_do_not_stop_a_deployment(artifact: Artifact) -> None:
    odd = dataclasses.replace(artifact, name=os.fsdecode(b"caf\xe9"), labels=("\ud800", "ä"))
    plan = plan_deployment(odd, FACTS, LAYOUT)
    written = json.loads(plan.info.text.decode())
    assert (written["model_name"], written["classes"]) == ("caf?", ["?", "ä"])
    json.loads(plan.record)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"classes": []}', "[" * 100_000])
def test_only_the_info_is_written_when_it_differs(artifact: Artifact, text: str | None) -> None:
    plan = plan_deployment(artifact, facts(active_sha256=artifact.sha256, info=text), LAYOUT)
    actions = [step.action for step in plan.steps]
    assert actions == ["keep-model", "write-info", "write-record"]
    assert not plan.switches


def test_a_model_that_may_not_be_read_counts_as_another(artifact: Artifact) -> None:
    plan = plan_deployment(artifact, facts(active_sha256=""), LAYOUT)
    assert plan.model
    assert plan.keep == ""
    assert plan.as_json()["previous"] is None


@pytest.mark.parametrize("place", ["models", "history"])
def test_a_folder_of_another_user_takes_sudo(artifact: Artifact, place: str) -> None:
    roots = facts(**{place: folder(writable=False)})
    assert plan_deployment(artifact, roots, LAYOUT).root
    assert not plan_deployment(artifact, dataclasses.replace(roots, uid=0), LAYOUT).root


def test_a_missing_folder_and_leftovers_are_seen_to(artifact: Artifact) -> None:
    changed = facts(models=folder(exists=False, leftover_bytes=5))
    actions = [step.action for step in plan_deployment(artifact, changed, LAYOUT).steps]
    assert actions[:2] == ["make-folder", "clean"]


def test_a_model_of_the_history_is_not_uploaded(artifact: Artifact) -> None:
    kept = KeptModel(7, "d" * 12, artifact.sha256)
    plan = plan_deployment(artifact, facts(kept=(kept,)), LAYOUT, tries=True)
    assert (plan.model, plan.restored, plan.as_json()["upload_bytes"]) == (None, kept, 0)
    assert plan.keep.startswith("00000008-")
    assert [step.action for step in plan.steps][:2] == ["restore-model", "try-model"]


def test_a_model_that_is_kept_already_only_moves_up(artifact: Artifact) -> None:
    active = entry_id("b" * 64, None)
    kept = (KeptModel(2, active, "b" * 64), KeptModel(5, "e" * 12, "e" * 64))
    plan = plan_deployment(artifact, facts(kept=kept), LAYOUT)
    assert (plan.kept_as, plan.keep) == (f"00000002-{active}", f"00000006-{active}")


def test_a_model_with_the_names_of_another_is_not_kept(artifact: Artifact) -> None:
    meant = json.dumps({"sha256": "b" * 64, "info_sha256": "c" * 64})
    half = facts(pending=meant, info_sha256="d" * 64)
    assert plan_deployment(artifact, half, LAYOUT).keep == ""
    assert plan_deployment(artifact, half, LAYOUT).previous is None
    before = KeptModel(1, "1" * 12, "1" * 64), KeptModel(2, "2" * 12, "2" * 64)
    plan = plan_deployment(artifact, dataclasses.replace(half, kept=before), LAYOUT)
    assert plan.previous == ("2" * 12, "2" * 64)
    for whole in (facts(pending=meant, info_sha256="c" * 64), facts(pending="[", info_sha256=None)):
        assert plan_deployment(artifact, whole, LAYOUT).keep


def test_the_record_of_any_name_is_read_whole_by_the_next_run(artifact: Artifact) -> None:
    odd = dataclasses.replace(artifact, name="\U0001f4f7" * 300)
    plan = plan_deployment(odd, FACTS, LAYOUT, by="\U0001f4f7" * 300)
    assert len(plan.record.encode()) < 4096
    assert "\n" not in plan.record


def test_nothing_is_kept_where_the_settings_say_so(artifact: Artifact) -> None:
    assert plan_deployment(artifact, FACTS, LAYOUT, history=0).keep == ""


def test_the_oldest_and_what_is_not_whole_are_forgotten_but_never_what_is_being_kept(
    artifact: Artifact,
) -> None:
    old, new = KeptModel(1, "1" * 12, "1" * 64), KeptModel(2, "2" * 12, "2" * 64)
    broken = KeptModel(9, entry_id("b" * 64, None), "")
    plan = plan_deployment(artifact, facts(kept=(old, new, broken)), LAYOUT, history=2)
    assert plan.forget == (old.name, broken.name)
    assert (plan.keep, plan.kept_as) == (f"00000010-{broken.id}", "")
    forgotten = [step.path for step in plan.steps if step.action == "forget-model"]
    assert forgotten == [f"/userdata/recam/history/{name}" for name in plan.forget]
    plan = plan_deployment(artifact, facts(kept=(old, new)), LAYOUT, history=0)
    assert (plan.keep, plan.forget) == ("", (old.name, new.name))


def test_a_model_that_moves_up_is_not_forgotten(artifact: Artifact) -> None:
    active = KeptModel(1, entry_id("b" * 64, None), "b" * 64)
    other = KeptModel(2, "2" * 12, "2" * 64)
    plan = plan_deployment(artifact, facts(kept=(active, other)), LAYOUT, history=1)
    assert (plan.kept_as, plan.forget) == (active.name, (other.name,))


def test_a_rollback_brings_model_and_info_from_the_history() -> None:
    kept = KeptModel(3, "e" * 12, "e" * 64)
    plan = plan_rollback(facts(kept=(kept,)), LAYOUT, kept, "f" * 64, name="old", size=5)
    assert (plan.restored, plan.info.action, plan.info.sha256) == (kept, "copy", "f" * 64)
    assert str(plan.info.source) == f"/userdata/recam/history/00000003-{'e' * 12}/model.json"
    assert json.loads(plan.record)["id"] == entry_id("e" * 64, "f" * 64)
    bare = plan_rollback(facts(info_sha256="a" * 64), LAYOUT, kept, None, name="old", size=5)
    assert bare.info.action == "remove"


def test_row_8_a_rollback_counts_the_copy_of_the_kept_model() -> None:
    kept = KeptModel(3, "e" * 12, "e" * 64)
    tight = facts(kept=(kept,), models=folder(free=52_000_000), history=folder(free=52_000_000))
    plan_rollback(tight, LAYOUT, kept, None, name="old", size=1_000_000)
    with pytest.raises(DeploymentError, match="53.0 MB needed"):
        plan_rollback(tight, LAYOUT, kept, None, name="old", size=3_000_000)


def test_a_model_larger_than_the_tpus_memory_is_refused_with_both_figures(
    artifact: Artifact, tmp_path: Path
) -> None:
    path = tmp_path / "real.cvimodel"
    path.write_bytes(cvimodel_bytes(*yolo11_tensors()))
    model = dataclasses.replace(artifact, cvimodel=path, sha256=sha256_of(path), file=None)
    needed = read_model(path).ion_bytes
    with pytest.raises(DeploymentError, match=r"needs 0\.\d MB .* has 0\.0 MB in all"):
        plan_deployment(model, facts(ion_bytes=needed - 1), LAYOUT)
    assert plan_deployment(model, facts(ion_bytes=needed), LAYOUT).model == model.read()


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
        "file",
        "classes",
        "checksum",
    ]
    assert info["classes"] == ["circle", "ä"]
    assert info["file"] == "/userdata/Models/model.cvimodel"
    assert info["checksum"] == hashlib.md5(b"CviModel", usedforsecurity=False).hexdigest()


def test_a_full_camera_is_refused_with_both_figures(artifact: Artifact) -> None:
    with pytest.raises(DeploymentError, match=r"52\.0 MB free on /userdata, 53\.0 MB needed"):
        plan_deployment(artifact, facts(models=folder(free=52_000_000)), LAYOUT)


def test_leftovers_count_as_space_for_they_are_removed_first(artifact: Artifact) -> None:
    enough = folder(free=52_000_000, leftover_bytes=2_000_000)
    assert plan_deployment(artifact, facts(models=enough), LAYOUT).model


def test_space_for_a_copy_of_the_old_model_is_asked_for(artifact: Artifact) -> None:
    tight = folder(free=55_000_000)
    assert plan_deployment(artifact, facts(models=tight, active_bytes=1_000_000), LAYOUT).model
    with pytest.raises(DeploymentError, match="not enough space"):
        plan_deployment(artifact, facts(models=tight, active_bytes=3_000_000), LAYOUT)


def test_a_full_camera_still_gets_new_class_names(artifact: Artifact) -> None:
    changed = facts(active_sha256=artifact.sha256, models=folder(free=50_100_000))
    assert plan_deployment(artifact, changed, LAYOUT).info.action == "write"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"models": folder(is_link=True)}, "symbolic link"),
        ({"models": folder(read_only=True)}, "read-only"),
        ({"work": folder(is_link=True)}, "symbolic link"),
        ({"history": folder(is_link=True)}, "symbolic link"),
        ({"missing": ("dd", "ln")}, "dd, ln"),
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
    check_chip(artifact)
    with pytest.raises(InputError, match="a reCamera's is cv181x"):
        check_chip(dataclasses.replace(artifact, chip=chip))


def test_an_artifact_that_vanished_is_an_error_of_the_input(artifact: Artifact) -> None:
    artifact.cvimodel.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        plan_deployment(artifact, FACTS, LAYOUT)
