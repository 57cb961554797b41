"""Messages of the camera's service, read into values; pure, and unimpressed by nonsense.

Their form is in sscma-example-sg200x, solutions/sscma-node/main/node/model.cpp (`threadEntry`):
`boxes` rows are centre x, centre y, width, height in pixels of `resolution`, score × 100, class;
`labels[i]` belongs to row i; `perf` holds preprocess, inference, postprocess in milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..detection.types import Detection

MESSAGE_LIMIT = 16 << 20  # a picture in base64 comes along
_ROWS = 1000


@dataclass(frozen=True)
class Timings:
    """Milliseconds that the stages took."""

    preprocess: float
    inference: float
    postprocess: float

    def as_json(self) -> dict[str, float]:
        """As `smoke` names them."""
        return {
            "preprocess": round(self.preprocess, 1),
            "inference": round(self.inference, 1),
            "postprocess": round(self.postprocess, 1),
        }


@dataclass(frozen=True)
class LiveEvent:
    """What the model found in one picture of the camera's.

    Boxes are in pixels of that picture, whose width and height are `resolution`. `count` is the
    model node's own number of the picture.
    """

    count: int
    resolution: tuple[int, int]
    detections: tuple[Detection, ...]
    timings: Timings | None

    def as_json(self) -> dict[str, Any]:
        """As `watch --json` shows it."""
        return {
            "count": self.count,
            "resolution": list(self.resolution),
            "detections": [detection.as_json() for detection in self.detections],
            "timings_ms": self.timings.as_json() if self.timings else None,
        }


@dataclass(frozen=True)
class NodeReply:
    """What the service answers to a node: 0 is good, otherwise `text` says what is wrong."""

    name: str
    code: int
    text: str


@dataclass(frozen=True)
class Message:
    """One message, and the id of the node that it is about ("" where that is not told)."""

    node: str
    content: LiveEvent | NodeReply


def parse_message(payload: bytes | str, node: str = "") -> Message | None:
    """A message's content; None for what is none, or not for us."""
    if len(payload) > MESSAGE_LIMIT:
        return None
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    code, data = value.get("code"), value.get("data")
    if value["name"] == "invoke" and code == 0 and isinstance(data, dict):
        return Message(node, _event(data))
    if type(code) is not int:
        return None
    text = data[:200] if isinstance(data, str) else ""
    return Message(node, NodeReply(value["name"][:40], code, text))


def _event(data: dict[str, Any]) -> LiveEvent:
    size = _numbers(data.get("resolution"), 2)
    resolution = (int(size[0]), int(size[1])) if size else (0, 0)
    perf = data.get("perf")
    times = _numbers(perf[0], 3) if isinstance(perf, list) and perf else None
    count = data.get("count")
    return LiveEvent(
        count if type(count) is int else 0,
        resolution,
        tuple(_detections(data, resolution)),
        Timings(times[0], times[1], times[2]) if times else None,
    )


def _detections(data: dict[str, Any], resolution: tuple[int, int]) -> Iterator[Detection]:
    labels = data.get("labels")
    labels = labels if isinstance(labels, list) else []
    for place, row in enumerate(_rows(data, "boxes")):
        yield from _box(row, labels, place)
    for kind in ("keypoints", "segments"):
        for place, row in enumerate(_rows(data, kind)):
            if isinstance(row, list) and len(row) == 2:
                points = _points(row[1]) if kind == "keypoints" else ()
                yield from _box(row[0], labels, place, points)
    width, height = resolution
    for place, row in enumerate(_rows(data, "classes")):
        numbers = _numbers(row, 2)
        if numbers:
            class_id = int(numbers[1])
            label = _label(labels, place, class_id)
            yield Detection(class_id, label, numbers[0] / 100, (0, 0, width, height))


def _box(
    row: Any, labels: Sequence[Any], place: int, points: tuple[tuple[float, float], ...] = ()
) -> Iterator[Detection]:
    numbers = _numbers(row, 6)
    if numbers:
        x, y, w, h, score, target = numbers[:6]
        box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        label = _label(labels, place, int(target))
        yield Detection(int(target), label, score / 100, box, points)


def _points(value: Any) -> tuple[tuple[float, float], ...]:
    rows = value[:_ROWS] if isinstance(value, list) else []
    found = [_numbers(row, 2) for row in rows]
    return tuple((point[0], point[1]) for point in found if point)


def _rows(data: dict[str, Any], name: str) -> list[Any]:
    rows = data.get(name)
    return rows[:_ROWS] if isinstance(rows, list) else []


def _label(labels: Sequence[Any], place: int, class_id: int) -> str:
    label = labels[place] if place < len(labels) else None
    return label[:100] if isinstance(label, str) else str(class_id)


def _numbers(value: Any, least: int) -> list[float] | None:
    """The numbers of a list that has at least so many, and nothing else at its beginning."""
    if not isinstance(value, list) or len(value) < least:
        return None
    head = value[: max(least, 6)]
    # NaN is not less than anything, and an integer of JSON's may be larger than any float.
    if not all(type(n) in (int, float) and abs(n) < 1e9 for n in head):
        return None
    return [float(n) for n in head]
