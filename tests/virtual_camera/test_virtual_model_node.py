"""The model node with a simulator that only says what the model looks like."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from virtual.sscma.engine import Engine
from virtual.sscma.tensors import Model, Tensor
from virtual.sscma_node import model as node_module
from virtual.sscma_node.messages import Code, NodeError, decode
from virtual.sscma_node.node import ServiceEndedError

from .model_node import CLASSIFIER, SIDE, Loaded, Service, loaded


async def test_a_model_of_no_family_is_not_supported_and_let_go(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(Tensor("out", (1, 84, 84, 1), "float32", 0))
    with pytest.raises(NodeError, match="Model not supported") as refused:
        await service.create(monkeypatch, model)
    assert refused.value.code is Code.NOT_SUPPORTED
    assert model.closed
    assert service.nodes.find("m") is None


async def test_an_int8_fomo_model_ends_the_service_at_its_first_frame(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.create(monkeypatch, loaded(Tensor("out", (1, 8, 8, 3), "int8", 192)))
    with pytest.raises(ServiceEndedError):
        await service.frame()


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


async def test_a_packed_classifier_that_is_not_square_is_shown_a_picture_on_its_side(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Tensor("in", (1, 96, 64, 3), "uint8", 96 * 64 * 3)
    await service.create(monkeypatch, Loaded(Model((image,), (CLASSIFIER,))))
    assert (await service.frame())["resolution"] == [96, 64]


async def test_without_any_preview_there_is_no_picture_and_the_models_size(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.create(monkeypatch, loaded(CLASSIFIER), websocket=False, debug=False)
    data = await service.frame()
    assert (data["image"], data["resolution"]) == ("", [SIDE, SIDE])


async def test_a_signed_input_gets_the_scalers_bytes_as_they_are(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(CLASSIFIER, kind="int8")
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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2.0**64),
        ("-9223372036854775808", -(2**63)),
        ("-9223372036854775809", -(2.0**63)),
    ],
)
def test_whole_numbers_beyond_64_bits_are_floats(text: str, value: float) -> None:
    decoded = decode(text.encode())
    assert (type(decoded), decoded) == (type(value), value)


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b'\xef\xbb\xbf {"a": [1]} \n', {"a": [1]}),
        (b"[1]\0 and more", [1]),
        ('"é"'.encode(), "é"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
    ],
)
def test_requests_are_read_as_the_cameras_json_library_reads_them(
    payload: bytes, value: Any
) -> None:
    assert decode(payload) == value


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b" ", b"\0[1]", b"[1] x", b"[1,]", b"01", b"'a'"),
        *('"é"'.encode(encoding) for encoding in ("latin-1", "utf-16", "utf-32-le")),
        *(b'"\\ud800"', b'{"\\udc00": 1}', b'"\xed\xa0\x80"', b'"\n"'),
    ],
)
def test_requests_that_the_cameras_json_library_refuses_are_refused(payload: bytes) -> None:
    with pytest.raises(ValueError):
        decode(payload)
