"""What the camera would load and misread is refused before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cvimodels import cvimodel_bytes, yolo11_tensors

from recam_deploy.artifact import load_artifact
from recam_deploy.camera.checks import check_read_right
from recam_deploy.cvimodel import Tensor
from recam_deploy.errors import UnsupportedModelError

CELLS = sum((64 // stride) ** 2 for stride in (8, 16, 32))
NAMES = tuple("abcdefghij")


def saved(folder: Path, outputs: list[Tensor]) -> Path:
    path = folder / "m.cvimodel"
    path.write_bytes(cvimodel_bytes(yolo11_tensors()[0], outputs))
    return path


def uncut(classes: int) -> list[Tensor]:
    return [Tensor("output0", (1, 4 + classes, CELLS, 1), "float32", 1.0, "")]


@pytest.mark.parametrize("classes", [4, 7, 10])
def test_an_uncut_detector_is_not_taken_for_a_pose_model(tmp_path: Path, classes: int) -> None:
    path = saved(tmp_path, uncut(classes))
    with pytest.raises(UnsupportedModelError, match="pose model") as caught:
        check_read_right(load_artifact(path, NAMES[:classes]))
    assert "recam convert" in caught.value.hint


def test_a_pose_model_is(tmp_path: Path) -> None:
    check_read_right(load_artifact(saved(tmp_path, uncut(16)), ("person",)))


def test_float_outputs_in_groups_are_refused(tmp_path: Path) -> None:
    _, outputs = yolo11_tensors()
    grouped = outputs[0::2] + outputs[1::2]
    with pytest.raises(UnsupportedModelError, match="grouped"):
        check_read_right(load_artifact(saved(tmp_path, grouped), NAMES[:3]))
    integers = [replace(tensor, dtype="int8") for tensor in grouped]
    check_read_right(load_artifact(saved(tmp_path, integers), NAMES[:3]))


def test_heads_in_turn_are_right(tmp_path: Path) -> None:
    check_read_right(load_artifact(saved(tmp_path, yolo11_tensors()[1]), NAMES[:3]))
