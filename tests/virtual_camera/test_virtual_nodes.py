"""The camera's nodes over MQTT: who may be created, when each starts, what is answered."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from virtual.broker import mosquitto_program

from .conftest import Camera, start
from .node_client import CAMERA, MODEL, NodeClient, nodes, picture_of

SAVE = {"storage": "local", "slice": 1, "duration": -1, "enabled": True, "saveMode": "image"}


@pytest.fixture(scope="module", params=["mosquitto", "embedded"])
def camera(
    request: pytest.FixtureRequest, hollow_libraries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Camera]:
    """A camera on either broker, with a simulator that loads no model."""
    if request.param == "mosquitto" and mosquitto_program() is None:
        pytest.skip("mosquitto is not installed")
    folder = tmp_path_factory.mktemp("camera")
    running = start(folder, str(hollow_libraries), "--broker", request.param, "--hold", "0.2")
    yield running
    assert running.stop() == 0


@pytest.fixture
async def client(camera: Camera) -> AsyncIterator[NodeClient]:
    async with nodes(camera.state) as connected:
        yield connected


async def test_a_camera_says_its_size_and_starts_at_once_when_nothing_depends_on_it(
    client: NodeClient,
) -> None:
    await client.create("c", "camera", CAMERA)
    assert await client.receive() == (
        "c",
        {
            "type": 0,
            "name": "create",
            "code": 0,
            "data": ["width", 1920, "height", 1080, "fps", 30],
        },
    )
    assert await client.receive() == ("c", {"type": 0, "name": "enabled", "code": 0, "data": True})


@pytest.mark.parametrize(
    ("option", "size"),
    [(1, (1280, 720)), (2, (640, 480)), ("720p", (1280, 720)), ("?", (1920, 1080))],
)
async def test_the_option_chooses_the_resolution(
    client: NodeClient, option: Any, size: tuple[int, int]
) -> None:
    await client.create("c", "camera", {"option": option, "fps": 10})
    answer = await client.answer("c", "create")
    assert answer["data"] == ["width", size[0], "height", size[1], "fps", 10]


@pytest.mark.parametrize(
    ("id_", "kind", "code", "text"),
    [
        ("b", "camera", 11, "Singleton node already exists: b"),
        ("b", "Camera", 11, "Singleton node already exists: b"),
        ("c", "save", 11, "Node already exists: c"),
        ("b", "teapot", 5, "Unknown node type: teapot"),
    ],
)
async def test_a_node_that_cannot_be_is_refused_and_the_first_one_stays(
    client: NodeClient, id_: str, kind: str, code: int, text: str
) -> None:
    await client.create("c", "camera", CAMERA)
    await client.answer("c", "enabled")
    await client.create(id_, kind, {})
    refusal = await client.answer(id_, "create")
    assert (refusal["code"], refusal["data"]) == (code, text)
    await client.send("c", "enabled", False)
    assert (await client.answer("c", "enabled"))["data"] is False


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b"7", b'{"name": "create"}', b'{"data": ""}', b'{"name": 3, "data": ""}'],
)
async def test_what_is_no_request_is_answered_as_invalid(
    client: NodeClient, payload: bytes
) -> None:
    await client.send_raw("x", payload)
    answer = await client.answer("x", "request")
    assert (answer["code"], answer["data"]) == (5, "Invalid payload")


async def test_a_creation_without_type_is_invalid(client: NodeClient) -> None:
    await client.send("x", "create", {"config": {}})
    answer = await client.answer("x", "create")
    assert (answer["code"], answer["data"]) == (5, "Invalid payload")


async def test_health_and_destroy_are_answered_for_nodes_that_are_not_there(
    client: NodeClient,
) -> None:
    for name in ("health", "destroy"):
        await client.send("nobody", name, "")
        assert (await client.answer("nobody", name))["code"] == 0


async def test_other_requests_to_nobody_get_no_answer(client: NodeClient) -> None:
    await client.send("nobody", "enabled", True)
    await client.send("nobody", "health", "")
    assert (await client.receive())[1]["name"] == "health"


async def test_a_control_that_a_node_does_not_know_is_not_supported(client: NodeClient) -> None:
    await client.create("c", "camera", CAMERA)
    await client.send("c", "pause", True)
    assert (await client.answer("c", "pause"))["code"] == 8
    await client.send("c", "enabled", "yes")
    assert (await client.until(lambda _, m: m["name"] == "enabled" and m["code"] != 0))["code"] == 8


async def test_a_camera_waits_for_what_it_feeds_and_starts_after_it(client: NodeClient) -> None:
    await client.create("c", "camera", CAMERA, dependents=("s",))
    await client.answer("c", "create")
    await client.create("s", "save", SAVE, dependencies=("c",))
    await client.answer("s", "create")
    started = [await client.receive(), await client.receive()]
    assert [(id_, message["name"]) for id_, message in started] == [
        ("s", "enabled"),
        ("c", "enabled"),
    ]


async def test_a_node_with_no_camera_cannot_start(client: NodeClient) -> None:
    await client.create("s", "save", SAVE)
    failure = await client.answer("s", "start")
    assert (failure["code"], failure["data"]) == (8, "No camera node found")


async def test_a_camera_that_comes_back_feeds_its_nodes_again(client: NodeClient) -> None:
    await client.create("c", "camera", CAMERA, dependents=("s",))
    await client.create("s", "save", SAVE, dependencies=("c",))
    await client.answer("c", "enabled")
    await client.send("c", "destroy", "")
    await client.answer("c", "destroy")
    await client.create("c", "camera", CAMERA, dependents=("s",))
    await client.answer("s", "enabled")
    await client.answer("c", "enabled")


async def test_clear_makes_room_for_another_camera(client: NodeClient) -> None:
    await client.create("c", "camera", CAMERA)
    await client.clear()
    await client.create("d", "camera", CAMERA)
    assert (await client.answer("d", "create"))["code"] == 0


@pytest.mark.parametrize(
    ("config", "code", "text"),
    [
        ({"uri": "/userdata/Models/none.cvimodel"}, 10, "Model file not found /userdata/"),
        ({"uri": "/../../../etc/passwd"}, 10, "Model file not found /../../../etc/passwd"),
        ({}, 5, "Engine load failed"),
        ({"uri": None}, 5, "Engine load failed"),
        ({"tscore": None}, 5, "Engine load failed"),
    ],
)
async def test_a_model_that_cannot_be_loaded_is_told_and_not_there(
    camera: Camera, client: NodeClient, config: dict[str, Any], code: int, text: str
) -> None:
    (camera.root / "userdata" / "Models" / "model.cvimodel").write_bytes(b"no model")
    for _ in range(2):  # the second is no "already exists"
        await client.create("m", "model", MODEL | config)
        refusal = await client.answer("m", "create")
        assert refusal["code"] == code
        assert text in refusal["data"]


async def test_a_save_node_writes_pictures_where_the_camera_keeps_them(
    camera: Camera, client: NodeClient
) -> None:
    folder = camera.root / "userdata" / "Images"
    await client.create("c", "camera", CAMERA | {"option": 2}, dependents=("s",))
    await client.create("s", "save", SAVE | {"duration": 0}, dependencies=("c",))
    answer = await client.answer("s", "create")
    assert answer["data"][:4] == ["storage", "/userdata/Images/", "saveMode", "image"]
    await client.answer("c", "enabled")
    await client.send("s", "capture", "")
    assert (await client.answer("s", "capture"))["data"] == "Capture triggered"
    await client.answer("s", "enabled")
    (picture,) = folder.glob("*.jpg")
    with Image.open(io.BytesIO(picture.read_bytes())) as image:
        assert (image.format, image.size) == ("JPEG", (640, 480))
    picture.unlink()


async def test_a_save_node_wants_its_settings(client: NodeClient) -> None:
    await client.create("s", "save", {"slice": 1})
    assert (await client.answer("s", "create"))["data"] == "Invalid config"
    await client.create("s", "save", SAVE | {"storage": "moon"})
    assert (await client.answer("s", "create"))["data"] == "Invalid storage type"


async def test_a_stream_node_tells_its_address(client: NodeClient) -> None:
    config = {"protocol": "rtsp", "port": 554, "session": "live", "username": "u", "password": "p"}
    await client.create("r", "stream", config)
    name, url = (await client.answer("r", "create"))["data"]
    assert name == "url"
    assert url.startswith("rtsp://u:p@") and url.endswith(":554/live")


async def test_a_camera_wired_to_a_preview_sends_pictures_while_enabled(
    client: NodeClient,
) -> None:
    await client.create("c", "camera", CAMERA | {"preview": True, "option": 2})
    first, second = await client.event("c", "sample"), await client.event("c", "sample")
    assert (first["count"], second["count"]) == (1, 2)
    assert picture_of(first).shape == (480, 640, 3)
    assert picture_of(first).std() > 10
    await client.send("c", "enabled", False)
    await client.answer("c", "enabled")
    with contextlib.suppress(asyncio.TimeoutError):  # the picture that was under way
        await asyncio.wait_for(client.event("c", "sample"), 0.6)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.event("c", "sample"), 0.6)


async def test_two_clients_see_the_same_answers(camera: Camera, client: NodeClient) -> None:
    async with nodes(camera.state) as other:
        await client.create("c", "camera", CAMERA)
        assert (await other.answer("c", "create"))["code"] == 0
