"""An export is planned as data: the same files and versions have the same key, others have not."""

from __future__ import annotations

from pathlib import Path

import pytest
from foreign_files import CHECKPOINT, STATE_DICT, write_caffe, write_saved, write_torchscript

from recam_deploy.errors import UnsupportedModelError
from recam_deploy.frameworks import ExportPlan, plan_export, recognise


def planned(path: Path, size: tuple[int, int] | None = None) -> ExportPlan:
    model = recognise(path)
    assert model is not None
    return plan_export(model, size)


def test_the_command_line_can_be_pasted(tmp_path: Path) -> None:
    plan = planned(write_saved(tmp_path / "my model.pt", CHECKPOINT), (320, 640))
    assert plan.display() == (
        "python ultralytics_export.py model.pt --output model.onnx --imgsz 320 640"
    )
    assert plan.result == "my model.onnx"


def test_a_caffe_network_is_exported_from_both_files(tmp_path: Path) -> None:
    plan = planned(write_caffe(tmp_path))
    assert plan.display() == (
        "python caffe_export.py model.prototxt --output model.onnx --weights model.caffemodel"
    )
    assert plan.environment is None


def test_the_key_follows_the_bytes_and_the_size(tmp_path: Path) -> None:
    first = write_torchscript(tmp_path / "m.pt", {"imgsz": [64, 64]})
    (tmp_path / "copy").mkdir()
    same = tmp_path / "copy" / "m.pt"
    same.write_bytes(first.read_bytes())
    assert planned(first).key == planned(same).key
    other = write_torchscript(tmp_path / "copy" / "m.pt", {"imgsz": [96, 96]})
    assert planned(first).key != planned(other).key
    assert planned(first).key != planned(first, (32, 32)).key


def test_what_was_refused_is_not_planned(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="weights only"):
        planned(write_saved(tmp_path / "m.pt", STATE_DICT))


def test_a_size_for_a_model_that_has_its_own_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="is fixed in the file"):
        planned(write_caffe(tmp_path), (32, 32))
