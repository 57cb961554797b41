"""What a conversion will do, as data: each tool's arguments and the key of each step.

Everything here is a pure function of the inspected model, the options and the pictures' hashes, so
a dry run, the cache and the manifest all read the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
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
QUANTIZE_TABLE_FILE = "quantize_table"
CVIMODEL_FILE = "network.cvimodel"

DEFAULT_EXPECTED_COS = 0.99

INT8, BF16, MIXED = "int8", "bf16", "mixed"

# Raise a step's number when our own part of it changes its result.
_PREPARE, _TRANSFORM, _CALIBRATE, _SEARCH, _COMPILE, _VERIFY = 2, 1, 1, 1, 1, 1

_MODEL_NAME = "network"


@dataclass(frozen=True)
class PlannedStep:
    """One step: its name, its key in the cache, and the tool that makes it, if one does."""

    name: str
    key: str
    command: ToolCommand | None = None


@dataclass(frozen=True)
class Search:
    """How the compiler looks for the layers that must stay in BF16: until the output's cosine
    reaches `expected_cos`, among the layers whose own falls below `min_layer_cos`."""

    expected_cos: float
    min_layer_cos: float
    images: int


@dataclass(frozen=True)
class ConversionPlan:
    """The steps that turn `network` into a cvimodel, in order; BF16 needs no calibration.

    In mixed precision the layers in BF16 are those of `quantize_table`, a text that the user gave,
    else those that the step `search` finds, else the network's `float_tail`.
    """

    network: Network
    quantization: str
    calibration: CalibrationSet
    prepare: PlannedStep
    transform: PlannedStep
    calibrate: PlannedStep | None
    search: PlannedStep | None
    compile: PlannedStep
    verify: PlannedStep
    verify_images: int
    quantize_table: str | None = None

    @property
    def commands(self) -> tuple[ToolCommand, ...]:
        """The tools' command lines, in the order they run."""
        steps = (self.transform, self.calibrate, self.search, self.compile)
        return tuple(step.command for step in steps if step and step.command)


def choose_quantization(network: Network, wanted: str, quantize_table: str | None) -> str:
    """The precision that `wanted` means for this network: "int8", "bf16" or "mixed".

    "auto" is INT8, with the float tail in BF16 where the family has one; "f16" is the guide's word
    for BF16: on this chip both give the same code.

    Raises InputError when a table is given and another precision is asked for.
    """
    if quantize_table is not None and wanted in ("auto", MIXED):
        return MIXED
    if quantize_table is not None:
        raise InputError(
            f"a quantization table is given, and the precision is {wanted}",
            "A table means mixed precision: leave --quantize out, or say mixed.",
        )
    if wanted == "auto":
        return MIXED if network.float_tail else INT8
    return BF16 if wanted == "f16" else wanted


def plan_conversion(
    network: Network,
    calibration: CalibrationSet,
    *,
    quantization: str,
    verify_images: int,
    tpu_mlir: str,
    quantize_table: str | None = None,
    search: Search | None = None,
) -> ConversionPlan:
    """Plan a conversion to `quantization` with the compiler's release `tpu_mlir`.

    `search` is used in mixed precision without a table.
    """
    prepare = step_key(
        "prepare",
        _PREPARE,
        {"model": network.sha256, "cut": network.cut_at, "to": [TARGET_IR, TARGET_OPSET]},
    )
    transform = _step("transform", _TRANSFORM, _transform(network), tpu_mlir, {"from": prepare})
    calibrate = None
    if quantization != BF16:
        calibrate = _step(
            "calibrate",
            _CALIBRATE,
            _calibrate(len(calibration.pictures)),
            tpu_mlir,
            {"from": transform.key, "pictures": calibration.digests},
        )
    searched = None
    if quantization == MIXED and quantize_table is None and search:
        searched = _step(
            "search",
            _SEARCH,
            _search(search, len(calibration.pictures)),
            tpu_mlir,
            {"from": calibrate.key if calibrate else "", "pictures": calibration.digests},
        )
    compiled = _step(
        "compile",
        _COMPILE,
        _compile(quantization),
        tpu_mlir,
        {
            "from": [step.key for step in (transform, calibrate, searched) if step],
            **({"bf16": quantize_table or network.float_tail} if quantization == MIXED else {}),
        },
    )
    pictures = {} if calibrate else {"pictures": calibration.digests}
    verify = step_key(
        "verify", _VERIFY, {"from": compiled.key, "images": verify_images, **pictures}
    )
    return ConversionPlan(
        network=network,
        quantization=quantization,
        calibration=calibration,
        prepare=PlannedStep("prepare", prepare),
        transform=transform,
        calibrate=calibrate,
        search=searched,
        compile=compiled,
        verify=PlannedStep("verify", verify),
        verify_images=verify_images,
        quantize_table=quantize_table,
    )


def _step(
    name: str, version: int, command: ToolCommand, release: str, inputs: dict[str, Any]
) -> PlannedStep:
    key = step_key(name, version, {"tool": release, "arguments": command.arguments, **inputs})
    return PlannedStep(name, key, command)


def _transform(network: Network) -> ToolCommand:
    """Pictures are letterboxed with zeros, centred, as on the camera."""
    size = f"[[1,3,{network.input.height},{network.input.width}]]"
    return ToolCommand(
        tool="model_transform",
        arguments=(
            *("--model_name", _MODEL_NAME),
            *("--model_def", ONNX_FILE),
            *("--input_shapes", size),
            *("--mean", _list(network.preprocessing.mean)),
            *("--scale", _list(network.preprocessing.scale)),
            "--keep_aspect_ratio",
            *("--pixel_format", network.preprocessing.pixel_format),
            *("--mlir", MLIR_FILE),
        ),
        outputs=(Path(MLIR_FILE),),
    )


def _list(values: tuple[float, ...]) -> str:
    return ",".join(repr(value) for value in values)


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


def _search(search: Search, images: int) -> ToolCommand:
    return ToolCommand(
        tool="run_qtable",
        arguments=(
            MLIR_FILE,
            *("--data_list", IMAGE_LIST_FILE),
            *("--input_num", str(min(images, search.images))),
            *("--calibration_table", TABLE_FILE),
            *("--chip", CHIP),
            *("--expected_cos", repr(search.expected_cos)),
            *("--min_layer_cos", repr(search.min_layer_cos)),
            *("-o", QUANTIZE_TABLE_FILE),
        ),
        outputs=(Path(QUANTIZE_TABLE_FILE),),
    )


def _compile(quantization: str) -> ToolCommand:
    """uint8 RGB in with preprocessing fused, float32 out: what the camera decodes correctly."""
    tables: tuple[str, ...] = ()
    if quantization != BF16:
        tables = ("--calibration_table", TABLE_FILE)
    if quantization == MIXED:
        tables += ("--quantize_table", QUANTIZE_TABLE_FILE)
    return ToolCommand(
        tool="model_deploy",
        arguments=(
            *("--mlir", MLIR_FILE),
            *("--quantize", "BF16" if quantization == BF16 else "INT8"),
            *tables,
            *("--chip", CHIP),
            "--quant_input",
            "--fuse_preprocess",
            *("--customization_format", "RGB_PACKED"),
            *("--model", CVIMODEL_FILE),
        ),
        outputs=(Path(CVIMODEL_FILE),),
    )
