"""The camera's video, as a browser reads it: H.264, one picture a message."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from .conftest import Camera, start
from .node_client import CAMERA, SECONDS, NodeClient, nodes

av = pytest.importorskip("av", reason="the package av encodes the video, and is not installed")

RED = (200, 30, 40)
SEQUENCE_PARAMETERS = b"\x00\x00\x00\x01\x67"


@pytest.fixture(scope="module")
def camera(hollow_libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Camera]:
    """A camera that sees nothing but red."""
    folder = tmp_path_factory.mktemp("video")
    (folder / "pictures").mkdir()
    Image.new("RGB", (1280, 720), RED).save(folder / "pictures/red.png")
    words = ("--broker", "embedded", "--pictures", str(folder / "pictures"))
    running = start(folder / "d", str(hollow_libraries), *words)
    yield running
    running.stop()


@pytest.fixture
async def client(camera: Camera) -> AsyncIterator[NodeClient]:
    async with nodes(camera.state) as connected:
        yield connected


async def messages(camera: Camera, count: int) -> list[bytes]:
    """What the websocket sends."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(camera.state["video_ws"]) as socket,
    ):
        return [await asyncio.wait_for(socket.receive_bytes(), SECONDS) for _ in range(count)]


def decoded(message: bytes) -> NDArray[np.uint8]:
    """The picture of one message, by a decoder that has seen no other."""
    decoder: Any = av.CodecContext.create("h264", "r")
    packets = decoder.parse(message) + decoder.parse(b"")
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    pixels: NDArray[np.uint8] = frames[0].to_ndarray(format="rgb24")
    return pixels


@pytest.mark.parametrize(("option", "size"), [(1, (720, 1280)), (2, (480, 640))])
async def test_every_message_is_a_whole_picture_of_the_size_that_the_option_says(
    camera: Camera, client: NodeClient, option: int, size: tuple[int, int]
) -> None:
    await client.create("c", "camera", {**CAMERA, "option": option, "websocket": True})
    await client.answer("c", "enabled")
    for message in await messages(camera, 2):
        assert message.startswith(SEQUENCE_PARAMETERS)
        pixels = decoded(message)
        assert pixels.shape[:2] == size
        assert pixels[size[0] // 2, size[1] // 2] == pytest.approx(RED, abs=12)


async def test_pictures_come_as_fast_as_the_camera_s_though_it_sees_the_same_for_long(
    camera: Camera, client: NodeClient
) -> None:
    """No two neighbours are the same bytes: a key picture must not repeat the number before it."""
    config = {**CAMERA, "option": 2, "websocket": True, "fps": 30}
    await client.create("c", "camera", config)
    await client.answer("c", "enabled")
    await messages(camera, 1)
    began = time.monotonic()
    received = await messages(camera, 60)
    assert time.monotonic() - began < 6
    assert all(a != b for a, b in itertools.pairwise(received))


async def test_without_a_preview_wired_to_it_there_is_no_video(
    camera: Camera, client: NodeClient
) -> None:
    await client.create("c", "camera", {**CAMERA, "websocket": False})
    await client.answer("c", "enabled")
    with pytest.raises(aiohttp.ClientConnectorError):
        await messages(camera, 1)


async def test_the_video_ends_with_its_node(camera: Camera, client: NodeClient) -> None:
    await client.create("c", "camera", {**CAMERA, "option": 2, "websocket": True})
    await client.answer("c", "enabled")
    await messages(camera, 1)
    await client.clear()
    with pytest.raises(aiohttp.ClientConnectorError):
        await messages(camera, 1)
