"""The supervisor's HTTP API, over a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from planted import CAMERA_PASSWORD, WRONG, keep
from virtual.layout import Layout
from virtual.supervisor.login import (
    KEY_LIST,
    LOCKED_SECONDS,
    TOKEN_SECONDS,
    Login,
    decrypt,
    encrypt,
)
from virtual.supervisor.replies import CallError
from virtual.supervisor.service import RECEIVED_AT_MOST

from .conftest import Camera, start

CARD = {"model_id": "7", "model_name": "Mine", "classes": ["a"], "checksum": "x"}


@pytest.fixture(scope="module")
def camera(hollow_libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Camera]:
    folder = tmp_path_factory.mktemp("camera")
    (folder / "f.cvimodel").write_bytes(b"factory")
    info = {"model_id": "preset", "model_name": "Preset", "checksum": "sum"}
    (folder / "f.json").write_text(json.dumps(info), encoding="utf-8")
    running = start(
        folder / "d",
        str(hollow_libraries),
        *("--factory-model", str(folder / "f.cvimodel")),
        *("--factory-info", str(folder / "f.json"), "--broker", "embedded"),
    )
    yield running
    running.stop()


class Api:
    """Calls by name; every answer is checked for the shape that all have."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def call(self, name: str, **options: Any) -> dict[str, Any]:
        method = "POST" if {"data", "json"} & set(options) else "GET"
        async with self.session.request(method, f"{self.url}/api/{name}", **options) as answer:
            assert answer.status == 200
            assert answer.content_type == "application/json"
            document: dict[str, Any] = await answer.json()
        assert {"code", "msg", "data"} <= set(document)
        return document

    async def upload(self, *parts: tuple[str, bytes | str]) -> dict[str, Any]:
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value in parts:
            if isinstance(value, bytes):
                form.add_field(name, value, filename="model.cvimodel")
            else:
                form.add_field(name, value)
        return await self.call("deviceMgr/uploadModel", data=form)


@pytest.fixture
async def api(camera: Camera) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Api(session, camera.state["http_url"])


def models(camera: Camera) -> Path:
    return camera.root / "userdata" / "Models"


async def test_a_model_and_its_card_are_put_in_place(camera: Camera, api: Api) -> None:
    answer = await api.upload(("model_file", b"new model"), ("model_info", json.dumps(CARD)))
    assert answer == {
        "code": 0,
        "msg": "OK",
        "data": {
            "list": [
                {"model_file": "/userdata/Models/model.cvimodel"},
                {"model_info": "/userdata/Models/model.json"},
            ]
        },
    }
    assert (models(camera) / "model.cvimodel").read_bytes() == b"new model"
    assert json.loads((models(camera) / "model.json").read_text()) == CARD
    assert not list(models(camera).glob("*.tmp"))
    info = await api.call("deviceMgr/getModelInfo")
    assert json.loads(info["data"]["model_info"]) == CARD
    async with api.session.get(f"{api.url}/api/deviceMgr/getModelFile") as file:
        assert await file.read() == b"new model"


async def test_chunks_change_the_model_with_the_last_one_only(camera: Camera, api: Api) -> None:
    await api.upload(("model_file", b"old"), ("model_info", "{}"))
    new = bytes(range(256)) * 40
    for offset in range(0, len(new), 4096):
        piece = new[offset : offset + 4096]
        assert (models(camera) / "model.cvimodel").read_bytes() == b"old"
        parts: list[tuple[str, bytes | str]] = [
            ("offset", str(offset)),
            ("size", str(len(new))),
            ("model_file", piece),
        ]
        if offset + len(piece) == len(new):
            parts.append(("model_info", json.dumps(CARD)))
        answer = await api.upload(*parts)
        assert answer["code"] == 0
        assert answer["data"]["received"] == answer["data"]["offset"] == offset + len(piece)
    assert (models(camera) / "model.cvimodel").read_bytes() == new
    assert json.loads((models(camera) / "model.json").read_text()) == CARD


async def test_a_chunk_with_no_first_one_before_it_fails(camera: Camera, api: Api) -> None:
    (models(camera) / "model.cvimodel.tmp").unlink(missing_ok=True)
    answer = await api.upload(("offset", "10"), ("size", "20"), ("model_file", b"x"))
    assert (answer["code"], answer["msg"]) == (-1, "Failed to open model file for writing.")


async def test_a_model_alone_keeps_the_card(camera: Camera, api: Api) -> None:
    await api.upload(("model_file", b"one"), ("model_info", json.dumps(CARD)))
    await api.upload(("model_file", b"two"))
    assert (models(camera) / "model.cvimodel").read_bytes() == b"two"
    assert json.loads((models(camera) / "model.json").read_text()) == CARD


async def test_a_card_alone_brings_the_preset_that_it_names(camera: Camera, api: Api) -> None:
    await api.upload(("model_file", b"mine"), ("model_info", json.dumps(CARD)))
    refused = await api.upload(("model_info", json.dumps({"model_id": "unknown"})))
    assert (refused["code"], refused["msg"]) == (-1, "Model file is missing in model info.")
    assert (models(camera) / "model.cvimodel").read_bytes() == b"mine"
    assert (await api.upload(("model_info", json.dumps({"model_id": "preset"}))))["code"] == 0
    assert (models(camera) / "model.cvimodel").read_bytes() == b"factory"


async def test_an_upload_of_nothing_is_refused(api: Api) -> None:
    for parts in ((), (("model_file", b""),), (("other", b"x"),)):
        answer = await api.upload(*parts)
        assert (answer["code"], answer["msg"]) == (-1, "No model file or model info provided.")


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=b", "application/json", "nonsense"],
)
@pytest.mark.parametrize("body", [b"", b"--b\r\n", b"--b\r\n\r\nx", b"--b--", b"\0" * 300, b"--x"])
async def test_a_body_that_is_no_form_is_an_upload_of_nothing(
    api: Api, content_type: str, body: bytes
) -> None:
    headers = {"Content-Type": content_type}
    answer = await api.call("deviceMgr/uploadModel", data=body, headers=headers)
    assert answer["code"] == -1


async def test_more_than_the_server_takes_ends_the_connection(camera: Camera, api: Api) -> None:
    await api.upload(("model_file", b"kept"))
    with pytest.raises(aiohttp.ClientError):
        await api.upload(("model_file", bytes(RECEIVED_AT_MOST)))
    assert (models(camera) / "model.cvimodel").read_bytes() == b"kept"


async def test_a_camera_with_no_card_has_an_empty_one(camera: Camera, api: Api) -> None:
    (models(camera) / "model.json").unlink(missing_ok=True)
    assert (await api.call("deviceMgr/getModelInfo"))["data"] == {"model_info": ""}


async def test_presets_are_listed(api: Api) -> None:
    (preset,) = (await api.call("deviceMgr/getModelList"))["data"]["list"]
    assert preset == {
        "model_id": "preset",
        "model_name": "Preset",
        "checksum": "sum",
        "id": "preset",
        "name": "Preset",
        "md5": "sum",
        "file": "/usr/share/supervisor/models/yolo11n_detection_cv181x_int8.cvimodel",
    }


async def test_the_camera_tells_what_it_is_and_how_its_services_do(api: Api) -> None:
    device = (await api.call("deviceMgr/queryDeviceInfo"))["data"]
    assert (device["osName"], device["osVersion"], device["cpu"]) == (
        "reCamera",
        "0.2.4",
        "sg2002",
    )
    assert api.url == f"http://{device['ip']}:{device['port']}"
    services = (await api.call("deviceMgr/queryServiceStatus"))["data"]
    assert (services["sscmaNode"], services["system"]) == (0, 0)
    assert services["uptime"] >= 0
    assert (await api.call("version"))["timestamp"] > 0


async def test_a_login_gives_a_token_that_opens_the_rest(api: Api) -> None:
    url = f"{api.url}/api/deviceMgr/getDeviceInfo"
    for headers in ({}, {"Authorization": "wrong"}):
        async with api.session.get(url, headers=headers) as answer:
            assert (answer.status, await answer.text()) == (401, "Unauthorized")
    body = {"userName": "recamera", "password": encrypt(CAMERA_PASSWORD)}
    login = await api.call("userMgr/login", json=body)
    assert (login["code"], login["data"]["expire"]) == (0, 259200)
    headers = {"Authorization": login["data"]["token"]}
    assert (await api.call("deviceMgr/getDeviceInfo", headers=headers))["code"] == 0


async def test_a_wrong_password_is_told_with_the_tries_left(api: Api) -> None:
    body = {"userName": "recamera", "password": encrypt(WRONG)}
    answer = await api.call("userMgr/login", json=body)
    assert (answer["code"], answer["msg"]) == (-1, "Invalid username or password")
    assert answer["data"]["retryCount"] in range(5)
    empty = await api.call("userMgr/login", json={"userName": "recamera"})
    assert empty["msg"] == "Username or password is empty."


async def test_what_is_no_call_leads_to_the_web_page(api: Api) -> None:
    async with api.session.get(f"{api.url}/api/no/such", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (307, f"{api.url}/")
    async with api.session.get(f"{api.url}/") as page:
        assert "virtual reCamera" in await page.text()


class Clock:
    """A clock that is set by hand."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def login(tmp_path: Path, clock: Clock) -> Login:
    keep(tmp_path / "password", f"{CAMERA_PASSWORD}\n")
    return Login(Layout.at(tmp_path), now=clock)


def credentials(password: str, name: str = "recamera") -> dict[str, str]:
    return {"userName": name, "password": encrypt(password)}


def test_five_failures_lock_the_login_for_a_minute(login: Login, clock: Clock) -> None:
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(CallError, match="Invalid") as refused:
            login.enter(credentials(WRONG))
        assert refused.value.data == {"retryCount": left}
    clock.seconds += LOCKED_SECONDS - 1
    with pytest.raises(CallError, match="try again later"):
        login.enter(credentials(CAMERA_PASSWORD))
    clock.seconds += 1
    assert login.enter(credentials(CAMERA_PASSWORD))["token"]


def test_the_first_login_is_over_once_somebody_has_logged_in(login: Login, tmp_path: Path) -> None:
    first = Layout.at(tmp_path).first_login
    first.parent.mkdir(parents=True)
    first.touch()
    assert login.user_info() == {
        "userName": "recamera",
        "firstLogin": True,
        "sshEnabled": True,
        "sshKeyFile": KEY_LIST,
        "sshkeyList": [],
    }
    login.enter(credentials(CAMERA_PASSWORD))
    assert login.user_info()["firstLogin"] is False


def test_a_success_gives_all_tries_back(login: Login) -> None:
    with pytest.raises(CallError):
        login.enter(credentials(CAMERA_PASSWORD, name="root"))
    login.enter(credentials(CAMERA_PASSWORD))
    with pytest.raises(CallError) as refused:
        login.enter(credentials(WRONG))
    assert refused.value.data == {"retryCount": 4}


def test_a_token_lasts_three_days(login: Login, clock: Clock) -> None:
    token = login.enter(credentials(CAMERA_PASSWORD))["token"]
    clock.seconds += TOKEN_SECONDS
    assert login.accepts(token)
    clock.seconds += 1
    assert not login.accepts(token)


def test_a_password_is_encrypted_as_openssl_does_it() -> None:
    # openssl enc -aes-128-ecb -nopad, of the password and eight zeros
    assert encrypt("recamera") == "25f456589a50880ac7199c5d56e70c96"


@pytest.mark.parametrize("password", ["", "a", "sixteen letters!", "pässwörd" * 5])
def test_a_password_comes_back_from_its_encryption(password: str) -> None:
    assert decrypt(encrypt(password)).decode() == password


@pytest.mark.parametrize("text", ["", "zz", "ab", "0"])
def test_what_is_no_encrypted_password_is_empty(text: str) -> None:
    assert decrypt(text) == b""
