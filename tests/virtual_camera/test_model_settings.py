"""The settings of a model node, the odd ones above all, as the camera's own node takes them."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from virtual.sscma.results import Box
from virtual.sscma.tensors import Tensor
from virtual.sscma_node.messages import Code, NodeError

from .model_node import CLASSIFIER, SIDE, Service, detector, loaded

YOLO11, YOLO11_POSE, YOLO26 = 9, 10, 14
SECONDS = 10.0


class Flow:
    """A camera and a model node that work."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def events(self) -> list[dict[str, Any]]:
        return [message["data"] for _, message in self._service.sent if message["type"] == 1]

    async def event(self) -> dict[str, Any]:
        """The next event."""
        known = len(self.events())
        deadline = time.monotonic() + SECONDS
        while len(self.events()) == known:
            assert time.monotonic() < deadline, "no event came"
            await asyncio.sleep(0.01)
        return self.events()[known]

    async def configure(self, data: Any) -> dict[str, Any]:
        """The answer to a ``config`` request."""
        node = self._service.nodes.find("m")
        assert node is not None
        await node.control("config", data)
        return self._service.sent[-1][1]


async def start(service: Service, monkeypatch: pytest.MonkeyPatch, **config: Any) -> Flow:
    """Raises NodeError when the model node cannot be made."""
    await service.create(monkeypatch, loaded(CLASSIFIER), dependencies=["c"], **config)
    await service.nodes.create("c", {"type": "camera", "config": {"option": 0}})
    return Flow(service)


@pytest.fixture
async def flow(service: Service, monkeypatch: pytest.MonkeyPatch) -> Any:
    """With a camera but neither websocket nor pictures."""
    yield await start(service, monkeypatch)
    await service.nodes.clear()


async def test_debug_switched_on_later_without_a_websocket_ends_the_events(flow: Flow) -> None:
    assert (await flow.event())["image"] == ""
    await flow.configure({"debug": True})
    await asyncio.sleep(0.2)  # for an event that was under way
    known = len(flow.events())
    await asyncio.sleep(0.5)
    assert len(flow.events()) == known
    await flow.configure({"debug": False})
    after = await flow.event()
    assert after["count"] == known + 1


async def test_debug_may_be_switched_off_and_on_where_it_was_on_at_first(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = await start(service, monkeypatch, debug=True, previewResolution="32x48")
    try:
        assert (await flow.event())["resolution"] == [32, 48]
        await flow.configure({"debug": False})
        await flow.event()
        without = await flow.event()
        assert (without["resolution"], without["image"]) == ([SIDE, SIDE], "")
        await flow.configure({"debug": True})
        await flow.event()
        assert (await flow.event())["image"] != ""
    finally:
        await service.nodes.clear()


@pytest.mark.parametrize(
    ("resolution", "size"),
    [
        ("640x480", [640, 480]),
        ("640 x 480", [640, 480]),
        (" 320x+240 ", [320, 240]),
        ("1280x720p", [1280, 720]),
        ("5000x30", [5000, 30]),
        ("96x00000000000064", [96, 64]),
        ("100.9x50", [100, 50]),
        ("auto", [SIDE, SIDE]),
        ("-1x480", [SIDE, SIDE]),
        ("0x480", [1920, 480]),
        ("-7x0", [1920, 1080]),
        ("Auto", [640, 640]),
        ("720p", [640, 640]),
        ("", [640, 640]),
        (480, [640, 640]),
        (None, [640, 640]),
    ],
)
async def test_the_previews_resolution_is_read_leniently(
    service: Service, monkeypatch: pytest.MonkeyPatch, resolution: Any, size: list[int]
) -> None:
    flow = await start(service, monkeypatch, debug=True, previewResolution=resolution)
    try:
        assert (await flow.event())["resolution"] == size
    finally:
        await service.nodes.clear()


@pytest.mark.parametrize(
    "resolution", ["640x", "axb", "x480", "x", "640xx", "99999999999x1", "2147483648x1", "1x- 5"]
)
async def test_a_resolution_without_numbers_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch, resolution: str
) -> None:
    model = loaded(CLASSIFIER)
    with pytest.raises(NodeError) as refused:
        await service.create(monkeypatch, model, previewResolution=resolution)
    assert (refused.value.code, refused.value.text) == (Code.INVALID, "stoi")
    assert model.closed


async def test_a_preview_too_large_to_be_made_gives_no_events(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = await start(service, monkeypatch, debug=True, previewResolution="99999x99999")
    await asyncio.sleep(0.3)
    assert flow.events() == []
    await service.nodes.clear()


@pytest.mark.parametrize(("threshold", "classes"), [(True, []), (False, 3), (0, 3), (0.5, 1)])
async def test_a_threshold_may_be_a_truth_value(
    service: Service, monkeypatch: pytest.MonkeyPatch, threshold: Any, classes: Any
) -> None:
    await service.create(monkeypatch, loaded(CLASSIFIER), tscore=threshold)
    assert len((await service.frame())["classes"]) == (classes or 0)


async def test_thresholds_are_in_single_precision(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 0.6 as a float is 0.60000002384: the same as the score, which is not more than it.
    await service.create(monkeypatch, loaded(CLASSIFIER), tscore=0.6)
    assert (await service.frame())["classes"] == []


@pytest.mark.parametrize("labels", ["a", 1, True, {"0": "a"}, None, []])
async def test_labels_that_are_no_list_are_ignored(
    service: Service, monkeypatch: pytest.MonkeyPatch, labels: Any
) -> None:
    await service.create(monkeypatch, loaded(CLASSIFIER), labels=labels)
    assert (await service.frame())["labels"] == ["N/A-1"]


async def test_labels_of_other_things_than_strings_are_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NodeError, match="type must be string, but is number"):
        await service.create(monkeypatch, loaded(CLASSIFIER), labels=["a", 1])


@pytest.mark.parametrize("uri", [None, 5, "", {}])
async def test_a_path_that_is_none_is_the_usual_one(
    service: Service, monkeypatch: pytest.MonkeyPatch, uri: Any
) -> None:
    await service.create(monkeypatch, loaded(CLASSIFIER), uri=uri)
    assert (await service.frame())["classes"] == [[60, 1]]


@pytest.mark.parametrize(
    ("uri", "labels"),
    [("/m/model.cvimodel", ["b"]), ("/m/model.x.cvimodel", ["N/A-1"]), ("/m/model", ["N/A-1"])],
)
async def test_a_card_takes_the_place_of_the_last_ending(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uri: str, labels: list[str]
) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"classes": ["a", "b"]}))
    for name in ("model", "model.x.cvimodel"):
        (tmp_path / name).touch()
    await service.create(monkeypatch, loaded(CLASSIFIER), uri=uri)
    assert (await service.frame())["labels"] == labels


@pytest.mark.parametrize("algorithm", [0, YOLO11, 1, 6, 2**32 + YOLO11, None, "14", 14.0, True])
async def test_a_search_that_begins_before_the_models_family_finds_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, algorithm: Any
) -> None:
    model = detector(monkeypatch, [[Box(0.5, 0.5, 0.2, 0.2, 0.9, 0)]])
    await service.create(monkeypatch, model, algorithm=algorithm)
    assert len((await service.frame())["boxes"]) == 1


@pytest.mark.parametrize("algorithm", [YOLO11_POSE, YOLO26, 999, 12, -1, -YOLO11])
async def test_a_search_that_begins_behind_the_models_family_finds_none(
    service: Service, monkeypatch: pytest.MonkeyPatch, algorithm: int
) -> None:
    model = detector(monkeypatch, [])
    with pytest.raises(NodeError, match="Model not supported") as refused:
        await service.create(monkeypatch, model, algorithm=algorithm)
    assert refused.value.code is Code.NOT_SUPPORTED


@pytest.mark.parametrize(("algorithm", "key"), [(15, "keypoints"), (16, "segments")])
async def test_families_that_no_search_reaches_can_be_asked_for_and_find_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, algorithm: int, key: str
) -> None:
    image_maps = [(4, 8), (3, 8), (51, 8), (4, 4), (3, 4), (51, 4), (4, 2), (3, 2), (51, 2)]
    shapes = [(1, channels, grid, grid) for channels, grid in image_maps]
    outputs = [Tensor("out", shape, "float32", 0) for shape in shapes]
    model = loaded(*outputs)
    model.answer = [np.full(shape, -9, np.float32) for shape in shapes]
    await service.create(monkeypatch, model, algorithm=algorithm)
    assert (await service.frame())[key] == []


async def test_the_first_wrong_setting_in_the_cameras_order_is_reported(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    config: dict[str, Any] = {
        "previewResolution": "x",
        "splitter": [None],
        "trace": 1,
        "debug": "",
        "tiou": None,
    }
    texts = []
    while config:
        with pytest.raises(NodeError) as refused:
            await service.create(monkeypatch, loaded(CLASSIFIER), **config)
        texts.append(refused.value.text.rpartition("type ")[2])
        config.popitem()
    assert texts == [
        "must be number, but is null",
        "must be boolean, but is string",
        "must be boolean, but is number",
        "must be number, but is null",
        "stoi",
    ]


@pytest.mark.parametrize("data", [None, 1, "debug", [], ["debug"], True, {}])
async def test_a_config_that_is_no_object_is_answered_and_changes_nothing(
    flow: Flow, data: Any
) -> None:
    answer = await flow.configure(data)
    assert (answer["code"], answer["data"]) == (0, data)
    await flow.event()


async def test_settings_before_a_wrong_splitter_are_taken(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [[Box(0.5, 0.5, 0.2, 0.2, 0.9, 0)]] * 2
    await service.create(monkeypatch, detector(monkeypatch, pictures))
    assert "tracks" not in await service.frame()
    node = service.nodes.find("m")
    assert node is not None
    with pytest.raises(NodeError, match="type must be number, but is string"):
        await node.control("config", {"trace": True, "splitter": ["1"]})
    assert (await service.frame())["tracks"] == [1]


async def test_a_splitter_is_cut_to_16_bits_and_may_be_longer(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = detector(monkeypatch, [[]])
    await service.create(monkeypatch, model, counting=True, splitter=[1.9, True, 65537, -1e9, 5])
    assert (await service.frame())["lines"] == [[1, 1, 1, 13824, 5]]


async def test_numbers_of_tracks_go_on_over_trace_set_again_and_over_a_new_node(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(0.5, 0.5, 0.2, 0.2, 0.9, 0)
    await service.create(monkeypatch, detector(monkeypatch, [[box]] * 3), trace=True)
    assert [(await service.frame())["tracks"] for _ in range(2)] == [[1], [1]]
    node = service.nodes.find("m")
    assert node is not None
    await node.control("config", {"trace": True})
    assert (await service.frame())["tracks"] == [2]
    await service.nodes.clear()
    await service.create(monkeypatch, detector(monkeypatch, [[box]]), trace=True)
    assert (await service.frame())["tracks"] == [3]
