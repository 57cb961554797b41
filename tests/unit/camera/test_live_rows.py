"""A model that the camera's padded rows would shear is found before it is deployed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from cvimodels import cvimodel_bytes, yolo11_tensors
from listener import Listener

from recam_deploy.artifact import Artifact, load_artifact
from recam_deploy.camera.checks import wrong_rows
from recam_deploy.cvimodel import Tensor, read_model
from recam_deploy.workflows.deploy import check_deployable


def built(folder: Path, shape: tuple[int, ...], *, aligned: bool) -> Artifact:
    image = Tensor("images_raw", shape, "uint8", 1.0, "RGB_PACKED", aligned)
    path = folder / "model.cvimodel"
    path.write_bytes(cvimodel_bytes([image], yolo11_tensors()[1]))
    return load_artifact(path)


@pytest.mark.parametrize(
    ("shape", "aligned", "rows"),
    [
        ((1, 640, 640, 3), False, "any"),
        ((1, 224, 256, 3), False, "any"),
        ((1, 224, 224, 3), True, "padded"),
        ((1, 224, 224, 3), False, "dense"),
        ((1, 256, 416, 3), False, "dense"),
        ((1, 96, 96, 3), True, "padded"),
        ((1, 64, 96, 1), False, "dense"),
        ((1, 64, 128, 1), False, "any"),
        ((1, 3, 224, 224), False, "any"),
        ((1, 10), False, "any"),
    ],
)
def test_rows_are_what_the_width_and_the_build_make_them(
    tmp_path: Path, shape: tuple[int, ...], aligned: bool, rows: str
) -> None:
    artifact = built(tmp_path, shape, aligned=aligned)
    layout = read_model(artifact.cvimodel)
    assert (layout.rows, layout.inputs[0].aligned) == (rows, aligned)
    assert (wrong_rows(artifact.read().layout) is not None) == (rows == "dense")


def test_a_deployment_warns_and_goes_on(tmp_path: Path) -> None:
    listener = Listener()
    model = built(tmp_path, (1, 416, 416, 3), aligned=False)
    described = dataclasses.replace(model, labels=("a",), family="raw")
    assert check_deployable(described, listener).labels == ("a",)
    (warning,) = listener.warnings
    assert "without --aligned_input" in warning
    assert "1248 bytes" in warning
    padded = built(tmp_path, (1, 416, 416, 3), aligned=True)
    check_deployable(dataclasses.replace(padded, family="raw"), listener)
    assert len(listener.warnings) == 1
