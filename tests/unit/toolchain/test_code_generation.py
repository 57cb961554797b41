"""What the code generator prints when the chip cannot compute a layer. The texts are real."""

from __future__ import annotations

from pathlib import Path

import pytest

from recam_deploy.errors import CompilationError
from recam_deploy.toolchain.code_generation import find_refusal, generation_error
from recam_deploy.toolchain.tools import ToolCommand, run_tool

from .fakes import Recorder, captured
from .test_tables import MLIR, TABLE
from .test_tools import TOOLCHAIN, writing

LOG = Path("/my models/4-compile.log")
UPSAMPLE = (
    "tpuc-opt: /__w/tpu-mlir/tpu-mlir/lib/Backend/CV18xx/Kernel/TgUpsampleKernel.cpp:56: void "
    "tpu_mlir::backend::upsample_split(uint32_t, cvk_fmt_t, int, uint32_t &): Assertion `c_step && "
    'h_step && "Expect valid upsample tiling"\' failed.\n'
)


def layer(number: int, kind: str, window: str = "", shape: str = "1x8x4x4") -> str:
    """A line of MLIR: the layer `m<number>`, which reads the one before it."""
    attributes = f"{window}, do_relu = false" if window else "do_relu = false"
    return (
        f'    %{number} = "top.{kind}"(%{number - 1}) {{{attributes}}} : '
        f'(tensor<1x8x64x64xf32>) -> tensor<{shape}xf32> loc("m{number}")'
    )


def network(folder: Path, *layers: str) -> Path:
    path = folder / "m.mlir"
    path.write_text("\n".join(layers) + "\n")
    return path


def window(kernel: int, stride: int) -> str:
    return f"kernel_shape = [{kernel}, {kernel}], strides = [{stride}, {stride}]"


def failure(output: str, mlir: Path | None) -> CompilationError:
    error = generation_error("model_deploy", output, mlir, LOG)
    assert error is not None
    assert str(LOG) in error.hint
    assert "\n" not in error.message
    return error


@pytest.mark.parametrize(
    "line",
    [
        "cvkcv181x tiu max pool: wrong parameter",
        "cvkcv181x tiu avg pool: wrong paramter",
        "cvkcv181x pt dw-conv: invalid param",
        "cvkcv181x: alloc ps32 matrix fail",
        "cvkcv181x: l2g cmpr: wrong parameter",
        "cvcv181x l2g nc tp: wrong parameter",
        "cvkcv181x tiu_pt_conv: wrong parameter",
        "[####              ] 50%cvkcv181x tiu conv: wrong parameter",
        "cvkcv181x tiu conv: wrong pa  [oc_pos=0] cur_oc 3, stepSize 48, SKIP",
        "cvkcv181x t[####   ] 50%",
    ],
)
def test_every_message_of_the_kernel_library_is_a_failure(line: str) -> None:
    assert generation_error("model_deploy", f"fine\n{line}\nfine\n", None, LOG) is not None


@pytest.mark.parametrize("name", ["deploy_output", "transform_output", "calibration_output"])
def test_what_a_good_run_prints_is_none(name: str) -> None:
    assert find_refusal(captured(name)) is None


def test_the_layer_beyond_the_chips_limit_is_named_with_the_limit(tmp_path: Path) -> None:
    mlir = network(
        tmp_path,
        layer(1, "MaxPool", window(5, 1)),
        layer(2, "Conv", window(32, 32)),
        layer(3, "MaxPool", window(4, 32)),
        layer(4, "MaxPool", window(31, 31)),
    )
    error = failure("cvkcv181x tiu max pool: wrong parameter\n", mlir)
    assert "the layer m3 (MaxPool, kernel 4×4, stride 32×32, output 1×8×4×4)" in error.message
    assert "m1" not in error.message
    assert "m2" not in error.message
    assert "m4" not in error.message
    assert "noise" in error.message
    assert "at most 31" in error.hint


def test_a_transposed_convolution_has_a_lower_limit(tmp_path: Path) -> None:
    mlir = network(tmp_path, layer(1, "Conv", window(3, 16)), layer(2, "Deconv", window(16, 16)))
    error = failure("cvkcv181x tiu conv: wrong parameter\n", mlir)
    assert "the layer m2 (Deconv" in error.message
    assert "at most 15" in error.hint


def test_a_softmax_over_too_many_values_is_named(tmp_path: Path) -> None:
    mlir = network(tmp_path, layer(1, "Relu"), layer(2, "Softmax", shape="1x16x1x16384"))
    error = failure("cvkcv181x tiu xor: wrong parameter\n" * 16, mlir)
    assert "the layer m2 (Softmax, output 1×16×1×16384)" in error.message


def test_where_it_may_be_several_layers_the_largest_come_first(tmp_path: Path) -> None:
    layers = [layer(n, "Relu", shape=f"1x8x{n}x{n}") for n in range(1, 6)]
    error = failure("cvkcv181x g2l: wrong parameter\n", network(tmp_path, *layers))
    assert "most likely one of m5 (Relu, output 1×8×5×5), m4" in error.message
    assert "m1" not in error.message


def test_a_kernel_that_crashes_names_its_layer_too(tmp_path: Path) -> None:
    mlir = network(tmp_path, layer(1, "Relu"), layer(2, "Upsample", shape="1x16x1024x1024"))
    error = failure(UPSAMPLE, mlir)
    assert "the layer m2 (Upsample" in error.message
    assert "Expect valid upsample tiling" in error.message
    assert "noise" not in error.message


def test_a_network_that_cannot_be_read_is_no_fault_of_its_own(tmp_path: Path) -> None:
    for mlir in (None, tmp_path / "none.mlir", network(tmp_path, "garbage")):
        error = failure("cvkcv181x tiu max pool: wrong parameter\n", mlir)
        assert "a layer of this network" in error.message


def test_exit_code_0_and_a_whole_cvimodel_do_not_hide_it(tmp_path: Path) -> None:
    (tmp_path / "m.mlir").write_text(MLIR)
    (tmp_path / "table").write_text(TABLE)
    arguments = ("--mlir", "m.mlir", "--calibration_table", "table", "--model", "m.cvimodel")
    tool = writing(
        tmp_path, {"m.cvimodel": "x"}, output="cvkcv181x tiu mul: wrong parameter\n[Success]\n"
    )
    with pytest.raises(CompilationError, match="wrong parameter"):
        run_tool(
            TOOLCHAIN,
            ToolCommand("model_deploy", arguments, (Path("m.cvimodel"),)),
            tmp_path,
            tmp_path / "tool.log",
            Recorder(),
            environ={"PATH": "/usr/bin"},
            run=tool,
        )
