"""Calibration tables, and the tensors that need a line in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from recam_deploy.errors import CompilationError
from recam_deploy.toolchain.tables import (
    Threshold,
    check_calibration_table,
    mlir_tensors,
    read_calibration_table,
)

TABLE = """\
# genetated time: 2026-11-23 09:36:06.697082
# histogram number: 2048
# sample number: 3
# tune number: 5
###
# op_name    threshold    min    max
images 0.9764784 0.0000000 0.9764784
r_Relu 2.0611844 0.0000000 2.0611844
y_Conv 1.2058994 -1.2058994 1.0873368
"""

# As model_transform writes it, with attributes shortened.
MLIR = """\
#loc = loc(unknown)
module @m attributes {module.state = "TOP_F32", module.weight_file = "m_weight.npz"} {
  func.func @main(%arg0: tensor<1x3x32x32xf32> loc(unknown)) -> tensor<1x4x16x16xf32> {
    %0 = "top.None"() : () -> none loc(#loc)
    %1 = "top.Input"(%arg0) {pad_value = 0 : i64} : (tensor<1xf32>) -> tensor<1xf32> loc(#loc1)
    %2 = "top.Weight"() : () -> tensor<8x3x3x3xf32> loc(#loc2)
    %3 = "top.Conv"(%1, %2, %0) {do_relu = true} : (tensor<1xf32>) -> tensor<1xf32> loc(#loc3)
    %4 = "top.Conv"(%3, %2, %0) {do_relu = false} : (tensor<1xf32>) -> tensor<1xf32> loc(#loc4)
    return %4 : tensor<1x4x16x16xf32> loc(#loc)
  } loc(#loc)
} loc(#loc)
#loc1 = loc("images")
#loc2 = loc("w")
#loc3 = loc("r_Relu")
#loc4 = loc("y_Conv")
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read_in_its_order(tmp_path: Path) -> None:
    table = read_calibration_table(write(tmp_path / "table", TABLE))
    assert list(table) == ["images", "r_Relu", "y_Conv"]
    assert table["y_Conv"] == Threshold(1.2058994, -1.2058994, 1.0873368)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a header\n",
        "garbage\n",
        "images 1.0 0.0\n",
        "images 1.0 0.0 1.0 2.0\n",
        "images 1.0 zero 1.0\n",
        "images nan 0.0 1.0\n",
        TABLE[:-12],
    ],
)
def test_what_is_not_a_whole_table_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(CompilationError, match="calibration table"):
        read_calibration_table(write(tmp_path / "table", text))


def test_a_table_that_is_missing_or_binary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompilationError):
        read_calibration_table(tmp_path / "nothing")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CompilationError):
        read_calibration_table(tmp_path / "binary")


def test_tensors_are_all_operations_but_weights() -> None:
    assert mlir_tensors(MLIR) == ("images", "r_Relu", "y_Conv")


def test_of_several_results_the_first_needs_a_threshold() -> None:
    text = (
        '    %values, %indices = "top.TopK"(%3) {K = 2 : i64} : (tensor<1xf32>) -> '
        "(tensor<1xf32>, tensor<1xf32>) loc(#loc6)\n"
        '#loc4 = loc("v_TopK")\n#loc5 = loc("i_TopK")\n#loc6 = loc(fused[#loc4, #loc5])\n'
    )
    assert mlir_tensors(text) == ("v_TopK",)


def test_a_table_that_covers_the_network_is_accepted(tmp_path: Path) -> None:
    check_calibration_table(write(tmp_path / "table", TABLE), write(tmp_path / "m.mlir", MLIR))


def test_a_table_that_lacks_tensors_is_refused_and_they_are_named(tmp_path: Path) -> None:
    cut = "".join(line for line in TABLE.splitlines(True) if not line.startswith("y_Conv"))
    with pytest.raises(CompilationError, match="lacks y_Conv"):
        check_calibration_table(write(tmp_path / "table", cut), write(tmp_path / "m.mlir", MLIR))


def test_many_missing_tensors_are_counted(tmp_path: Path) -> None:
    more = "".join(
        f'    %{n} = "top.Relu"(%1) : (tensor<1xf32>) -> tensor<1xf32> loc(#loc{n})\n'
        for n in range(10, 16)
    ) + "".join(f'#loc{n} = loc("t{n}")\n' for n in range(10, 16))
    with pytest.raises(CompilationError, match="lacks t10, t11, t12 and 3 more"):
        check_calibration_table(
            write(tmp_path / "table", TABLE), write(tmp_path / "m.mlir", MLIR + more)
        )
