"""A detector with INT8 outputs has one scale for both maps of a stride, or is not made."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cvimodels import cvimodel_bytes, int8_tensors, yolo11_tensors
from networks import a_network

from recam_deploy.conversion.calibration import CalibrationSet
from recam_deploy.conversion.int8_outputs import check_int8_outputs, share_thresholds
from recam_deploy.conversion.layout_check import check_layout
from recam_deploy.conversion.options import CalibrationOptions, ConversionOptions, DeployOptions
from recam_deploy.conversion.plan import ConversionPlan, plan_conversion
from recam_deploy.cvimodel import CviModel, read_model
from recam_deploy.errors import CompilationError, InputError, VerificationError
from recam_deploy.toolchain import read_calibration_table

NETWORK = a_network(
    family="yolo11-detect",
    cut_at=("/b8/out", "/c8/out", "b16", "c16", "b32", "c32"),
    output_shapes=tuple((1, c, g, g) for g in (8, 4, 2) for c in (64, 3)),
    classes=3,
    labels=("a", "b", "c"),
)
TABLE = """\
# generated time: some day
# op_name    threshold    min    max
images 1.0000000 0.0000000 1.0000000
/b8/out_Conv 10.1234567 -9.0000000 10.0000000
/b8/out_other_Conv 3.0000000 -3.0000000 3.0000000
/c8/out_Conv 40.7654321 -40.0000000 4.0000000
b16 7.0000000 -7.0000000 7.0000000
c16 5.0000000 -5.0000000 5.0000000
b32_Conv 2.0000000 -2.0000000 2.0000000
c32_Conv 2.5000000 -2.0000000 2.5000000
"""
PICTURES = CalibrationSet(Path("d"), ((Path("d/1.jpg"), "11"),))


def planned(*, int8_outputs: bool, **calibration: Any) -> ConversionPlan:
    options = ConversionOptions(
        calibration=CalibrationOptions(**calibration),
        deploy=DeployOptions(int8_outputs=int8_outputs),
    )
    return plan_conversion(NETWORK, PICTURES, options, quantization="int8", tpu_mlir="1.7")


def layout(folder: Path, dtype: str, class_scale: float = 0.5) -> CviModel:
    tensors = int8_tensors(0.5, class_scale) if dtype == "int8" else yolo11_tensors(dtype=dtype)
    (folder / "m.cvimodel").write_bytes(cvimodel_bytes(*tensors))
    return read_model(folder / "m.cvimodel")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_both_maps_of_a_stride_get_the_larger_threshold(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "table"
    path.write_text(mark + TABLE, "utf-8")
    before = read_calibration_table(path)
    share_thresholds(path, NETWORK)
    after = read_calibration_table(path)
    assert list(after) == list(before)
    shared = {"/b8/out_Conv": 40.7654321, "c16": 7.0, "b32_Conv": 2.5}
    wanted = {
        name: replace(row, threshold=shared.get(name, row.threshold))
        for name, row in before.items()
    }
    assert after == wanted
    assert path.read_text().splitlines()[:2] == TABLE.splitlines()[:2]


def test_a_table_without_an_output_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text(TABLE.replace("c16", "c17"))
    with pytest.raises(CompilationError, match="no threshold for the output c16"):
        share_thresholds(path, NETWORK)


@pytest.mark.parametrize(
    ("family", "quantization", "message"),
    [
        ("yolo11-detect", "int8", None),
        ("yolo11-detect", "bf16", "the precision is bf16"),
        ("yolo11-detect", "mixed", "the precision is mixed"),
        ("yolo26-detect", "int8", "this model is yolo26-detect"),
        ("yolov5-detect", "int8", "this model is yolov5-detect"),
        ("yolo11-pose", "int8", "this model is yolo11-pose"),
        ("yolo11-seg", "int8", "this model is yolo11-seg"),
        ("classify", "int8", "this model is classify"),
        ("raw", "int8", "this model is raw"),
    ],
)
def test_other_families_and_precisions_are_refused(
    family: str, quantization: str, message: str | None
) -> None:
    with pytest.raises(InputError, match=message) if message else nullcontext():
        check_int8_outputs(replace(NETWORK, family=family), quantization)


def test_only_the_compilation_is_another_one() -> None:
    plain, int8 = (planned(int8_outputs=wanted) for wanted in (False, True))
    assert int8.calibrate == plain.calibrate
    assert int8.transform == plain.transform
    assert int8.compile.key != plain.compile.key
    more = set(int8.commands[-1].arguments) - set(plain.commands[-1].arguments)
    assert more == {"--quant_output"}


@pytest.mark.parametrize(
    ("calibration", "origin"),
    [
        ({}, "recam measures"),
        ({"table": TABLE}, "user's calibration table"),
        ({"calibrator": "stock"}, "run_calibration's table"),
    ],
)
def test_a_dry_run_says_that_the_table_is_changed(calibration: dict[str, str], origin: str) -> None:
    said = planned(int8_outputs=True, **calibration).own_files["calibration_table"]
    assert origin in said
    assert "larger threshold" in said


def test_int8_outputs_pass_where_they_are_asked_for(tmp_path: Path) -> None:
    check_layout(layout(tmp_path, "int8"), NETWORK, int8_outputs=True)


@pytest.mark.parametrize(
    ("dtype", "class_scale", "asked", "message"),
    [
        ("int8", 0.25, True, "scale of the classes at stride 8 is 0.25, not 0.5"),
        ("float32", 0.5, True, "is float32, not int8"),
        ("int8", 0.5, False, "is int8, not float32"),
    ],
)
def test_a_cvimodel_with_other_outputs_fails_the_check(
    tmp_path: Path, dtype: str, class_scale: float, asked: bool, message: str
) -> None:
    with pytest.raises(VerificationError, match=message):
        check_layout(layout(tmp_path, dtype, class_scale), NETWORK, int8_outputs=asked)
