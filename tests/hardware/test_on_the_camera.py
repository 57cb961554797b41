"""The whole journey on a real camera, and how its video rows lie; it is left as it was."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dense_build import build_dense
from labelled import alike, detections
from row_probe import SIDE, write_row_probe

from recam_deploy.resources import resource
from recam_deploy.settings import load_settings

from .conftest import Recam

pytestmark = [pytest.mark.hardware, pytest.mark.usefixtures("may_write")]
DEMO = resource("device/demo")
# Few layers in bf16: quick to convert, and no calibration to go wrong.
WORDS = ("--quantize", "bf16", "--calibration", DEMO / "calibration", "--images", "4")


@pytest.fixture(autouse=True)
def left_as_it_was(recam: Recam) -> Iterator[None]:
    """Put the flows and the model back that were there before the test."""
    flows, active = recam("flow", "show"), recam("history")["active"]
    yield
    if recam("flow", "show")["rev"] != flows["rev"]:
        recam("flow", "restore", "--yes")
    if active and recam("history")["active"] != active:
        recam("rollback", "--to", active)
        assert recam("history")["active"] == active


def live_labels(recam: Recam, count: int = 20) -> Counter[str]:
    """Push the flow; count the labels of the active model's results."""
    recam("flow", "push", "--yes")
    seen = recam("watch", "--count", str(count))
    return Counter(found["label"] for found in seen["detections"])


def test_one_command_shows_the_bundled_model_live(recam: Recam) -> None:
    words = ("--calibration", DEMO / "calibration", "--images", "8")
    picture = min((DEMO / "test").glob("*.jpg"))
    document = recam("up", DEMO / "shapes.onnx", *words, "--image", picture)
    assert document["live"]["events"] > 0


def test_int8_outputs_are_decoded_as_float_ones_are(recam: Recam, tmp_path: Path) -> None:
    found = []
    for name, flags in (("float", ()), ("int8", ("--int8-outputs",))):
        output = tmp_path / f"{name}.cvimodel"
        words = ("--calibration", DEMO / "calibration", "--images", "8", "--output", output)
        recam("convert", DEMO / "shapes.onnx", *words, *flags)
        picture = min((DEMO / "test").glob("*.jpg"))
        out = tmp_path / f"{name}.jpg"
        found.append(
            detections(recam("test", output.with_suffix(".json"), "--image", picture, "-o", out))
        )
    assert alike(*found), found


@pytest.mark.parametrize("build", ["aligned", "dense"])
def test_video_rows_are_padded(recam: Recam, build: str, tmp_path: Path) -> None:
    # Aligned builds are straight and dense ones sheared, or what recam says of rows is wrong.
    model = write_row_probe(tmp_path / "row_probe.onnx")
    converted: dict[str, Any] = recam(
        "convert", model, *WORDS, "--output", tmp_path / "probe.cvimodel"
    )
    artifact = Path(converted["artifact"]["manifest"])
    words: list[str | Path] = ["deploy", artifact]
    if build == "dense":
        cache = load_settings(environment=os.environ).cache_dir
        names = tmp_path / "names.txt"
        names.write_text("straight\nsheared\n")
        words = ["deploy", build_dense(cache, SIDE, "bf16", tmp_path / "dense"), "--labels", names]
    recam(*words)
    labels = live_labels(recam)
    assert labels.most_common(1)[0][0] == {"aligned": "straight", "dense": "sheared"}[build]
