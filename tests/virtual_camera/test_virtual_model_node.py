"""The model node with a simulator that only says what the model looks like."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from virtual.pictures import DEFAULT, Frame, Pictures
from virtual.sscma.engine import Engine, Run
from virtual.sscma.tensors import Model, Tensor
from virtual.sscma_node import model as node_module
from virtual.sscma_node.factory import Nodes
from virtual.sscma_node.messages import Code, NodeError, decode
from virtual.sscma_node.node import Surroundings
from virtual.sscma_node.preview import Preview

SIDE = 64
CLASSIFIER = Tensor("out", (1, 3, 1, 1), "float32", 12)


@dataclass
class Loaded:
    """A model that answers every picture alike, and remembers what it was given."""

    model: Model
    scores: tuple[float, ...] = (0.3, 0.6, 0.1)
    closed: bool = False
    given: list[bytes] = field(default_factory=list)

    async def run(self, data: bytes) -> Run:
        self.given.append(data)
        return Run([np.array(self.scores, np.float32).reshape(1, 3, 1, 1)], 5.0)

    async def close(self) -> None:
        self.closed = True


def loaded(output: Tensor, kind: str = "uint8") -> Loaded:
    image = Tensor("in", (1, SIDE, SIDE, 3), kind, SIDE * SIDE * 3)
    return Loaded(Model((image,), (output,)))


@dataclass
class Service:
    """Nodes without a broker: ``sent`` is what they published."""

    nodes: Nodes
    sent: list[tuple[str, dict[str, Any]]]

    async def create(self, monkeypatch: pytest.MonkeyPatch, model: Loaded, **config: Any) -> None:
        async def load(_engine: Engine, _path: Path) -> Loaded:
            return model

        monkeypatch.setattr(node_module, "load", load)
        settings = {"websocket": False} | config
        await self.nodes.create("m", {"type": "model", "config": settings})

    async def frame(self) -> dict[str, Any]:
        """What the node says of one grey frame."""
        node = self.nodes.find("m")
        assert isinstance(node, node_module.ModelNode)
        grey = np.full((SIDE, SIDE, 3), 100, np.uint8)
        await node._invoke(Frame(1, grey), (SIDE, SIDE))
        data: dict[str, Any] = self.sent[-1][1]["data"]
        return data


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    sent: list[tuple[str, dict[str, Any]]] = []
    (tmp_path / "model.cvimodel").touch()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        around = Surroundings(
            publish=lambda id_, message: sent.append((id_, json.loads(message))),
            host_path=lambda _name: tmp_path / "model.cvimodel",
            pictures=Pictures(DEFAULT, 1.0),
            engine=Engine("", tmp_path / "log", tmp_path),
            preview=Preview(bound),
            mended=False,
        )
        yield Service(Nodes(around), sent)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((1, 84, 84, 1), "Model not supported"),
        ((1, 8, 8, 3), "the virtual camera does not decode FOMO models yet"),
    ],
)
async def test_a_model_of_no_family_is_not_supported_and_let_go(
    service: Service, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], text: str
) -> None:
    model = loaded(Tensor("out", shape, "float32", 0))
    with pytest.raises(NodeError, match=text) as refused:
        await service.create(monkeypatch, model)
    assert refused.value.code is Code.NOT_SUPPORTED
    assert model.closed
    assert service.nodes.find("m") is None


async def test_a_threshold_that_is_no_number_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(CLASSIFIER)
    with pytest.raises(NodeError, match="type must be number, but is null"):
        await service.create(monkeypatch, model, tscore=None)
    assert model.closed


async def test_a_classifier_tells_classes_best_first(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.create(monkeypatch, loaded(CLASSIFIER), tscore=0.2, labels=["a", "b"])
    data = await service.frame()
    assert data["classes"] == [[60, 1], [30, 0]]
    assert data["labels"] == ["b", "a"]
    assert "boxes" not in data


async def test_a_classifier_wants_half_unless_it_is_told_otherwise(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.create(monkeypatch, loaded(CLASSIFIER))
    assert (await service.frame())["classes"] == [[60, 1]]


async def test_without_any_preview_there_is_no_picture_and_the_models_size(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.create(monkeypatch, loaded(CLASSIFIER), websocket=False, debug=False)
    data = await service.frame()
    assert (data["image"], data["resolution"]) == ("", [SIDE, SIDE])


async def test_a_signed_input_gets_the_scalers_bytes_as_they_are(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(CLASSIFIER, "int8")
    await service.create(monkeypatch, model)
    await service.frame()
    assert set(model.given[0]) == {100}


SETTINGS = (
    *("uri", "labels", "tscore", "tiou", "debug", "websocket", "trace", "counting", "splitter"),
    *("previewResolution", "option", "fps", "preview", "mirror", "storage", "slice", "saveMode"),
    *("duration", "enabled", "port", "session", "username"),
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["local", "image", "auto", "0x0", "9999999999x1", "640x480"])
    | st.text(),
    lambda values: st.lists(values, max_size=5) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=6,
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(["camera", "model", "save", "stream"]),
    config=st.dictionaries(st.sampled_from(SETTINGS), VALUES, max_size=6),
    control=st.sampled_from(["config", "enabled", "light", "preview", "capture", "x"]),
    data=VALUES | st.dictionaries(st.sampled_from(SETTINGS), VALUES, max_size=6),
)
def test_no_settings_and_no_control_end_the_service(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    config: Any,
    control: str,
    data: Any,
) -> None:
    async def go() -> None:
        async def load(_engine: Engine, _path: Path) -> Loaded:
            return loaded(CLASSIFIER)

        monkeypatch.setattr(node_module, "load", load)
        with contextlib.suppress(NodeError):
            await service.nodes.create("n", {"type": kind, "config": config})
        with contextlib.suppress(NodeError):
            if node := service.nodes.find("n"):
                await node.control(control, data)
        await service.nodes.clear()

    try:
        config, data = (decode(json.dumps(value).encode()) for value in (config, data))
    except ValueError:
        return  # refused before it reaches a node
    asyncio.run(go())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 400])
def test_numbers_that_are_none_are_no_json(number: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        decode(f"[{number}]".encode())


def test_whole_numbers_beyond_64_bits_are_floats() -> None:
    assert decode(b"[12, -3, 10000000000000000000]") == [12, -3, 1e19]
    assert isinstance(decode(b"10000000000000000000"), float)
