"""Carry out a conversion plan: take each step from the cache or run it, then verify."""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import onnx

from .. import cvimodel
from ..artifact import Artifact, write_manifest
from ..calibrator.calibrate import NotCalibratedError
from ..files import copy_atomically
from ..network.prepare import prepare
from ..picture_sets import Choice, spread
from ..progress import Progress
from ..step_cache import StepCache, StepResult
from ..toolchain import Compiler, run_tool
from ..version import __version__
from .commands import (
    BF16,
    CHECK_PICTURE_FILE,
    CVIMODEL_FILE,
    MIXED,
    ONNX_FILE,
    QUANTIZE_TABLE_FILE,
    TABLE_FILE,
)
from .fast_calibration import fast_table
from .finished import artifact_of
from .int8_outputs import share_thresholds
from .layout_check import check_layout
from .mixed_layers import MixedLayers, read_mixed_layers
from .plan import ConversionPlan, PlannedStep, with_stock_calibrator
from .preparation_check import check_prepared
from .searching import Measure, Search
from .thresholds import Thresholds, too_far
from .tpu import fastest_tpu
from .verification import Verification, verify
from .work_folder import (
    copy_files,
    finish_search,
    keep_only,
    link_pictures,
    put_picture,
    tail_table,
    write,
)

_VERIFICATION_FILE = "verification.json"
_KEPT_LOGS = 20


@dataclass(frozen=True)
class ConversionResult:
    """A checked artifact, the steps that made it, and its agreement with the float model.

    `pictures` says how the pictures for calibration were chosen, `mixed` how much of a network in
    mixed precision is in BF16.
    """

    artifact: Artifact
    steps: tuple[StepResult, ...]
    verification: Verification
    passed: bool
    pictures: Choice | None = None
    mixed: MixedLayers | None = None

    @property
    def timings(self) -> dict[str, dict[str, float | bool]]:
        """Return each step's seconds in this run, and whether it came from the cache."""
        return {
            step.name: {"seconds": round(step.seconds, 2), "cached": step.cached}
            for step in self.steps
        }


class Converter:
    """Runs the steps of one plan.

    `origin` describes the model of another framework that the ONNX model was exported from; it goes
    into the manifest. `measure` is needed for a search with `max_drop`.
    """

    def __init__(
        self,
        plan: ConversionPlan,
        model: onnx.ModelProto,
        compiler: Compiler,
        cache: StepCache,
        cache_dir: Path,
        progress: Progress,
        *,
        origin: dict[str, Any] | None = None,
        measure: Measure | None = None,
    ) -> None:
        self._origin = origin
        self._measure = measure
        self._plan = plan
        self._model = model
        self._compiler = compiler
        self._cache_dir = cache_dir
        self._cache = cache
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self._logs = cache_dir / "logs" / f"{stamp}-{plan.compile.key[-8:]}"
        self._progress = progress

    def run(self, output: Path, thresholds: Thresholds) -> ConversionResult:
        """Convert, and write `output` (a .cvimodel) with its manifest beside it.

        Raises CompilationError when the compiler fails, and VerificationError when the result
        misses the `thresholds`; it is then written to `*.rejected.cvimodel`.
        """
        with self._cache.in_use():
            try:
                return self._run(output, thresholds)
            except NotCalibratedError as error:
                self._progress.say(
                    f"calibrating with the compiler's own calibrator: {error.message}"
                )
                return self._with_stock_calibrator()._run(output, thresholds)

    def _with_stock_calibrator(self) -> Converter:
        return Converter(
            with_stock_calibrator(self._plan, self._compiler.version),
            self._model,
            self._compiler,
            self._cache,
            self._cache_dir,
            self._progress,
            origin=self._origin,
            measure=self._measure,
        )

    def _run(self, output: Path, thresholds: Thresholds) -> ConversionResult:
        prepared = self._cache.run("prepare", self._plan.prepare.key, self._prepare)
        transformed = self._tool(self._plan.transform, [prepared])
        made = [transformed]
        if self._plan.calibrate:
            made.append(self._calibrate(self._plan.calibrate, prepared, transformed))
        if self._plan.search:
            made.append(self._search(self._plan.search, prepared, made))
        compiled = self._tool(self._plan.compile, made)
        made_file = cvimodel.read_file(compiled.folder / CVIMODEL_FILE)
        check_layout(
            made_file.layout,
            self._plan.network,
            int8_outputs=self._plan.options.deploy.int8_outputs,
        )
        verified = self._cache.run(
            "verify",
            self._plan.verify.key,
            lambda folder: self._verify(folder, prepared, transformed, compiled),
        )
        verification = Verification.from_json(
            json.loads((verified.folder / _VERIFICATION_FILE).read_text())
        )
        passed = verification.passed(thresholds.min_cosine, thresholds.min_matched)
        result = ConversionResult(
            artifact=artifact_of(self._plan, made_file),
            steps=(prepared, *made, compiled, verified),
            verification=verification,
            passed=passed,
            pictures=self._plan.calibration.choice,
            mixed=self._mixed_layers(made, compiled),
        )
        return self._publish(result, output, thresholds)

    def _mixed_layers(
        self, before: Sequence[StepResult], compiled: StepResult
    ) -> MixedLayers | None:
        if self._plan.quantization != MIXED:
            return None
        searched = before[-1].folder if self._plan.search else None
        return read_mixed_layers(compiled.folder, searched)

    def _prepare(self, folder: Path) -> None:
        """Cut at the heads, lower, and check on noise that the outputs did not change.

        Raises InputError when they did.
        """
        with self._progress.step("Cutting and lowering the ONNX model"):
            prepared = prepare(self._model, self._plan.network)
            check_prepared(self._model, prepared, self._plan.network)
        onnx.save(prepared, folder / ONNX_FILE)

    def _tool(self, step: PlannedStep, before: list[StepResult]) -> StepResult:
        """Run one step's tool, in a folder with the files of the steps `before`."""
        command = step.command
        if command is None:
            raise ValueError(f"the step {step.name} has no tool")

        def build(folder: Path) -> None:
            given = {file for result in before for file in copy_files(result.folder, folder)}
            given |= self._put_inputs(step.name, folder)
            _make_log_folder(self._logs)
            log = self._logs / f"{step.name}.log"
            done = run_tool(
                self._compiler,
                command,
                folder,
                log,
                self._progress,
                check=_check_cvimodel,
            )
            for warning in done.warnings:
                self._progress.say(f"{command.tool}: {warning}")
            if step.name == "search" and self._plan.options.search:
                finish_search(folder, done.tail, self._plan.options.search.max_float_layers)
            if step.name == "compile":
                given -= {folder / TABLE_FILE, folder / QUANTIZE_TABLE_FILE}
            for file in given:
                file.unlink()
            keep_only(folder, step.name)

        return self._cache.run(step.name, step.key, build)

    def _search(
        self, step: PlannedStep, prepared: StepResult, made: list[StepResult]
    ) -> StepResult:
        """Search for the layers to keep in BF16, by the compiler's search or recam's."""
        options = self._plan.options.search
        if step.command or options is None:
            return self._tool(step, made)

        search = Search(
            self._plan,
            options,
            self._compiler,
            self._cache_dir / "tmp",
            self._logs / "search.log",
            self._progress,
            self._measure,
        )

        def build(folder: Path) -> None:
            _make_log_folder(self._logs)
            search.run(folder, prepared.folder, made[0].folder, made[-1].folder)

        return self._cache.run(step.name, step.key, build)

    def _calibrate(
        self, step: PlannedStep, prepared: StepResult, transformed: StepResult
    ) -> StepResult:
        """Calibrate by the compiler's calibrator where the plan says so, else by recam's.

        Raises NotCalibratedError when recam's cannot calibrate this network.
        """
        if step.command:
            return self._tool(step, [transformed])

        def build(folder: Path) -> None:
            table = fast_table(self._plan, prepared.folder, transformed.folder, self._progress)
            write(folder / TABLE_FILE, table)

        return self._cache.run(step.name, step.key, build)

    def _put_inputs(self, step: str, folder: Path) -> set[Path]:
        """Put the user's files that a step's tool reads into `folder`; return the paths."""
        plan, options = self._plan, self._plan.options
        given = set()
        if step == "calibrate":
            given |= link_pictures(plan.calibration.paths, folder)
        if step == "search" and options.search:
            given |= link_pictures(spread(plan.calibration.paths, options.search.images), folder)
        picture = options.transform.test_input
        if step in ("transform", "compile") and picture:
            given.add(put_picture(picture.path, folder / CHECK_PICTURE_FILE))
        needs_table = step in ("search", "compile") and plan.quantization != BF16
        if needs_table and options.calibration.table is not None:
            given.add(write(folder / TABLE_FILE, options.calibration.table))
        if step == "compile" and plan.quantization == MIXED and not plan.search:
            table = options.quantize_table or tail_table(plan.network, folder)
            given.add(write(folder / QUANTIZE_TABLE_FILE, table))
        if step == "compile" and options.deploy.int8_outputs:
            share_thresholds(folder / TABLE_FILE, plan.network)
        return given

    def _verify(
        self, folder: Path, prepared: StepResult, transformed: StepResult, compiled: StepResult
    ) -> None:
        made = artifact_of(self._plan, cvimodel.read_file(compiled.folder / CVIMODEL_FILE))
        provenance = {
            "steps": [step.as_json() for step in (transformed, compiled)],
            "commands": [command.display() for command in self._plan.commands],
        }
        made = replace(made, provenance=provenance)
        verification = verify(
            self._plan.network,
            prepared.folder / ONNX_FILE,
            made.cvimodel,
            self._plan.calibration.paths,
            self._plan.options.verify_images,
            fastest_tpu(made, self._compiler, self._cache_dir, self._progress),
            self._progress,
        )
        write(folder / _VERIFICATION_FILE, json.dumps(verification.as_json()))

    def _publish(
        self, result: ConversionResult, output: Path, thresholds: Thresholds
    ) -> ConversionResult:
        rejected = output.with_suffix(".rejected.cvimodel")
        target = output if result.passed else rejected
        provenance = self._provenance(result, thresholds)
        # Both files are complete before one of an earlier pair is replaced.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as name:
            copy = Path(name) / target.name
            copy_atomically(result.artifact.cvimodel, copy)
            made = replace(result.artifact, cvimodel=copy, provenance=provenance)
            write_manifest(made, copy.with_suffix(".json"))
            copy.replace(target)
            copy.with_suffix(".json").replace(target.with_suffix(".json"))
        artifact = replace(
            made,
            cvimodel=target,
            manifest=target.with_suffix(".json"),
            file=made.file and cvimodel.ModelFile(target, made.file.data),
        )
        if not result.passed:
            raise too_far(result.verification, thresholds, target, self._plan)
        for earlier in (rejected, rejected.with_suffix(".json")):
            earlier.unlink(missing_ok=True)
        return replace(result, artifact=artifact)

    def _provenance(self, result: ConversionResult, thresholds: Thresholds) -> dict[str, Any]:
        """Return the manifest's keys that say where the cvimodel comes from."""
        plan = self._plan
        return {
            "sources": {
                "model": {
                    "file": plan.network.path.name,
                    "sha256": plan.network.sha256,
                    "ir_version": plan.network.ir_version,
                    "opset": plan.network.opset,
                    "cut_at": list(plan.network.cut_at),
                    "input_shape": list(plan.network.input.shape),
                    "assignment": plan.network.assignment,
                    "decoding": plan.network.decoding.as_json(),
                },
                **({"original": self._origin} if self._origin else {}),
                "calibration": [
                    {"file": path.name, "sha256": digest}
                    for path, digest in plan.calibration.pictures
                ],
            },
            "preprocessing": asdict(plan.network.preprocessing),
            "calibrator": calibrator_of(plan),
            **({"int8_outputs": True} if plan.options.deploy.int8_outputs else {}),
            **({"mixed_precision": result.mixed.as_json()} if result.mixed else {}),
            "commands": [command.display() for command in plan.commands],
            "tools": {
                "recam-deploy": __version__,
                "tpu_mlir": self._compiler.version,
                "onnx": onnx.__version__,
                "python": platform.python_version(),
            },
            "steps": [step.as_json() for step in result.steps],
            "timings": result.timings,
            "verification": {
                "passed": result.passed,
                "min_cosine": thresholds.min_cosine,
                "min_matched": thresholds.min_matched,
                **result.verification.as_json(),
            },
        }


def _check_cvimodel(path: Path) -> None:
    cvimodel.read_header(path)


def calibrator_of(plan: ConversionPlan) -> str | None:
    """Return the calibrator, "fast" or "stock"; None where no calibration is needed."""
    return plan.options.calibration.calibrator if plan.calibrate else None


def _make_log_folder(folder: Path) -> None:
    """Make the folder for this run's logs, and remove all but the newest of earlier runs."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.parent.iterdir())[:-_KEPT_LOGS]:
        shutil.rmtree(old, ignore_errors=True)
