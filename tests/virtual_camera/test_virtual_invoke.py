"""The model node on the bundled pictures: real inference, real events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from numpy.typing import NDArray
from virtual.processes import start_of
from virtual.sscma.letterbox import letterbox, read_image

from .conftest import DEVICE, Camera, start
from .node_client import CAMERA, MODEL, NodeClient, nodes, picture_of

pytestmark = pytest.mark.toolchain

FACTORY = DEVICE / "virtual" / "factory"
PICTURES = DEVICE / "demo" / "test"
LABELS = ["circle", "square", "triangle", "star", "cross"]
SIDE = 640

Boxes = list[tuple[int, tuple[float, float, float, float]]]


@pytest.fixture(scope="module")
def camera(simulator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Camera]:
    folder = tmp_path_factory.mktemp("camera")
    running = start(
        folder,
        simulator,
        *("--factory-model", str(FACTORY / "model.cvimodel")),
        *("--factory-info", str(FACTORY / "model.json"), "--hold", "0.7"),
    )
    yield running
    assert running.stop() == 0


@pytest.fixture
async def client(camera: Camera) -> AsyncIterator[NodeClient]:
    models = camera.root / "userdata" / "Models"
    for name in ("model.cvimodel", "model.json"):
        shutil.copyfile(FACTORY / name, models / name)
    async with nodes(camera.state) as connected:
        yield connected


def labelled(picture: Path) -> Boxes:
    """Class and box (x1, y1, x2, y2) of every shape, in pixels of the letterboxed picture."""
    pixels = read_image(picture)
    assert pixels is not None
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    left, top = (SIDE - width * scale) / 2, (SIDE - height * scale) / 2
    shapes: Boxes = []
    for line in picture.with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        kind, x, y, w, h = (float(word) for word in line.split())
        x, w = x * width * scale + left, w * width * scale
        y, h = y * height * scale + top, h * height * scale
        shapes.append((int(kind), (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
    return shapes


def found(data: dict[str, Any]) -> Boxes:
    return [
        (target, (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
        for x, y, w, h, _, target in data["boxes"]
    ]


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def seen(image: NDArray[np.uint8]) -> Path:
    """Which of the bundled pictures an event shows."""

    def difference(picture: Path) -> float:
        pixels = read_image(picture)
        assert pixels is not None
        return float(np.abs(letterbox(pixels, SIDE, SIDE).astype(float) - image).mean())

    return min(PICTURES.glob("*.jpg"), key=difference)


async def test_boxes_lie_on_the_labelled_shapes_of_every_picture(client: NodeClient) -> None:
    answer = await client.preview_flow(debug=True)
    assert answer["data"]["classes"] == LABELS
    events: dict[Path, dict[str, Any]] = {}
    while len(events) < len(list(PICTURES.glob("*.jpg"))):
        data = await client.event("model")
        image = picture_of(data)
        assert image.shape == (SIDE, SIDE, 3)
        events.setdefault(seen(image), data)
    matched = shapes = boxes = 0
    for picture, data in events.items():
        assert data["resolution"] == [SIDE, SIDE]
        assert data["labels"] == [LABELS[box[5]] for box in data["boxes"]]
        assert all(45 <= box[4] <= 100 for box in data["boxes"])
        truth = labelled(picture)
        shapes += len(truth)
        boxes += len(data["boxes"])
        matched += sum(
            any(kind == other and overlap(box, place) > 0.6 for kind, box in found(data))
            for other, place in truth
        )
    assert matched >= 0.9 * shapes
    assert boxes <= 1.1 * shapes


async def test_events_count_up_and_tell_the_times(client: NodeClient) -> None:
    await client.preview_flow()
    first, second = await client.event("model"), await client.event("model")
    assert (first["count"], second["count"]) == (1, 2)
    ((before, during, after),) = first["perf"]
    assert before >= 0 and during > 0 and after >= 0


async def test_without_debug_the_picture_goes_to_the_websocket_alone(
    camera: Camera, client: NodeClient
) -> None:
    await client.preview_flow(debug=False)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(camera.state["preview_ws"]) as connection,
    ):
        message = await asyncio.wait_for(connection.receive(), 30)
    assert message.type is aiohttp.WSMsgType.BINARY
    event = json.loads(message.data)
    assert (event["type"], event["name"], event["code"]) == (1, "invoke", 0)
    assert picture_of(event["data"]).shape == (SIDE, SIDE, 3)
    data = await client.event("model")
    assert data["image"] == ""
    assert data["resolution"] == [SIDE, SIDE]


async def test_the_websocket_is_there_with_the_model_node_only(
    camera: Camera, client: NodeClient
) -> None:
    port = int(camera.state["preview_ws"].rpartition(":")[2])
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
        await client.preview_flow()
        socket.create_connection(("127.0.0.1", port), 5).close()
        await client.send("model", "destroy", "")
        await client.answer("model", "destroy")


async def test_the_preview_has_the_size_that_is_asked_for(client: NodeClient) -> None:
    await client.preview_flow(debug=True, previewResolution="auto")
    data = await client.event("model")
    assert data["resolution"] == [320, 320]
    assert picture_of(data).shape == (320, 320, 3)


async def test_thresholds_are_those_of_the_flow_until_they_are_changed(client: NodeClient) -> None:
    await client.preview_flow(tscore=0.99)
    assert (await client.event("model"))["boxes"] == []
    await client.send("model", "config", {"tscore": 0.01, "tiou": 0.99})
    assert (await client.answer("model", "config"))["data"] == {"tscore": 0.01, "tiou": 0.99}
    await client.event("model")  # begun before the change, perhaps
    many = await client.event("model")
    scores = [box[4] for box in many["boxes"]]
    assert min(scores) < 25
    # At an overlap of 0.99 nearly every cell's own box survives.
    await client.send("model", "config", {"tscore": 0.25, "tiou": 0.45})
    await client.answer("model", "config")
    await client.event("model")
    assert len((await client.event("model"))["boxes"]) < len(scores) / 2


async def test_whole_numbers_for_thresholds_are_ignored_as_on_the_camera(
    client: NodeClient,
) -> None:
    await client.preview_flow(tscore=0.25)
    await client.send("model", "config", {"tscore": 1})
    await client.answer("model", "config")
    await client.event("model")
    assert (await client.event("model"))["boxes"]


async def test_a_disabled_model_sends_nothing_until_it_is_enabled(client: NodeClient) -> None:
    await client.preview_flow()
    await client.event("model")
    await client.send("model", "enabled", False)
    await client.until(lambda i, m: (i, m["name"], m["data"]) == ("model", "enabled", False))
    with contextlib.suppress(asyncio.TimeoutError):  # the frame that was under way
        await asyncio.wait_for(client.event("model"), 1.5)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.event("model"), 1.5)


@pytest.mark.parametrize(
    ("card", "flow", "expected"),
    [
        ({"classes": ["a", "b", "c", "d", "e"]}, ["v", "w", "x", "y", "z"], set("abcde")),
        ({"classes": []}, ["v", "w", "x", "y", "z"], set("vwxyz")),
        (None, ["v", "w", "x", "y", "z"], set("vwxyz")),
        (None, [], {f"N/A-{n}" for n in range(5)}),
    ],
)
async def test_labels_are_the_cards_else_the_flows(
    camera: Camera,
    client: NodeClient,
    card: dict[str, Any] | None,
    flow: list[str],
    expected: set[str],
) -> None:
    file = camera.root / "userdata" / "Models" / "model.json"
    if card is None:
        file.unlink()
    else:
        file.write_text(json.dumps(card), encoding="utf-8")
    answer = await client.preview_flow(labels=flow)
    assert answer["data"] == card
    data = await client.until(lambda _, m: m["name"] == "invoke" and m["data"]["boxes"])
    assert set(data["data"]["labels"]) <= expected


async def test_a_model_is_loaded_when_its_node_is_created_and_not_before_the_next(
    camera: Camera, client: NodeClient
) -> None:
    await client.preview_flow()
    file = camera.root / "userdata" / "Models" / "model.cvimodel"
    file.with_suffix(".tmp").write_bytes(b"not a model")
    file.with_suffix(".tmp").replace(file)
    assert (await client.event("model"))["labels"] is not None
    refusal = await client.preview_flow()
    assert (refusal["code"], refusal["data"]) == (5, "Engine load failed")


async def test_a_uri_may_name_a_preset_or_a_real_path(camera: Camera, client: NodeClient) -> None:
    real = str(camera.root / "userdata" / "Models" / "model.cvimodel")
    for uri in ("/usr/share/supervisor/models/yolo11n_detection_cv181x_int8.cvimodel", real):
        assert (await client.preview_flow(uri=uri))["code"] == 0


async def test_there_is_one_model_node(client: NodeClient) -> None:
    await client.preview_flow()
    await client.create("second", "model", MODEL, dependencies=("camera",))
    refusal = await client.answer("second", "create")
    expected = (11, "Singleton node already exists: second")
    assert (refusal["code"], refusal["data"]) == expected


async def test_a_model_waits_for_its_camera(client: NodeClient) -> None:
    await client.create("model", "model", MODEL, dependencies=("camera",))
    assert (await client.answer("model", "create"))["code"] == 0
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.event("model"), 1)
    await client.create("camera", "camera", CAMERA, dependents=("model",))
    await client.event("model")


async def test_tracking_and_counting_are_told(client: NodeClient) -> None:
    await client.preview_flow(trace=True, counting=True, splitter=[50, 0, 50, 100])
    data = await client.until(lambda _, m: m["name"] == "invoke" and m["data"]["boxes"])
    event = data["data"]
    assert len(event["tracks"]) == len(event["boxes"]) == len(event["labels"])
    assert len(set(event["tracks"])) == len(event["tracks"])
    assert event["lines"] == [[50, 0, 50, 100]]
    left = sum(box[0] < SIDE / 2 for box in event["boxes"])
    assert event["counts"] == [len(event["boxes"]) - left, left, 0, 0]


def children_of(camera: Camera) -> list[int]:
    """What the server has started: the broker and the simulator."""
    children = Path(f"/proc/{camera.process.pid}/task/{camera.process.pid}/children")
    return [int(word) for word in children.read_text(encoding="ascii").split()]


def wait_for_end(pids: list[int]) -> bool:
    deadline = time.monotonic() + 10
    while any(start_of(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(start_of(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_no_process_outlives_the_camera(
    simulator: str, tmp_path: Path, number: signal.Signals
) -> None:
    options = ("--factory-model", str(FACTORY / "model.cvimodel"))
    camera = start(tmp_path / "d", simulator, *options)
    try:
        async with nodes(camera.state) as client:
            await client.preview_flow()
            await client.event("model")
            children = children_of(camera)
        async with nodes(camera.state) as client:
            await client.create("model", "model", MODEL)
            await client.answer("model", "create")
            children += children_of(camera)
            os.kill(camera.process.pid, number)
            camera.process.wait(20)
            client.abandon()
    finally:
        camera.stop(signal.SIGKILL)
    assert children
    assert wait_for_end(children)
