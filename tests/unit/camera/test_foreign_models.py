"""Case 32 and 69: cvimodels from other people's recipes are warned of before the switch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cvimodels import cvimodel_bytes, yolo11_tensors

from recam_deploy.artifact import Artifact, TensorInfo, load_artifact
from recam_deploy.camera.checks import check_before_connecting
from recam_deploy.camera.foreign import foreign_warnings
from recam_deploy.cvimodel import CviModel, Tensor, read_model
from recam_deploy.errors import InputError, UnsupportedModelError

CELLS = sum((64 // stride) ** 2 for stride in (8, 16, 32))


def bare(folder: Path, *shapes: tuple[int, ...], dtype: str = "float32") -> Artifact:
    """A cvimodel of a 64×64 picture with these outputs, and no manifest."""
    outputs = [Tensor(f"o{n}", shape, dtype, 1.0, "") for n, shape in enumerate(shapes)]
    path = folder / "m.cvimodel"
    path.write_bytes(cvimodel_bytes(yolo11_tensors()[0], outputs))
    return load_artifact(path)


MAIXCAM = ((1, 64, CELLS, 1), (1, 3, CELLS, 1))
ONE_HEAD = ((1, 67, 8, 8), (1, 67, 4, 4), (1, 67, 2, 2))
CLASSES_FIRST = tuple((1, c, 64 // s, 64 // s) for s in (8, 16, 32) for c in (3, 64))


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (MAIXCAM, "MaixCAM"),
        (((1, 1, 4, CELLS), (1, 3, CELLS)), "MaixCAM"),
        (ONE_HEAD, "joined in one output"),
        (CLASSES_FIRST, "order"),
        (((1, 7, CELLS, 1),), "keeps its decoding"),
        (((1, 9, 9, 9), (1, 2)), "Model not supported"),
    ],
)
def test_outputs_of_no_family_are_said_to_be_refused_and_why(
    tmp_path: Path, shapes: tuple[tuple[int, ...], ...], words: str
) -> None:
    (warning,) = check_before_connecting(bare(tmp_path, *shapes))
    assert "will be refused by the camera's Node-RED" in warning
    assert "×".join(map(str, shapes[0])) in warning
    assert words in warning


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 8, CELLS, 1), "a pose model of one class with 1 key point, "),
        ((1, 56, CELLS, 1), "a pose model of one class with 17 key points, "),
        ((1, 8, 8, 3), "a FOMO model"),
        ((1, 8, CELLS), "a classifier"),
    ],
)
def test_outputs_that_pass_for_those_of_another_family_are_named(
    tmp_path: Path, shape: tuple[int, ...], words: str
) -> None:
    (warning,) = check_before_connecting(bare(tmp_path, shape))
    assert f"will be taken for {words}" in warning


@pytest.mark.parametrize("shape", [(1, 10, 1, 1), (1, 10)])
def test_what_can_only_be_a_classifier_is_not_warned_of(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    assert check_before_connecting(bare(tmp_path, shape)) == []


def test_a_detector_as_the_camera_wants_it_is_not_warned_of(tmp_path: Path) -> None:
    shapes = [tuple(tensor.shape) for tensor in yolo11_tensors()[1]]
    assert check_before_connecting(bare(tmp_path, *shapes)) == []


def test_a_manifest_that_says_what_the_outputs_are_needs_no_warning(tmp_path: Path) -> None:
    artifact = replace(
        bare(tmp_path, (1, 8, CELLS, 1)), family="yolo11-pose", outputs=(TensorInfo("o", (), ""),)
    )
    assert check_before_connecting(artifact) == []


@pytest.mark.parametrize("dtype", ["uint8", "bfloat16"])
def test_outputs_of_a_type_that_the_camera_does_not_decode_are_refused(
    tmp_path: Path, dtype: str
) -> None:
    shapes = [tuple(tensor.shape) for tensor in yolo11_tensors()[1]]
    with pytest.raises(UnsupportedModelError, match=f"{dtype} outputs"):
        check_before_connecting(bare(tmp_path, *shapes, dtype=dtype))


def layout(folder: Path) -> CviModel:
    path = folder / "m.cvimodel"
    path.write_bytes(cvimodel_bytes(*yolo11_tensors()))
    return read_model(path)


@pytest.mark.parametrize("version", ["1.5.0", "1.10.0", "2.0.0"])
def test_a_newer_format_is_warned_of(tmp_path: Path, version: str) -> None:
    """Case 69."""
    (warning,) = foreign_warnings(replace(layout(tmp_path), version=version))
    assert f"cvimodel format {version}" in warning


def test_a_newer_format_in_the_header_alone_is_warned_of(tmp_path: Path) -> None:
    """Case 69."""
    model = layout(tmp_path)
    newer = replace(model, header=replace(model.header, version="1.9"))
    assert "1.9" in "".join(foreign_warnings(newer))


@pytest.mark.parametrize("compiler", ["v1.27.1-20250901", "1.13", "v2.0"])
def test_a_newer_compiler_is_warned_of(tmp_path: Path, compiler: str) -> None:
    """Case 69."""
    (warning,) = foreign_warnings(replace(layout(tmp_path), compiler=compiler))
    assert f"tpu_mlir {compiler}" in warning


@pytest.mark.parametrize("compiler", ["v1.7-20240419", "1.12.0", "v1.2.89-g77a2268f", "", "tpuc"])
def test_known_compilers_are_not_warned_of(tmp_path: Path, compiler: str) -> None:
    assert foreign_warnings(replace(layout(tmp_path), compiler=compiler)) == []


@pytest.mark.parametrize("chip", ["cv180x", "cv183x", "bm1684x"])
def test_another_chip_is_named_before_anything_is_sent(tmp_path: Path, chip: str) -> None:
    """Case 69."""
    path = tmp_path / "m.cvimodel"
    path.write_bytes(cvimodel_bytes(*yolo11_tensors(), chip=chip))
    with pytest.raises(InputError, match=f"is for the chip {chip}; a reCamera's is cv181x"):
        check_before_connecting(load_artifact(path))
