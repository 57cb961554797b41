"""The function nodes of our templates, run by Node.js on messages as the camera sends them."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from node_red_runs import program

from recam_deploy.flows.templates import load_template

_RUN = """
const [code, messages] = JSON.parse(require("fs").readFileSync(0, "utf8"));
const kept = {};
const context = { get: (key) => kept[key], set: (key, value) => { kept[key] = value; } };
let now = 1000000;
Date.now = () => now;
const act = new Function("msg", "node", "context", code);
const node = { status: () => {} };
const told = messages.map((msg) => {
    now += msg.later || 0;
    return act(msg, node, context);
});
console.log(JSON.stringify(told));
"""


def run(template: str, *messages: dict[str, Any]) -> list[Any]:
    (function,) = [n for n in load_template(template) if n["type"] == "function"]
    done = subprocess.run(
        [program()[0], "-e", _RUN],
        input=json.dumps([function["func"], messages]),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[Any] = json.loads(done.stdout)
    return found


def invoke(**data: Any) -> dict[str, Any]:
    return {"payload": {"name": "invoke", "code": 0, "data": {"resolution": [640, 480], **data}}}


OTHER = {"payload": {"name": "create", "code": 0, "data": "ok"}}


def test_detections_are_corners_with_names() -> None:
    row = [100, 50, 20, 10, 93, 5]
    boxes, keypoints, classes, other = run(
        "detections",
        invoke(count=3, labels=["bus"], boxes=[row]),
        invoke(labels=["person"], keypoints=[[row, [[1, 2, 99]]]]),
        invoke(labels=["cat"], classes=[[80, 2]]),
        OTHER,
    )
    found = {"label": "bus", "class_id": 5, "score": 0.93, "box": [90, 45, 110, 55]}
    assert boxes["payload"] == {"count": 3, "width": 640, "height": 480, "detections": [found]}
    assert keypoints["payload"]["detections"][0]["points"] == [[1, 2, 99]]
    assert classes["payload"]["detections"][0]["box"] == [0, 0, 640, 480]
    assert other is None


def test_counts_are_told_when_they_change() -> None:
    one, same, two, other = run(
        "counting",
        invoke(counts=[1, 2, 3, 4]),
        invoke(counts=[1, 2, 3, 4]),
        invoke(counts=[1, 2, 3, 5]),
        OTHER,
    )
    assert one["payload"] == {"a": 1, "b": 2, "a_to_b": 3, "b_to_a": 4}
    assert (same, other) == (None, None)
    assert two["payload"]["b_to_a"] == 5


def test_a_recording_begins_with_the_first_object_and_ends_ten_seconds_after_the_last() -> None:
    seen, nothing = invoke(boxes=[[1, 1, 1, 1, 1, 1]]), invoke(boxes=[])
    told = run(
        "record", nothing, seen, {**nothing, "later": 9000}, {**nothing, "later": 2000}, seen
    )
    assert told == [
        {"enabled": False},
        {"enabled": True},
        None,
        {"enabled": False},
        {"enabled": True},
    ]
