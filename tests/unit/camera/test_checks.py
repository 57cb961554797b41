"""What the camera would load and misread is refused before anything is sent."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from cvimodels import cvimodel_bytes, int8_tensors, yolo11_tensors
from listener import Listener

from recam_deploy.artifact import load_artifact
from recam_deploy.camera.checks import (
    check_decoded,
    check_read_right,
    swapped_scales,
    wrong_format,
)
from recam_deploy.cvimodel import Tensor
from recam_deploy.errors import UnsupportedModelError
from recam_deploy.workflows.deploy import check_deployable

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
    with pytest.raises(UnsupportedModelError, match="three boxes and then three classes"):
        check_read_right(load_artifact(saved(tmp_path, grouped), NAMES[:3]))
    integers = [replace(tensor, dtype="int8") for tensor in grouped]
    check_read_right(load_artifact(saved(tmp_path, integers), NAMES[:3]))


def test_outputs_of_several_types_are_refused(tmp_path: Path) -> None:
    _, outputs = yolo11_tensors()
    mixed = [*outputs[:-1], replace(outputs[-1], dtype="int8")]
    with pytest.raises(UnsupportedModelError, match="reads all of them as float32"):
        check_read_right(load_artifact(saved(tmp_path, mixed), NAMES[:3]))


@pytest.mark.parametrize(("class_scale", "warned"), [(0.5, False), (0.25, True)])
def test_int8_outputs_with_unequal_scales_are_warned_of(
    tmp_path: Path, class_scale: float, warned: bool
) -> None:
    artifact = load_artifact(saved(tmp_path, int8_tensors(0.5, class_scale)[1]), NAMES[:3])
    listener = Listener()
    assert check_deployable(artifact, listener) is artifact
    swapped = [line for line in listener.warnings if "multiplies each with the other's" in line]
    assert len(swapped) == warned
    assert all("0.5 and 0.25 at stride 8" in line for line in swapped)
    assert (swapped_scales(artifact.read().layout) is not None) == warned


def test_float_outputs_are_not_warned_of(tmp_path: Path) -> None:
    outputs = [
        replace(tensor, qscale=1.0 + number) for number, tensor in enumerate(yolo11_tensors()[1])
    ]
    assert swapped_scales(load_artifact(saved(tmp_path, outputs), NAMES[:3]).read().layout) is None


def test_bfloat16_outputs_are_refused(tmp_path: Path) -> None:
    _, outputs = yolo11_tensors(dtype="bfloat16")
    with pytest.raises(UnsupportedModelError, match="bfloat16"):
        check_read_right(load_artifact(saved(tmp_path, outputs), NAMES[:3]))


@pytest.mark.parametrize(("dtype", "refused"), [("int8", True), ("float32", False)])
def test_what_makes_the_cameras_service_crash_is_refused(
    tmp_path: Path, dtype: str, refused: bool
) -> None:
    artifact = load_artifact(saved(tmp_path, [Tensor("map", (1, 8, 8, 3), dtype, 1.0, "")]))
    with pytest.raises(UnsupportedModelError, match="crashes") if refused else nullcontext():
        check_read_right(artifact)


def test_a_model_of_no_family_is_not_tested_on_the_camera(tmp_path: Path) -> None:
    artifact = load_artifact(saved(tmp_path, uncut(80)))
    with pytest.raises(UnsupportedModelError, match="1×84×84×1"):
        check_decoded(artifact)
    check_decoded(load_artifact(saved(tmp_path, yolo11_tensors()[1])))


def test_a_planar_input_is_warned_of(tmp_path: Path) -> None:
    image, outputs = yolo11_tensors()
    path = tmp_path / "m.cvimodel"
    for shape, warned in (((1, 3, 64, 64), True), ((1, 64, 64, 1), True), ((1, 64, 64, 3), False)):
        path.write_bytes(cvimodel_bytes([replace(image[0], shape=shape)], outputs))
        assert (wrong_format(load_artifact(path).read().layout) is not None) == warned


def test_heads_in_turn_are_right(tmp_path: Path) -> None:
    check_read_right(load_artifact(saved(tmp_path, yolo11_tensors()[1]), NAMES[:3]))
