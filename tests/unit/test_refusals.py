"""What the camera would refuse or misread is refused by `recam convert`, with a way out.

No compiler and no pictures are needed for that: the model alone is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx_models import SIZE, detector, query_detector, ranked_detector, with_branches
from typer.testing import CliRunner

from recam_deploy.cli.main import app

CELLS = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))
Build = Callable[[], onnx.ModelProto]


def dynamic() -> onnx.ModelProto:
    model = detector()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    return model


def two_inputs() -> onnx.ModelProto:
    shape = [1, 3, SIZE, SIZE]
    return detector(inputs={"images": shape, "mask": shape})


REFUSED: dict[str, tuple[Build, str, tuple[str, ...]]] = {
    "uncut detector with 7 classes, raw": (
        lambda: with_branches({"box": 4, "cls": 7}, {"output0": [1, 11, CELLS]}),
        "take the output 1×11×84 for a pose model",
        ("--family", "raw"),
    ),
    "oriented boxes": (
        lambda: with_branches({"box": 64, "cls": 3}, {"output0": [1, 8, CELLS]}, task="obb"),
        "oriented boxes",
        (),
    ),
    "YOLOv10": (ranked_detector, "YOLOv10", ()),
    "RT-DETR": (query_detector, "not one box and one class tensor", ()),
    "pose of several classes": (
        lambda: with_branches({"box": 64, "cls": 4, "kpt": 15}, {"output0": [1, 23, CELLS]}),
        "4 classes",
        (),
    ),
    "not square": (lambda: detector(inputs={"images": [1, 3, 64, 96]}), "square", ()),
    "dynamic axes": (dynamic, "dynamic", ()),
    "two inputs": (two_inputs, "2 inputs", ()),
    "not a multiple of 32": (
        lambda: detector(inputs={"images": [1, 3, 80, 80]}),
        "multiple of 32",
        (),
    ),
}


@pytest.mark.parametrize(("build", "reason", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_with_the_reason_and_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Build, reason: str, words: tuple[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECAM_CACHE_DIR", str(tmp_path / "cache"))
    onnx.save(build(), tmp_path / "m.onnx")
    done = CliRunner().invoke(app, ["convert", "m.onnx", "--json", *words])
    assert done.exit_code == 1
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "unsupported_model"
    assert reason in error["message"]
    assert error["hint"]
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
