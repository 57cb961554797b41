"""The trained models of the tests are what their cards say, and are cut as their family is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from recam_deploy.network.reading import read_network

MODELS = Path(__file__).resolve().parents[2] / "models"


def heads(layer: str, first: str, second: str) -> list[str]:
    """Both last convolutions of each scale, by Ultralytics' names."""
    return [
        f"/model.{layer}/{branch}.{scale}/{branch}.{scale}.2/Conv_output_0"
        for scale in range(3)
        for branch in (first, second)
    ]


CUTS = {
    "yolo11-shapes-192": ("yolo11-detect", heads("23", "cv2", "cv3")),
    "yolov8-shapes-192": ("yolo11-detect", heads("22", "cv2", "cv3")),
    "yolo26-shapes-192": (
        "yolo26-detect",
        sorted(heads("23", "one2one_cv2", "one2one_cv3")),
    ),
    "yolov5-shapes-192": ("yolov5-detect", ["output0"]),
    "yolo11-pose-shapes-192": ("yolo11-pose", ["output0"]),
    "yolov8-pose-shapes-192": ("yolo11-pose", ["output0"]),
    "yolo11-seg-shapes-192": ("yolo11-seg", ["output0", "output1"]),
    "yolov8-seg-shapes-192": ("yolo11-seg", ["output0", "output1"]),
    "yolo11-cls-shapes-128": ("classify", ["output0"]),
}


@pytest.mark.parametrize("name", CUTS)
def test_a_trained_model_is_cut_at_the_heads_of_its_family(name: str) -> None:
    network, _ = read_network(MODELS / f"{name}.onnx")
    assert (network.family, list(network.cut_at)) == CUTS[name]


def test_every_model_has_a_card_that_describes_this_very_file() -> None:
    models = sorted(MODELS.glob("*.onnx"))
    assert [model.stem for model in models] == sorted(CUTS)
    for model in models:
        card = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
        assert card["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
        assert card["model"] == model.name
        assert model.stat().st_size == card["bytes"] <= 700_000
