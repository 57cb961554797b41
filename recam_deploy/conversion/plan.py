"""What a conversion will do, as data: each tool's arguments and the key of each step.

Everything here is a pure function of the inspected model, the options and the pictures' hashes, so
a dry run, the cache and the manifest all read the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError
from ..network.lowering import TARGET_IR, TARGET_OPSET
from ..network.model import Network
from ..toolchain import ToolCommand
from .calibration import CalibrationSet
from .commands import (
    BF16,
    CHECK_PICTURE_FILE,
    IMAGE_LIST_FILE,
    INT8,
    MIXED,
    ONNX_FILE,
    QUANTIZE_TABLE_FILE,
    TABLE_FILE,
    calibrate_command,
    deploy_command,
    search_command,
    transform_command,
)
from .options import FAST, STOCK, ConversionOptions, SearchOptions
from .step_cache import step_key

# Raise a step's number when our own part of it changes its result.
_CALIBRATE_FAST = 1
_PREPARE, _TRANSFORM, _CALIBRATE, _SEARCH, _COMPILE, _VERIFY = 4, 1, 1, 2, 2, 2


@dataclass(frozen=True)
class PlannedStep:
    """One step: its name, its key in the cache, and the tool that makes it, if one does. The fast
    calibration has none: it is made here."""

    name: str
    key: str
    command: ToolCommand | None = None


@dataclass(frozen=True)
class ConversionPlan:
    """The steps that turn `network` into a cvimodel, in order; BF16 needs no calibration, and a
    calibration table that was given no calibration either."""

    network: Network
    quantization: str
    calibration: CalibrationSet
    options: ConversionOptions
    prepare: PlannedStep
    transform: PlannedStep
    calibrate: PlannedStep | None
    search: PlannedStep | None
    compile: PlannedStep
    verify: PlannedStep

    @property
    def commands(self) -> tuple[ToolCommand, ...]:
        """The tools' command lines, in the order they run."""
        steps = (self.transform, self.calibrate, self.search, self.compile)
        return tuple(step.command for step in steps if step and step.command)

    @property
    def own_files(self) -> dict[str, str]:
        """The files that the tools read and no tool makes: recam does, before each step."""
        files = {ONNX_FILE: "the model, cut at its heads and lowered to opset 17"}
        listed = [step for step in (self.calibrate, self.search) if step and step.command]
        if listed:
            files[IMAGE_LIST_FILE] = f"{len(self.calibration.pictures)} pictures, a path a line"
        if self.quantization != BF16 and self.options.calibration.table is not None:
            files[TABLE_FILE] = "the calibration table that was given"
        elif self.calibrate and not self.calibrate.command:
            files[TABLE_FILE] = "the value ranges of all tensors, which recam measures"
        if self.options.transform.test_input:
            files[CHECK_PICTURE_FILE] = "the picture for checks"
        if self.quantization == MIXED and not (self.search and self.search.command):
            files[QUANTIZE_TABLE_FILE] = _table_origin(self)
        return files


def _table_origin(plan: ConversionPlan) -> str:
    if plan.options.quantize_table is not None:
        return "the quantization table that was given"
    if plan.search:
        return "the layers to keep in BF16, which recam finds by what each loses at the outputs"
    return "the layers of the family's head, which stay in BF16"


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
    options: ConversionOptions,
    *,
    quantization: str,
    tpu_mlir: str,
) -> ConversionPlan:
    """Plan a conversion to `quantization` with the compiler's release `tpu_mlir`."""
    prepare = step_key(
        "prepare",
        _PREPARE,
        {
            "model": network.sha256,
            "family": network.family,
            "input": network.input.shape,
            "cut": network.cut_at,
            "to": [TARGET_IR, TARGET_OPSET],
        },
    )
    count, digests = len(calibration.pictures), calibration.digests
    test = options.transform.test_input
    checked = {"test_input": test.sha256} if test else {}
    transform = _step(
        "transform",
        _TRANSFORM,
        transform_command(network, options.transform),
        tpu_mlir,
        {"from": prepare, **checked},
    )
    calibrate = search = None
    given = options.calibration.table
    if quantization != BF16 and given is None:
        command = calibrate_command(count, options.calibration)
        calibrate = _step(
            "calibrate",
            _CALIBRATE,
            command,
            tpu_mlir,
            {"from": transform.key, "pictures": digests},
        )
        if options.calibration.calibrator == FAST:
            key = step_key("calibrate", _CALIBRATE_FAST, {"as": calibrate.key, "from": prepare})
            calibrate = PlannedStep("calibrate", key)
    table = {"table": given} if quantization != BF16 and given is not None else {}
    if quantization == MIXED and options.quantize_table is None and options.search:
        search = _search_step(
            options.search,
            count,
            tpu_mlir,
            {"from": (calibrate or transform).key, "pictures": digests, **table},
        )
    kept = {"bf16": options.quantize_table or network.float_tail} if quantization == MIXED else {}
    compiled = _step(
        "compile",
        _COMPILE,
        deploy_command(quantization, options.deploy, test),
        tpu_mlir,
        {
            "from": [step.key for step in (transform, calibrate, search) if step],
            **kept,
            **table,
            **checked,
        },
    )
    pictures = {} if calibrate else {"pictures": digests}
    verify = step_key(
        "verify", _VERIFY, {"from": compiled.key, "images": options.verify_images, **pictures}
    )
    return ConversionPlan(
        network=network,
        quantization=quantization,
        calibration=calibration,
        options=options,
        prepare=PlannedStep("prepare", prepare),
        transform=transform,
        calibrate=calibrate,
        search=search,
        compile=compiled,
        verify=PlannedStep("verify", verify),
    )


def with_stock_calibrator(plan: ConversionPlan, tpu_mlir: str) -> ConversionPlan:
    """The same conversion, calibrated by the compiler's own calibrator."""
    calibration = replace(plan.options.calibration, calibrator=STOCK)
    return plan_conversion(
        plan.network,
        plan.calibration,
        replace(plan.options, calibration=calibration),
        quantization=plan.quantization,
        tpu_mlir=tpu_mlir,
    )


def _search_step(
    options: SearchOptions, images: int, release: str, inputs: dict[str, Any]
) -> PlannedStep:
    """The compiler's search by its tool, or ours, which has no command line."""
    inputs = {**inputs, "most": options.max_float_layers}
    if options.by_compiler:
        return _step("search", _SEARCH, search_command(images, options), release, inputs)
    inputs |= {"expected": options.expected_cos, "images": options.images}
    return PlannedStep("search", step_key("search", _SEARCH, inputs))


def _step(
    name: str, version: int, command: ToolCommand, release: str, inputs: dict[str, Any]
) -> PlannedStep:
    key = step_key(name, version, {"tool": release, "arguments": command.arguments, **inputs})
    return PlannedStep(name, key, command)
