"""Live messages, read as the camera writes them and as it should not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recam_deploy.detection.types import Detection
from recam_deploy.live.events import LiveEvent, LiveTimings, Message, NodeReply, parse_message

INVOKE: dict[str, Any] = {
    "type": 1,
    "name": "invoke",
    "code": 0,
    "data": {
        "count": 7,
        "resolution": [810, 1080],
        "labels": ["bus", "person"],
        "boxes": [[400, 560, 760, 480, 93, 5], [100, 200, 50, 80, 41, 0]],
        "perf": [[5, 60, 3]],
        "image": "",
    },
}


def event(**data: Any) -> LiveEvent:
    message = parse_message(json.dumps({**INVOKE, "data": {**INVOKE["data"], **data}}))
    assert message
    assert isinstance(message.content, LiveEvent)
    return message.content


def test_boxes_become_corners_in_pixels_of_the_picture() -> None:
    assert event() == LiveEvent(
        7,
        (810, 1080),
        (
            Detection(5, "bus", 0.93, (20, 320, 780, 800)),
            Detection(0, "person", 0.41, (75, 160, 125, 240)),
        ),
        LiveTimings(5, 60, 3),
    )


def test_keypoints_segments_and_classes_are_detections_too() -> None:
    row = [100, 100, 20, 40, 80, 1]
    pose = event(boxes=[], keypoints=[[row, [[90, 90, 99], [110, 110, 50]]]], labels=["person"])
    assert pose.detections[0].keypoints == ((90, 90), (110, 110))
    assert pose.detections[0].box == (90, 80, 110, 120)
    masks = event(boxes=[], segments=[[row, [1, 2, 3, 4]]], labels=["cat"])
    assert masks.detections[0].label == "cat"
    (found,) = event(boxes=[], classes=[[87, 3]], labels=["tench"]).detections
    assert (found.class_id, found.label, found.score) == (3, "tench", 0.87)


def test_a_reply_with_an_error_keeps_the_services_words() -> None:
    text = json.dumps({"type": 0, "name": "create", "code": 6, "data": "Model not supported"})
    assert parse_message(text, "abc") == Message(
        "abc", NodeReply("create", 6, "Model not supported")
    )


NONSENSE: list[Any] = [
    None,
    1,
    "x",
    [],
    {},
    [[]],
    [[1]],
    [["a"] * 6],
    [[1e400] * 6],
    [{}],
    [[True] * 6],
]


@pytest.mark.parametrize("field", ["resolution", "labels", "boxes", "keypoints", "perf", "classes"])
@pytest.mark.parametrize("value", NONSENSE, ids=repr)
def test_nonsense_in_a_field_gives_an_event_without_it(field: str, value: Any) -> None:
    found = event(**{"boxes": [], field: value})
    assert found.count == 7
    assert found.as_json()


def test_a_flood_of_boxes_is_cut_off() -> None:
    assert len(event(boxes=[[1, 1, 1, 1, 1, 1]] * 100_000).detections) <= 1000


@given(st.binary() | st.text())
def test_any_bytes_are_a_message_or_none(payload: bytes | str) -> None:
    parse_message(payload)


def test_deeply_nested_text_is_no_message() -> None:
    assert parse_message("[" * 100_000) is None
