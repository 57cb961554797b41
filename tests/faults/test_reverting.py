"""A model that fails is taken back: before the switch by its trial, after it by `revert`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fault_camera import GOOD_RUNNER, FaultCamera
from PIL import Image

from recam_deploy.artifact import load_artifact
from recam_deploy.camera.deployment import Deployment, apply
from recam_deploy.camera.history import RevertResult, revert
from recam_deploy.camera.lock import Lock
from recam_deploy.errors import SmokeTestError
from recam_deploy.interaction import NoInteraction
from recam_deploy.progress import SilentProgress
from recam_deploy.settings import load_settings
from recam_deploy.workflows.deploy import (
    CameraContext,
    deploy_tested,
    open_camera,
    plan_for,
    prepare_smoke_test,
)

QUIET = SilentProgress()


@contextmanager
def working(camera: FaultCamera) -> Iterator[tuple[CameraContext, Lock]]:
    settings = load_settings(camera.environment)
    with open_camera(settings, NoInteraction()) as context, context.hold_lock("testing", 5) as lock:
        yield context, lock


def deployed(camera: FaultCamera, context: CameraContext, lock: Lock) -> Deployment:
    artifact = load_artifact(camera.artifact("new"))
    return apply(plan_for(context, artifact), context.connection, QUIET, lock)


def deployed_and_put_back(camera: FaultCamera, cut: bool = False) -> RevertResult:
    with working(camera) as (context, lock):
        done = deployed(camera, context, lock)
        if cut:
            camera.proxy.cut_all()
        return revert(
            done,
            context.connection,
            context.paths,
            lock,
            QUIET,
            keep=context.settings.camera.history,
        )


def test_the_old_model_comes_back_with_its_names(camera: FaultCamera) -> None:
    info = camera.info.read_text()
    back = deployed_and_put_back(camera)
    assert back.done
    assert re.fullmatch("the model before .* is active again", back.message)
    assert camera.active.read_bytes() == b"the old model"
    assert camera.info.read_text() == info
    camera.holds_one_of(b"the old model")


def test_going_back_by_hand_does_not_lead_to_the_model_that_failed(camera: FaultCamera) -> None:
    deployed_and_put_back(camera)
    assert [entry["id"] for entry in camera.history_document()["entries"]] == [
        camera.history_document()["active"]
    ]
    assert "no earlier model" in camera.recam("rollback").failed("input")


def test_a_camera_that_keeps_no_models_is_told_to_have_none_to_go_back_to(
    camera: FaultCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(camera.environment, "RECAM_HISTORY", "0")
    back = deployed_and_put_back(camera)
    assert not back.done
    assert "deploy the one before again" in back.message
    camera.holds_one_of(camera.artifact("new"))


def test_the_old_model_comes_back_over_a_switch_that_was_cut_off(virtual: FaultCamera) -> None:
    info = virtual.info.read_text()
    virtual.shims.stop_at("mv", "*.recam-model.json*")
    process = virtual.start("deploy", virtual.artifact("new"))
    virtual.shims.wait()
    virtual.shims.kill_stopped()
    process.kill()
    virtual.shims.clear()
    assert virtual.active.read_bytes() != b"the old model"
    assert virtual.info.read_text() == info
    back = deployed_and_put_back(virtual)
    assert "is active again" in back.message
    assert virtual.active.read_bytes() == b"the old model"
    assert virtual.info.read_text() == info


def test_what_cannot_be_put_back_is_said_with_the_way_to_do_it(camera: FaultCamera) -> None:
    back = deployed_and_put_back(camera, cut=True)
    assert not back.done
    assert re.search("could not be restored .* run `recam rollback`", back.message)
    camera.holds_one_of(camera.artifact("new"))
    camera.recam("rollback").fine()
    assert camera.active.read_bytes() == b"the old model"


def test_without_a_model_before_the_new_one_stays(camera: FaultCamera) -> None:
    camera.active.unlink()
    back = deployed_and_put_back(camera)
    assert not back.done
    assert "there was no model before" in back.message
    camera.holds_one_of(camera.artifact("new"))


def test_a_model_that_fails_its_smoke_test_never_becomes_the_active_one(
    camera: FaultCamera, tmp_path: Path
) -> None:
    picture = tmp_path / "in.jpg"
    Image.new("RGB", (128, 64), "navy").save(picture)
    artifact = load_artifact(camera.artifact("new"))
    camera.put_runner("echo 'E engine load model failed'; exit 1")
    with working(camera) as (context, lock):
        smoke = prepare_smoke_test(context.settings, picture, None, tmp_path / "Out.jpg")
        with pytest.raises(SmokeTestError, match="could not load"):
            deploy_tested(context, artifact, smoke, lock)
        assert camera.active.read_bytes() == b"the old model"
        assert camera.parts() == []
        camera.put_runner(GOOD_RUNNER)
        tested = deploy_tested(context, artifact, smoke, lock)
    assert tested.deployment.trial
    assert len(tested.report.detections) == 1
    assert camera.holds_one_of(camera.artifact("new"))
    assert Image.open(tmp_path / "Out.jpg").size == (128, 64)
