"""Deploying and testing against a real OpenSSH server."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from planted import WRONG
from pydantic import SecretStr
from sshd_parts import USERS_PASSWORD

from recam_deploy.artifact import Artifact
from recam_deploy.camera.deployment import Deployment, apply
from recam_deploy.camera.deployment_plan import plan_deployment
from recam_deploy.camera.facts import gather_facts
from recam_deploy.camera.lock import hold
from recam_deploy.camera.smoke_test.binary import find_runner
from recam_deploy.camera.smoke_test.run import SmokeReport, run_smoke_test
from recam_deploy.errors import DeploymentError, SmokeTestError, SudoError
from recam_deploy.progress import SilentProgress
from recam_deploy.settings import CameraSettings
from recam_deploy.ssh.command import RemoteCommand
from recam_deploy.ssh.connection import Connection, connect

if TYPE_CHECKING:
    from tests.openssh.conftest import Server

MakeArtifact = Callable[..., Artifact]
PASSWORD = SecretStr(USERS_PASSWORD)

runs_as_root = pytest.mark.skipif(
    os.getuid() != 0, reason="the test binary runs as root, and the current user's sudo is unknown"
)


def deploy(
    server: Server, artifact: Artifact, settings: CameraSettings | None = None
) -> Deployment:
    quiet = SilentProgress()
    with (
        connect(settings or server.settings, password=PASSWORD) as connection,
        hold(connection, server.paths.work, "deploying", quiet) as lock,
    ):
        plan = plan_deployment(artifact, gather_facts(connection, server.paths), server.paths)
        return apply(plan, connection, quiet, lock)


def smoke(
    server: Server, artifact: Artifact, picture: Path, runner: Path | None, timeout: float = 30
) -> SmokeReport:
    folder = picture.parent
    with connect(server.settings, password=PASSWORD) as connection:
        return run_smoke_test(
            connection,
            artifact,
            picture,
            server.paths,
            find_runner(runner, folder / "cache"),
            folder / "Out.jpg",
            folder / "Out.labeled.jpg",
            SilentProgress(),
            timeout=timeout,
        )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def md5_of(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def test_a_model_is_deployed_with_its_labels_to_the_default_paths(
    camera: Server, make_artifact: MakeArtifact
) -> None:
    artifact = make_artifact()
    done = deploy(camera, artifact)
    models = camera.root / "userdata/Models"
    assert (models / "model.cvimodel").read_bytes() == artifact.cvimodel.read_bytes()
    info = json.loads((models / "model.json").read_text())
    assert info["classes"] == ["circle", "square"]
    assert info["checksum"] == md5_of(artifact.cvimodel)
    assert done.active == "/userdata/Models/model.cvimodel"
    assert (done.sha256, done.previous) == (artifact.sha256, None)
    assert sorted(p.name for p in models.iterdir()) == ["model.cvimodel", "model.json"]


def test_the_smoke_test_brings_the_picture_and_the_boxes_back(
    camera: Server, make_artifact: MakeArtifact, picture: Path, runner: Path
) -> None:
    artifact = make_artifact()
    deploy(camera, artifact)
    report = smoke(camera, artifact, picture, runner)
    assert Image.open(report.output).size == (128, 64)
    assert Image.open(report.labeled).size == (128, 64)
    (found,) = report.detections
    assert (found.class_id, found.label) == (1, "square")
    assert found.score == pytest.approx(0.932)
    # The 128 x 64 picture lies in rows 16 to 48 of the 64 x 64 input, at half its size.
    assert found.box == pytest.approx((32.0, 16.0, 96.0, 48.0))
    assert report.as_json()["timings_ms"] == {"preprocess": 5, "inference": 61, "postprocess": 3}
    assert report.runner.uploaded
    assert names(camera.root / "userdata/recam") == ["history"]
    assert not smoke(camera, artifact, picture, runner).runner.uploaded


def test_both_work_as_the_current_user_with_folders_of_their_own(
    plain: Server, make_artifact: MakeArtifact
) -> None:
    artifact = make_artifact()
    assert deploy(plain, artifact).uploaded_bytes > artifact.size
    assert (plain.folder / "Models/model.cvimodel").read_bytes() == artifact.cvimodel.read_bytes()


def test_a_second_deployment_uploads_nothing(camera: Server, make_artifact: MakeArtifact) -> None:
    artifact = make_artifact()
    deploy(camera, artifact)
    before = (camera.root / "userdata/Models/model.cvimodel").stat().st_ino
    done = deploy(camera, artifact)
    assert (done.uploaded_bytes, done.previous) == (0, artifact.sha256)
    assert (camera.root / "userdata/Models/model.cvimodel").stat().st_ino == before


def test_new_class_names_are_written_without_uploading_the_model(
    camera: Server, make_artifact: MakeArtifact
) -> None:
    artifact = make_artifact()
    deploy(camera, artifact)
    renamed = dataclasses.replace(artifact, labels=("Kreis ä", "b; touch CANARY"))
    done = deploy(camera, renamed)
    assert 0 < done.uploaded_bytes < artifact.size
    info = json.loads((camera.root / "userdata/Models/model.json").read_text())
    assert info["classes"] == ["Kreis ä", "b; touch CANARY"]


def test_a_run_cut_off_between_the_two_renames_is_mended_by_the_next(
    camera: Server, make_artifact: MakeArtifact
) -> None:
    models = camera.root / "userdata/Models"
    artifact = make_artifact()
    (models / "model.cvimodel").write_bytes(artifact.cvimodel.read_bytes())
    (models / "model.json").write_text('{"classes": ["old"], "checksum": "other"}')
    (models / ".recam-0123456789ab.json.part").write_text("half")
    done = deploy(camera, artifact)
    assert 0 < done.uploaded_bytes < artifact.size
    assert json.loads((models / "model.json").read_text())["classes"] == ["circle", "square"]
    assert sorted(p.name for p in models.iterdir()) == ["model.cvimodel", "model.json"]


def test_a_models_folder_of_roots_is_written_through_sudo(
    camera: Server, make_artifact: MakeArtifact
) -> None:
    models = camera.root / "userdata/Models"
    for path in (models, camera.root / "userdata"):
        os.chown(path, 0, 0)
    (models / ".recam-0123456789ab.cvimodel.part").write_bytes(b"left behind")
    artifact = make_artifact()
    deploy(camera, artifact)
    assert (models / "model.cvimodel").read_bytes() == artifact.cvimodel.read_bytes()
    assert (models / "model.cvimodel").stat().st_mode & 0o777 == 0o644
    assert sorted(p.name for p in models.iterdir()) == ["model.cvimodel", "model.json"]
    assert names(camera.root / "userdata/recam") == ["history"]
    assert deploy(camera, artifact).uploaded_bytes == 0


def test_an_upload_damaged_on_the_way_is_never_switched_to(
    camera: Server, make_artifact: MakeArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_artifact(b"CviModel old")
    deploy(camera, old)
    run = Connection.run

    def flip(self: Connection, command: RemoteCommand, stdin: bytes = b"", **options: Any) -> Any:
        if stdin.startswith(b"CviModel"):
            stdin = stdin[:-1] + bytes([stdin[-1] ^ 1])
        return run(self, command, stdin=stdin, **options)

    monkeypatch.setattr(Connection, "run", flip)
    with pytest.raises(DeploymentError, match="sha256 differs"):
        deploy(camera, make_artifact(b"CviModel new"))
    models = camera.root / "userdata/Models"
    assert (models / "model.cvimodel").read_bytes() == b"CviModel old"
    assert sorted(p.name for p in models.iterdir()) == ["model.cvimodel", "model.json"]


def test_links_are_not_written_through(camera: Server, make_artifact: MakeArtifact) -> None:
    models = camera.root / "userdata/Models"
    outside = camera.root / "userdata/outside"
    outside.write_bytes(b"untouched")
    (models / "model.cvimodel").symlink_to("/userdata/outside")
    artifact = make_artifact()
    deploy(camera, artifact)
    assert outside.read_bytes() == b"untouched"
    assert not (models / "model.cvimodel").is_symlink()
    models.rename(camera.root / "userdata/elsewhere")
    models.symlink_to("/userdata/elsewhere")
    with pytest.raises(DeploymentError, match="symbolic link"):
        deploy(camera, make_artifact(b"CviModel new"))
    assert (models.parent / "elsewhere/model.cvimodel").read_bytes() != b"CviModel new"


def test_a_refused_sudo_password_leaves_the_old_model(
    camera: Server, make_artifact: MakeArtifact, client_key: Callable[[Server], Path]
) -> None:
    os.chown(camera.root / "userdata/Models", 0, 0)
    settings = camera.settings_with(key=client_key(camera))
    artifact = make_artifact()
    (camera.root / "userdata/recam").mkdir()
    os.chown(camera.root / "userdata/recam", 1000, 1000)
    quiet = SilentProgress()
    with (
        connect(settings, password=SecretStr(WRONG)) as connection,
        hold(connection, camera.paths.work, "deploying", quiet) as lock,
    ):
        plan = plan_deployment(artifact, gather_facts(connection, camera.paths), camera.paths)
        with pytest.raises(SudoError):
            apply(plan, connection, quiet, lock)
    assert names(camera.root / "userdata/Models") == []


def test_a_model_that_is_not_active_is_tried_and_not_kept(
    camera: Server, make_artifact: MakeArtifact, picture: Path, runner: Path
) -> None:
    report = smoke(camera, make_artifact(), picture, runner)
    assert len(report.detections) == 1
    assert list((camera.root / "userdata/Models").iterdir()) == []
    assert list((camera.root / "userdata/recam").iterdir()) == []


FAILING = {
    "the library libopencv_core.so.4.4": "echo 'Error loading shared library libopencv_core.so.4.4:"
    " No such file or directory (needed by ./x)' >&2; exit 127",
    "does not support this model": "echo '[E] model not supported'; exit 1",
    "could not load the model": "echo 'engine load model failed' >&2; exit 1",
    "could not read the picture": "echo 'read image failed'; exit 1",
    "not allowed to use the TPU": "echo 'Assertion failed: cvi_device_mem.cpp: device_init' >&2; "
    "kill -ABRT $$",
    "crashed": "kill -SEGV $$",
    "cannot be started": "exec /nonexistent/interpreter",
    "exit status 255": "echo Usage:; exit 255",
    "wrote no picture": "exit 0",
    "arrived damaged": 'head -c 300 "$2" >"$3"',
    "did not finish within 1 s": "sleep 4716.25",
    "an invalid detection": 'echo "score: nan target: 1"; cp "$2" "$3"',
}


@runs_as_root
@pytest.mark.parametrize("message", FAILING)
def test_a_run_that_fails_says_why_and_keeps_the_last_result(
    plain: Server, make_artifact: MakeArtifact, picture: Path, message: str
) -> None:
    failing = plain.folder / "failing"
    failing.write_text(f"#!/bin/sh\n{FAILING[message]}\n")
    last = picture.parent / "Out.jpg"
    last.write_bytes(b"the last result")
    with pytest.raises(SmokeTestError, match=message):
        smoke(plain, make_artifact(), picture, failing, timeout=1)
    assert last.read_bytes() == b"the last result"
    assert not (picture.parent / "Out.labeled.jpg").exists()
    assert list((plain.folder / "work").iterdir()) == []


def test_a_camera_without_a_test_binary_is_told_so(
    plain: Server, make_artifact: MakeArtifact, picture: Path
) -> None:
    with pytest.raises(SmokeTestError, match="no test binary") as caught:
        smoke(plain, make_artifact(), picture, None)
    assert "--runner" in caught.value.hint


@runs_as_root
def test_the_cameras_own_binary_is_used_where_none_is_given(
    plain: Server, make_artifact: MakeArtifact, picture: Path, runner: Path
) -> None:
    own = Path(plain.paths.runner)
    own.write_bytes(runner.read_bytes())
    own.chmod(0o755)
    report = smoke(plain, make_artifact(), picture, None)
    assert report.as_json()["runner"] == {
        "path": str(own),
        "sha256": hashlib.sha256(own.read_bytes()).hexdigest(),
        "uploaded": False,
    }


@runs_as_root
def test_what_is_left_of_a_killed_run_is_removed_by_the_next(
    plain: Server, make_artifact: MakeArtifact, picture: Path, runner: Path
) -> None:
    old = plain.folder / "work/.recam-run-0123456789abcdef"
    old.mkdir(parents=True)
    (old / "Out.jpg").write_bytes(b"of another run")
    smoke(plain, make_artifact(), picture, runner)
    assert list((plain.folder / "work").iterdir()) == []
