"""Plan a conversion as data: each tool's arguments, and the cache key of each step.

The plan is a pure function of the inspected model, the options and the pictures' hashes, so a dry
run, the cache and the manifest use the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError
from ..network.lowering import TARGET_IR
from ..network.model import Network
from ..network.rewrites import TARGET_OPSET
from ..step_cache import step_key
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
from .options import CHECK_CANDIDATES, FAST, STOCK, ConversionOptions

# Raise a step's number when recam's own part of it changes its result.
_CALIBRATE_FAST = 1
_PREPARE, _TRANSFORM, _CALIBRATE, _SEARCH, _COMPILE, _VERIFY = 4, 1, 1, 4, 2, 2
_SHARE_THRESHOLDS = 1
_FLOAT_TAIL = 1


@dataclass(frozen=True)
class PlannedStep:
    """One step: its name, its key in the cache, and the command line of its tool.

    `command` is None for the steps that recam runs itself, such as the fast calibration.
    """

    name: str
    key: str
    command: ToolCommand | None = None


@dataclass(frozen=True)
class ConversionPlan:
    """The steps that convert `network` to a cvimodel, in order.

    `calibrate` is None for BF16 and for an existing calibration table; `search` is None where the
    layers in BF16 are known.
    """

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
        """Return the tools' command lines in the order they run."""
        steps = (self.transform, self.calibrate, self.search, self.compile)
        return tuple(step.command for step in steps if step and step.command)

    @property
    def own_files(self) -> dict[str, str]:
        """Describe the files that recam writes for the tools, by name."""
        files = {ONNX_FILE: "the model, cut at its heads and lowered to opset 17"}
        listed = [step for step in (self.calibrate, self.search) if step and step.command]
        if listed:
            count = len(self.calibration.pictures)
            files[IMAGE_LIST_FILE] = f"the paths of {count} pictures, one a line"
        if self.quantization != BF16 and self.options.calibration.table is not None:
            files[TABLE_FILE] = "the user's calibration table"
        elif self.calibrate and not self.calibrate.command:
            files[TABLE_FILE] = "the value ranges of all tensors, which recam measures"
        if self.options.deploy.int8_outputs:
            origin = files.get(TABLE_FILE, "run_calibration's table")
            files[TABLE_FILE] = f"{origin}; both outputs of a stride get the larger threshold"
        if self.options.transform.test_input:
            files[CHECK_PICTURE_FILE] = "the picture for checks"
        if self.quantization == MIXED and not (self.search and self.search.command):
            files[QUANTIZE_TABLE_FILE] = _table_origin(self)
        return files


def _table_origin(plan: ConversionPlan) -> str:
    if plan.options.quantize_table is not None:
        return "the user's quantization table"
    goal = plan.options.search.accuracy if plan.options.search else None
    if plan.search and goal:
        return f"the layers to keep in BF16: as few as lose at most {goal.max_drop} on your labels"
    if plan.search:
        return "the layers to keep in BF16, which recam ranks by their effect on the outputs"
    return "the layers of the family's head, which stay in BF16"


def choose_quantization(network: Network, wanted: str, quantize_table: str | None) -> str:
    """Return the precision that `wanted` means for this network: "int8", "bf16" or "mixed".

    "auto" is INT8, with the float tail in BF16 where the family has one. "f16" is BF16, as in
    Seeed's guide: on this chip both give the same code.

    Raises InputError when there is a table and `wanted` is neither "auto" nor "mixed".
    """
    if quantize_table is not None and wanted in ("auto", MIXED):
        return MIXED
    if quantize_table is not None:
        raise InputError(
            f"a quantization table is given, and the precision is {wanted}",
            "A table means mixed precision: leave --quantize out, or set it to mixed.",
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
    steps = _Steps(network, calibration.digests, options, quantization, tpu_mlir)
    prepare = steps.prepare()
    transform = steps.transform(prepare)
    calibrate = steps.calibrate(prepare, transform)
    search = steps.search(calibrate or transform)
    compiled = steps.compile([step for step in (transform, calibrate, search) if step])
    return ConversionPlan(
        network=network,
        quantization=quantization,
        calibration=calibration,
        options=options,
        prepare=prepare,
        transform=transform,
        calibrate=calibrate,
        search=search,
        compile=compiled,
        verify=steps.verify(compiled, calibrated=calibrate is not None),
    )


@dataclass(frozen=True)
class _Steps:
    """Plans each step of a conversion from those before it.

    A step's key holds all that its result depends on: the keys of the steps that it reads, its
    command line, and its other inputs. `pictures` are the sha256 of the pictures for calibration.
    """

    network: Network
    pictures: tuple[str, ...]
    options: ConversionOptions
    quantization: str
    release: str

    def prepare(self) -> PlannedStep:
        network = self.network
        inputs = {
            "model": network.sha256,
            "family": network.family,
            "input": network.input.shape,
            "cut": network.cut_at,
            "to": [TARGET_IR, TARGET_OPSET],
            **({"normalised": network.normalised} if network.normalised else {}),
            **({"tail": _FLOAT_TAIL} if network.float_tail else {}),
        }
        return PlannedStep("prepare", step_key("prepare", _PREPARE, inputs))

    def transform(self, prepare: PlannedStep) -> PlannedStep:
        command = transform_command(self.network, self.options.transform)
        inputs = {"from": prepare.key, **self._checked()}
        return self._step("transform", _TRANSFORM, command, inputs)

    def calibrate(self, prepare: PlannedStep, transform: PlannedStep) -> PlannedStep | None:
        """Plan the calibration; None for BF16, and for an existing table."""
        options = self.options.calibration
        if self.quantization == BF16 or options.table is not None:
            return None
        command = calibrate_command(len(self.pictures), options)
        inputs = {"from": transform.key, "pictures": self.pictures}
        stock = self._step("calibrate", _CALIBRATE, command, inputs)
        if options.calibrator != FAST:
            return stock
        inputs = {"as": stock.key, "from": prepare.key}
        return PlannedStep("calibrate", step_key("calibrate", _CALIBRATE_FAST, inputs))

    def search(self, before: PlannedStep) -> PlannedStep | None:
        """Plan the compiler's search, or recam's, which has no command line.

        Return None where a table or the float tail names the layers in BF16.
        """
        options = self.options.search
        if self.quantization != MIXED or self.options.quantize_table is not None or not options:
            return None
        inputs = {
            "from": before.key,
            "pictures": self.pictures,
            **self._given_table(),
            "most": options.max_float_layers,
            **self._spread_over(options.images),
        }
        if options.by_compiler:
            command = search_command(len(self.pictures), options)
            return self._step("search", _SEARCH, command, inputs)
        goal = options.accuracy
        if goal is not None:
            inputs |= {"lose": goal.max_drop, "data": goal.data, "images": options.images}
            return PlannedStep("search", step_key("search", _SEARCH, inputs))
        inputs |= {"expected": options.expected_cos, "images": options.images}
        return PlannedStep("search", step_key("search", _SEARCH, inputs))

    def compile(self, before: Sequence[PlannedStep]) -> PlannedStep:
        options = self.options
        height, width = self.network.picture_size
        command = deploy_command(
            self.quantization,
            options.deploy,
            options.transform.test_input,
            square=height == width,
        )
        inputs = {
            "from": [step.key for step in before],
            **self._given_table(),
            **self._checked(),
        }
        if self.quantization == MIXED:
            inputs["bf16"] = options.quantize_table or self.network.float_tail
        if options.deploy.int8_outputs:
            inputs["shared_thresholds"] = [_SHARE_THRESHOLDS, self.network.cut_at]
        return self._step("compile", _COMPILE, command, inputs)

    def verify(self, compiled: PlannedStep, *, calibrated: bool) -> PlannedStep:
        """Plan the verification; the key of a calibrated cvimodel holds the pictures already."""
        inputs: dict[str, Any] = {"from": compiled.key, "images": self.options.verify_images}
        if not calibrated:
            inputs["pictures"] = self.pictures
        inputs |= self._spread_over(max(self.options.verify_images, CHECK_CANDIDATES))
        return PlannedStep("verify", step_key("verify", _VERIFY, inputs))

    def _spread_over(self, used: int) -> dict[str, Any]:
        """Say how `used` of the pictures are chosen, where there are more; once the first were."""
        return {"chosen": "spread"} if used < len(self.pictures) else {}

    def _given_table(self) -> dict[str, Any]:
        table = self.options.calibration.table
        return {} if table is None or self.quantization == BF16 else {"table": table}

    def _checked(self) -> dict[str, Any]:
        picture = self.options.transform.test_input
        return {"test_input": picture.sha256} if picture else {}

    def _step(
        self, name: str, version: int, command: ToolCommand, inputs: dict[str, Any]
    ) -> PlannedStep:
        inputs = {"tool": self.release, "arguments": command.arguments, **inputs}
        return PlannedStep(name, step_key(name, version, inputs), command)


def with_stock_calibrator(plan: ConversionPlan, tpu_mlir: str) -> ConversionPlan:
    """Plan the same conversion with the compiler's own calibrator."""
    calibration = replace(plan.options.calibration, calibrator=STOCK)
    return plan_conversion(
        plan.network,
        plan.calibration,
        replace(plan.options, calibration=calibration),
        quantization=plan.quantization,
        tpu_mlir=tpu_mlir,
    )
