"""Build the command lines of the compiler's tools: pure functions of the network and options."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..cvimodel import CHIP
from ..mixed_precision.options import SearchOptions
from ..network.model import Network
from ..toolchain import ToolCommand
from .options import CalibrationOptions, CheckPicture, DeployOptions, TransformOptions

ONNX_FILE = "network.onnx"
MLIR_FILE = "network.mlir"
TABLE_FILE = "calibration_table"
IMAGE_LIST_FILE = "images.txt"
QUANTIZE_TABLE_FILE = "quantize_table"
LOSS_TABLE_FILE = "full_loss_table.txt"
CVIMODEL_FILE = "network.cvimodel"
TEST_RESULT_FILE = "test_result.npz"
CHECK_PICTURE_FILE = "test_input.jpg"
"""Whatever its format: the tools check the suffix, and OpenCV the content."""

INT8, BF16, MIXED = "int8", "bf16", "mixed"


def transform_command(network: Network, options: TransformOptions) -> ToolCommand:
    """Build the command line that translates the network.

    Pictures are letterboxed with zeros, centred, as on the camera, unless the preprocessing of a
    raw network says otherwise.
    """
    image, wanted = network.input, network.preprocessing
    checks: tuple[str, ...] = ()
    if options.test_input:
        checks = (
            *("--test_input", CHECK_PICTURE_FILE),
            *("--test_result", TEST_RESULT_FILE),
            *("--tolerance", _joined(options.tolerance)),
            *_excepts(options.excepts),
        )
    return ToolCommand(
        tool="model_transform",
        arguments=(
            *("--model_name", options.model_name),
            *("--model_def", ONNX_FILE),
            *("--input_shapes", f"[[1,3,{image.height},{image.width}]]"),
            *(("--resize_dims", _joined(wanted.resize_dims)) if wanted.resize_dims else ()),
            *("--mean", _joined(wanted.mean)),
            *("--scale", _joined(wanted.scale)),
            *(("--keep_aspect_ratio",) if wanted.keep_aspect_ratio else ()),
            *("--pixel_format", wanted.pixel_format),
            *checks,
            *("--mlir", MLIR_FILE),
        ),
        outputs=(Path(MLIR_FILE), *((Path(TEST_RESULT_FILE),) if checks else ())),
    )


def calibrate_command(images: int, options: CalibrationOptions) -> ToolCommand:
    """Build the command line that calibrates on `images` pictures, listed in IMAGE_LIST_FILE."""
    default = CalibrationOptions()
    tuning, bins = options.tune_num, options.histogram_bin_num
    return ToolCommand(
        tool="run_calibration",
        arguments=(
            MLIR_FILE,
            *("--data_list", IMAGE_LIST_FILE),
            *("--input_num", str(images)),
            *(("--tune_num", str(tuning)) if tuning != default.tune_num else ()),
            *(("--histogram_bin_num", str(bins)) if bins != default.histogram_bin_num else ()),
            *("-o", TABLE_FILE),
        ),
        outputs=(Path(TABLE_FILE),),
    )


def search_command(images: int, options: SearchOptions) -> ToolCommand:
    """Build the command line of the compiler's search; `images` is how many pictures there are."""
    compared = options.global_compare_layers
    return ToolCommand(
        tool="run_qtable",
        arguments=(
            MLIR_FILE,
            *("--data_list", IMAGE_LIST_FILE),
            *("--input_num", str(min(images, options.images))),
            *("--calibration_table", TABLE_FILE),
            *("--chip", CHIP),
            *(("--fp_type", options.fp_type) if options.fp_type != "auto" else ()),
            *("--expected_cos", repr(options.expected_cos)),
            *("--min_layer_cos", repr(options.min_layer_cos)),
            *(("--global_compare_layers", ",".join(compared)) if compared else ()),
            *(("--debug_cmd", options.debug_cmd) if options.debug_cmd else ()),
            *("--loss_table", LOSS_TABLE_FILE),
            *("-o", QUANTIZE_TABLE_FILE),
        ),
        outputs=(),  # it writes no table where INT8 is good enough
    )


def deploy_command(
    quantization: str,
    options: DeployOptions,
    test_input: CheckPicture | None,
    *,
    square: bool = True,
) -> ToolCommand:
    """Build the command line that compiles a cvimodel for the camera's input and decoders.

    The input is uint8 RGB with preprocessing fused; the outputs are float32, or INT8 where the
    options say so. `--aligned_input`: the camera's video path delivers rows padded to 64 bytes
    (sophgo/osdrv `interdrv/vpss`, DEFAULT_ALIGN); without the flag, live pictures of every width
    that is no multiple of 64 are read sheared. It is left out where the input is not `square`:
    tpu_mlir 1.7 then takes the height for the width, and the runtime expects more bytes than the
    picture has. Such networks are raw ones, which the camera does not run live.
    """
    tables: tuple[str, ...] = ()
    if quantization != BF16:
        tables = ("--calibration_table", TABLE_FILE)
    if quantization == MIXED:
        tables += ("--quantize_table", QUANTIZE_TABLE_FILE)
    checks: tuple[str, ...] = ()
    if test_input:
        checks = (
            *("--test_input", CHECK_PICTURE_FILE),
            *("--test_reference", TEST_RESULT_FILE),
            *("--tolerance", _joined(options.tolerance)),
            *_excepts(options.excepts),
            *(("--compare_all",) if options.compare_all else ()),
            *(("--skip_validation",) if options.skip_validation else ()),
        )
    return ToolCommand(
        tool="model_deploy",
        arguments=(
            *("--mlir", MLIR_FILE),
            *("--quantize", "BF16" if quantization == BF16 else "INT8"),
            *tables,
            *("--chip", CHIP),
            "--quant_input",
            *(("--quant_output",) if options.int8_outputs else ()),
            "--fuse_preprocess",
            *(("--aligned_input",) if square else ()),
            *("--customization_format", "RGB_PACKED"),
            *(("--op_divide",) if options.op_divide else ()),
            *checks,
            *("--model", CVIMODEL_FILE),
        ),
        outputs=(Path(CVIMODEL_FILE),),
    )


def _excepts(names: tuple[str, ...]) -> tuple[str, ...]:
    return ("--excepts", ",".join(names)) if names else ()


def _joined(values: Iterable[float]) -> str:
    return ",".join(repr(value) for value in values)
