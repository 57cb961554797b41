"""Parse messages of the camera's service; ignore malformed ones.

Source: sscma-example-sg200x, solutions/sscma-node/main/node/model.cpp (`threadEntry`):
`boxes` rows are centre x, centre y, width, height in pixels of `resolution`, score × 100, class;
`labels[i]` belongs to row i; `perf` holds preprocess, inference, postprocess in milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..detection.types import Detection

MESSAGE_LIMIT = 16 << 20  # bytes; a message may hold a picture in base64
_ROWS = 1000


@dataclass(frozen=True)
class LiveTimings:
    """Milliseconds of each stage."""

    preprocess: float
    inference: float
    postprocess: float

    @property
    def total(self) -> float:
        """The sum of all stages, in milliseconds."""
        return self.preprocess + self.inference + self.postprocess

    def as_json(self) -> dict[str, float]:
        """Return `timings_ms`, with the keys of `test --json`."""
        return {
            "preprocess": round(self.preprocess, 1),
            "inference": round(self.inference, 1),
            "postprocess": round(self.postprocess, 1),
        }


@dataclass(frozen=True)
class LiveEvent:
    """The model's results for one picture.

    Boxes are in pixels of the picture, whose (width, height) is `resolution`. `count` is the model
    node's number of the picture.
    """

    count: int
    resolution: tuple[int, int]
    detections: tuple[Detection, ...]
    timings: LiveTimings | None

    def as_json(self) -> dict[str, Any]:
        """Return its object in `watch --json`."""
        return {
            "count": self.count,
            "resolution": list(self.resolution),
            "detections": [detection.as_json() for detection in self.detections],
            "timings_ms": self.timings.as_json() if self.timings else None,
        }


@dataclass(frozen=True)
class NodeReply:
    """The service's reply about a node: code 0 for success, else `text` is the error."""

    name: str
    code: int
    text: str


@dataclass(frozen=True)
class Message:
    """One message, and the id of its node; "" where it is unknown."""

    node: str
    content: LiveEvent | NodeReply


def parse_message(payload: bytes | str, node: str = "") -> Message | None:
    """Parse a message; return None for a malformed one, and for one that is not used."""
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
        LiveTimings(times[0], times[1], times[2]) if times else None,
    )


def _detections(data: dict[str, Any], resolution: tuple[int, int]) -> Iterator[Detection]:
    labels = data.get("labels")
    labels = labels if isinstance(labels, list) else []
    for index, row in enumerate(_rows(data, "boxes")):
        yield from _box(row, labels, index)
    for kind in ("keypoints", "segments"):
        for index, row in enumerate(_rows(data, kind)):
            if isinstance(row, list) and len(row) == 2:
                points = _points(row[1]) if kind == "keypoints" else ()
                yield from _box(row[0], labels, index, points)
    width, height = resolution
    for index, row in enumerate(_rows(data, "classes")):
        numbers = _numbers(row, 2)
        if numbers:
            class_id = int(numbers[1])
            label = _label(labels, index, class_id)
            yield Detection(class_id, label, numbers[0] / 100, (0, 0, width, height))


def _box(
    row: Any, labels: Sequence[Any], index: int, points: tuple[tuple[float, float], ...] = ()
) -> Iterator[Detection]:
    numbers = _numbers(row, 6)
    if numbers:
        x, y, w, h, score, target = numbers[:6]
        box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        label = _label(labels, index, int(target))
        yield Detection(int(target), label, score / 100, box, points)


def _points(value: Any) -> tuple[tuple[float, float], ...]:
    rows = value[:_ROWS] if isinstance(value, list) else []
    found = [_numbers(row, 2) for row in rows]
    return tuple((point[0], point[1]) for point in found if point)


def _rows(data: dict[str, Any], name: str) -> list[Any]:
    rows = data.get(name)
    return rows[:_ROWS] if isinstance(rows, list) else []


def _label(labels: Sequence[Any], index: int, class_id: int) -> str:
    label = labels[index] if index < len(labels) else None
    return label[:100] if isinstance(label, str) else str(class_id)


def _numbers(value: Any, least: int) -> list[float] | None:
    """Return the first numbers of a list, at least `least`; None where there are fewer."""
    if not isinstance(value, list) or len(value) < least:
        return None
    head = value[: max(least, 6)]
    # This refuses NaN, which is not less than anything, and integers too large for a float.
    if not all(type(n) in (int, float) and abs(n) < 1e9 for n in head):
        return None
    return [float(n) for n in head]
