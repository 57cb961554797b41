"""Numbers of an event that do not fit their type come out as on the camera."""

from __future__ import annotations

import json

import numpy as np
import pytest
from virtual.sscma.results import Box, Pose
from virtual.sscma_node import events
from virtual.sscma_node.events import View

from .recorded import CASES

VALUES = json.loads((CASES / "casts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", VALUES)
@pytest.mark.parametrize("kind", ["int8", "int16", "uint16"])
def test_a_number_is_converted_as_the_processor_does(row: dict[str, str | int], kind: str) -> None:
    with np.errstate(over="ignore"):
        value = np.float32(row["float"])
    assert getattr(events, kind)(value) == row[kind]


def test_boxes_far_outside_the_picture_wrap() -> None:
    view = View(640, 640)
    assert view.box(Box(62.5, -62.5, 0.5, float("nan"), 1.3, 0)) == [
        -25536,
        25536,
        320,
        -1,
        -126,
        0,
    ]
    box, points = view.keypoints(Pose(Box(0, 0, 0, 0, 0.5, 0), ((62.5, 0.5),), (1.3,)))
    assert points == [[-25536, 320, -126]]
    assert box[4] == 50


def test_a_place_is_rounded_once_with_its_offset() -> None:
    # x * 480 is just below 83; rounded by itself it would be 83, and the sum 3.
    x = np.float32(83 / 480)
    assert float(x) * 480 < 83
    assert x * np.float32(480) == 83
    assert View(320, 480).point(float(x), 0.5) == [2, 240]
