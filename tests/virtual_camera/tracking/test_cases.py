"""The model node tracks and counts as the camera's own, to the pixel and the count.

``cases/*.json`` are whole events of the camera's model node, ``scenes.json`` the float32 values of
its ByteTrack. Each file says how it was made.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from virtual.sscma.results import Box
from virtual.sscma_node.tracker import Tracker

from ..model_node import Service, detector

FOLDER = Path(__file__).parent
CASES = sorted((FOLDER / "cases").glob("*.json"))
SCENES: dict[str, list[dict[str, Any]]] = json.loads((FOLDER / "scenes.json").read_text())["scenes"]
SIDE = 320


def single(values: list[float]) -> Box:
    """A box of float32 values, as a decoder gives it."""
    x, y, w, h, score = (float(np.float32(value)) for value in values[:5])
    return Box(x, y, w, h, score, int(values[5]))


@pytest.mark.parametrize("file", CASES, ids=[file.stem for file in CASES])
async def test_events_are_the_cameras(
    service: Service, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    case = json.loads(file.read_text())
    pictures = case["pictures"]
    boxes = [[single(box) for box in picture["boxes"]] for picture in pictures]
    settings = {key: case[key] for key in ("labels", "splitter")}
    model = detector(monkeypatch, boxes, SIDE)
    await service.create(monkeypatch, model, trace=True, counting=True, **settings)
    for number, picture in enumerate(pictures):
        data = await service.frame()
        assert data["lines"] == [case["splitter"]]
        event = {key: data[key] for key in picture["event"]}
        assert event == picture["event"], f"picture {number}"


@pytest.mark.parametrize("scene", SCENES)
def test_boxes_of_tracks_are_the_cameras_to_the_bit(scene: str) -> None:
    tracker = Tracker()
    for number, picture in enumerate(SCENES[scene]):
        tracks = tracker.update([single(box) for box in picture["boxes"]])
        wanted = [(track[0], single(track[1:])) for track in picture["tracks"]]
        assert tracks == wanted, f"picture {number}"
