"""What a conversion will do, as data: each tool's arguments and the key of each step.

Everything here is a pure function of the inspected model, the options and the pictures' hashes, so
a dry run, the cache and the manifest all read the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..network.lowering import TARGET_IR, TARGET_OPSET
from ..network.model import Network
from ..toolchain import ToolCommand
from .calibration import CalibrationSet
from .step_cache import step_key

CHIP = "cv181x"
ONNX_FILE = "network.onnx"
MLIR_FILE = "network.mlir"
TABLE_FILE = "calibration_table"
IMAGE_LIST_FILE = "images.txt"
CVIMODEL_FILE = "network.cvimodel"

# Raise a step's number when our own part of it changes its result.
_PREPARE, _TRANSFORM, _CALIBRATE, _COMPILE, _VERIFY = 1, 1, 1, 1, 1

_MODEL_NAME = "network"
_SCALE = ",".join([repr(1 / 255)] * 3)


@dataclass(frozen=True)
class PlannedStep:
    """One step: its name, its key in the cache, and the tool that makes it, if one does."""

    name: str
    key: str
    command: ToolCommand | None = None


@dataclass(frozen=True)
class ConversionPlan:
    """The steps that turn `network` into a cvimodel, in order."""

    network: Network
    quantization: str
    calibration: CalibrationSet
    prepare: PlannedStep
    transform: PlannedStep
    calibrate: PlannedStep
    compile: PlannedStep
    verify: PlannedStep
    verify_images: int

    @property
    def commands(self) -> tuple[ToolCommand, ...]:
        """The tools' command lines, in the order they run."""
        steps = (self.transform, self.calibrate, self.compile)
        return tuple(step.command for step in steps if step.command)


def plan_conversion(
    network: Network, calibration: CalibrationSet, *, verify_images: int, tpu_mlir: str
) -> ConversionPlan:
    """Plan an INT8 conversion with the compiler's release `tpu_mlir`."""
    prepare = step_key(
        "prepare",
        _PREPARE,
        {"model": network.sha256, "cut": network.cut_at, "to": [TARGET_IR, TARGET_OPSET]},
    )
    transform_command = _transform(network)
    transform = step_key(
        "transform",
        _TRANSFORM,
        {"from": prepare, "tool": tpu_mlir, "arguments": transform_command.arguments},
    )
    calibrate_command = _calibrate(len(calibration.pictures))
    calibrate = step_key(
        "calibrate",
        _CALIBRATE,
        {
            "from": transform,
            "tool": tpu_mlir,
            "arguments": calibrate_command.arguments,
            "pictures": calibration.digests,
        },
    )
    compile_command = _compile_int8()
    compiled = step_key(
        "compile",
        _COMPILE,
        {
            "from": [transform, calibrate],
            "tool": tpu_mlir,
            "arguments": compile_command.arguments,
        },
    )
    verify = step_key("verify", _VERIFY, {"from": compiled, "images": verify_images})
    return ConversionPlan(
        network=network,
        quantization="int8",
        calibration=calibration,
        prepare=PlannedStep("prepare", prepare),
        transform=PlannedStep("transform", transform, transform_command),
        calibrate=PlannedStep("calibrate", calibrate, calibrate_command),
        compile=PlannedStep("compile", compiled, compile_command),
        verify=PlannedStep("verify", verify),
        verify_images=verify_images,
    )


def _transform(network: Network) -> ToolCommand:
    """Preprocessing as the YOLO families need it: RGB, 0 to 1, letterboxed with zeros."""
    size = f"[[1,3,{network.input.height},{network.input.width}]]"
    return ToolCommand(
        tool="model_transform",
        arguments=(
            *("--model_name", _MODEL_NAME),
            *("--model_def", ONNX_FILE),
            *("--input_shapes", size),
            *("--mean", "0,0,0"),
            *("--scale", _SCALE),
            "--keep_aspect_ratio",
            *("--pixel_format", "rgb"),
            *("--mlir", MLIR_FILE),
        ),
        outputs=(Path(MLIR_FILE),),
    )


def _calibrate(images: int) -> ToolCommand:
    return ToolCommand(
        tool="run_calibration",
        arguments=(
            MLIR_FILE,
            *("--data_list", IMAGE_LIST_FILE),
            *("--input_num", str(images)),
            *("-o", TABLE_FILE),
        ),
        outputs=(Path(TABLE_FILE),),
    )


def _compile_int8() -> ToolCommand:
    """uint8 RGB in with preprocessing fused, float32 out: what the camera decodes correctly."""
    return ToolCommand(
        tool="model_deploy",
        arguments=(
            *("--mlir", MLIR_FILE),
            *("--quantize", "INT8"),
            *("--calibration_table", TABLE_FILE),
            *("--chip", CHIP),
            "--quant_input",
            "--fuse_preprocess",
            *("--customization_format", "RGB_PACKED"),
            *("--model", CVIMODEL_FILE),
        ),
        outputs=(Path(CVIMODEL_FILE),),
    )
