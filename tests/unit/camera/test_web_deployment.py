"""Models over the camera's HTTP API, new firmware and old, against a server that answers as it."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hostile_servers import reply, serving

from recam_deploy.artifact import Artifact
from recam_deploy.camera.model_info import entry_id
from recam_deploy.camera.paths import CameraPaths
from recam_deploy.camera.web_api import CHUNK, ActiveInfo, CameraApi
from recam_deploy.camera.web_deployment import apply_http, plan_http_deployment
from recam_deploy.errors import CameraApiError, ConnectionFailedError, DeploymentError, InputError
from recam_deploy.progress import SilentProgress
from recam_deploy.settings import CameraSettings

OLD = b"the old model" * 1000
OLD_INFO = '{"classes": ["old"]}'


@dataclass
class Supervisor:
    """The camera's API: `chunks` from 2026 on; `damage` flips a byte of what is stored next."""

    chunks: bool
    damage: bool = False
    drops_names: bool = False
    model: bytes = OLD
    info: str = OLD_INFO
    part: bytearray = field(default_factory=bytearray)
    uploads: list[list[str]] = field(default_factory=list)
    active: list[str] = field(default_factory=list)

    def __call__(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        call = handler.path.rpartition("/")[2]
        if call == "getModelFile":
            return reply(handler, self.model)
        if call == "queryDeviceInfo":
            return _answer(handler, 0, {"deviceName": "", "osName": "", "osVersion": "0.2.4"})
        if call == "getModelInfo":
            return _answer(handler, 0, {"model_info": self.info})
        assert call == "uploadModel"
        form = _form(handler.headers["Content-Type"], body)
        self.uploads.append(sorted(form))
        code, data = self._upload(form)
        self.active.append(hashlib.sha256(self.model).hexdigest())
        return _answer(handler, code, data)

    def _upload(self, form: dict[str, bytes]) -> tuple[int, Any]:
        data: dict[str, Any] = {}
        if self.chunks and "offset" in form:
            offset, size = int(form["offset"]), int(form["size"])
            if offset == 0:
                self.part.clear()
            self.part[offset:] = form["model_file"]
            data["received"] = len(self.part)
            if len(self.part) < size:
                return 0, data
        else:
            self.part[:] = form["model_file"]
            if "model_info" not in form:
                return -1, None
        self.model = bytes(self.part)
        if self.damage:
            self.model = self.model[:-1] + bytes([self.model[-1] ^ 1])
            self.damage = False
        self.info = "{}" if self.drops_names else form["model_info"].decode()
        return 0, data


def _answer(handler: BaseHTTPRequestHandler, code: int, data: Any) -> None:
    document = {"code": code, "msg": "OK" if code == 0 else "Upload model failed.", "data": data}
    reply(handler, json.dumps(document).encode())


def _form(content_type: str, body: bytes) -> dict[str, bytes]:
    boundary = content_type.partition("boundary=")[2].encode()
    found = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part[2:-2].partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', head)
        assert name
        found[name[1].decode()] = content
    return found


@pytest.fixture(params=[CHUNK // 2, CHUNK * 2 + 7], ids=["small", "large"])
def artifact(request: pytest.FixtureRequest, tmp_path: Path) -> Artifact:
    path = tmp_path / "m.cvimodel"
    path.write_bytes(b"CviModel" + bytes(range(256)) * (request.param // 256) + b"end")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return Artifact(path, None, "m", digest, len(content), "cv181x", ("a", "b"), "yolo11-detect")


@pytest.fixture(params=[True, False], ids=["in pieces", "at once"])
def supervisor(request: pytest.FixtureRequest) -> Iterator[tuple[Supervisor, CameraSettings]]:
    server = Supervisor(chunks=request.param)
    with serving(server) as port:
        yield server, CameraSettings(host="127.0.0.1", http_port=port, timeout=5)


def deploy(camera: CameraSettings, artifact: Artifact) -> Any:
    with CameraApi(camera) as api:
        paths = CameraPaths.from_settings(camera)
        plan = plan_http_deployment(artifact, api, paths, SilentProgress())
        return apply_http(plan, api, SilentProgress())


def test_a_model_arrives_whole_whatever_the_firmware_knows(
    supervisor: tuple[Supervisor, CameraSettings], artifact: Artifact
) -> None:
    server, camera = supervisor
    done = deploy(camera, artifact)
    assert server.model == artifact.cvimodel.read_bytes()
    assert json.loads(server.info)["classes"] == ["a", "b"]
    assert (done.sha256, done.uploaded_bytes) == (artifact.sha256, artifact.size)
    assert done.id == entry_id(artifact.sha256, hashlib.sha256(server.info.encode()).hexdigest())
    assert done.previous == hashlib.sha256(OLD).hexdigest()
    large = artifact.size > CHUNK
    assert len(server.uploads) == (1 if not large else 3 if server.chunks else 2)


def test_the_active_model_is_the_old_one_or_the_new_at_every_moment(
    supervisor: tuple[Supervisor, CameraSettings], artifact: Artifact
) -> None:
    server, camera = supervisor
    deploy(camera, artifact)
    assert set(server.active) <= {hashlib.sha256(OLD).hexdigest(), artifact.sha256}


def test_what_is_in_place_already_is_not_sent(
    supervisor: tuple[Supervisor, CameraSettings], artifact: Artifact
) -> None:
    server, camera = supervisor
    deploy(camera, artifact)
    sent = len(server.uploads)
    assert deploy(camera, artifact).uploaded_bytes == 0
    assert len(server.uploads) == sent


def test_a_flipped_byte_is_found_and_the_model_before_put_back(
    supervisor: tuple[Supervisor, CameraSettings], artifact: Artifact
) -> None:
    server, camera = supervisor
    server.damage = True
    with pytest.raises(DeploymentError, match="the model before is active again"):
        deploy(camera, artifact)
    assert (server.model, server.info) == (OLD, OLD_INFO)


def test_other_names_beside_the_model_before_are_told(
    supervisor: tuple[Supervisor, CameraSettings], artifact: Artifact
) -> None:
    server, camera = supervisor
    server.damage = server.drops_names = True
    with pytest.raises(DeploymentError, match="could not be restored"):
        deploy(camera, artifact)


def test_what_was_planned_is_sent_though_the_file_changes_meanwhile(
    supervisor: tuple[Supervisor, CameraSettings], artifact: Artifact
) -> None:
    server, camera = supervisor
    planned = artifact.cvimodel.read_bytes()
    with CameraApi(camera) as api:
        paths = CameraPaths.from_settings(camera)
        plan = plan_http_deployment(artifact, api, paths, SilentProgress())
        artifact.cvimodel.write_bytes(b"CviModel of another conversion")
        apply_http(plan, api, SilentProgress())
    assert server.model == planned


@pytest.mark.parametrize(("change", "complaint"), [("gone", "cannot be read"), ("new", "changed")])
def test_an_artifact_whose_file_is_another_is_an_error_of_the_input(
    supervisor: tuple[Supervisor, CameraSettings], artifact: Artifact, change: str, complaint: str
) -> None:
    server, camera = supervisor
    artifact.cvimodel.unlink()
    if change == "new":
        artifact.cvimodel.write_bytes(b"CviModel of another conversion")
    with CameraApi(camera) as api, pytest.raises(InputError, match=complaint):
        plan_http_deployment(artifact, api, CameraPaths.from_settings(camera), SilentProgress())
    assert server.uploads == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"code": "0"}',
        b'{"code": true}',
        b'{"code": 0, "data": {"model_info": "\\ud800"}}',
    ],
)
def test_an_answer_of_something_else_is_no_success(body: bytes) -> None:
    with serving(lambda handler, _: reply(handler, body)) as port:
        camera = CameraSettings(host="127.0.0.1", http_port=port)
        with CameraApi(camera) as api, pytest.raises(CameraApiError):
            api.model_info()


@pytest.mark.parametrize(
    ("text", "name", "classes"),
    [
        ('{"model_name": "m", "classes": ["a"]}', "m", ("a",)),
        ('{"model_name": 1, "classes": [1]}', "", None),
        ("[", "", None),
        ("[" * 100_000, "", None),
        ("[]", "", None),
    ],
)
def test_a_model_json_of_any_kind_is_read(
    text: str, name: str, classes: tuple[str, ...] | None
) -> None:
    info = ActiveInfo.parse(text)
    assert (info.name, info.classes) == (name, classes)


def test_a_web_api_that_answers_too_late_is_told_with_the_setting_that_waits_longer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        camera = CameraSettings(host="127.0.0.1", http_port=server.getsockname()[1], timeout=0.3)
        with CameraApi(camera) as api, pytest.raises(ConnectionFailedError) as caught:
            api.device()
    assert "no answer in time" in caught.value.message
    assert "RECAM_TIMEOUT" in caught.value.hint
