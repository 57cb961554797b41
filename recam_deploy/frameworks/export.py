"""Carry out an export plan, and compare the ONNX model's outputs with the original's."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import process
from ..artifact import sha256_of
from ..documents import ZIP_ERRORS, parse_json
from ..errors import ExportError, ProcessError, UnsupportedModelError
from ..network.float_model import FloatModel, relative_difference
from ..progress import Progress
from ..step_cache import StepCache, StepResult
from ..toolchain import Compiler, Run, last_lines
from . import environments
from .export_plan import OUTPUT_FILE, SCRIPTS, ExportPlan

MAX_DIFFERENCE = 1e-3
"""The largest difference between the framework's outputs and onnxruntime's, as in
`relative_difference`."""

_RECORD = "export.json"
# Written by the scripts: versions or an error, and the framework's outputs on one input.
_REPORT, _EXPECTED = "report.json", "proof.npz"
_MOST_REPORT_BYTES = 1_000_000
_SECONDS = 3600.0
_EXPORT_YOURSELF = "Export the model to ONNX yourself (opset 17, fixed shapes), and give that."


@dataclass(frozen=True)
class Exported:
    """An exported ONNX model.

    `command` is the command line that made it, `origin` its entry in the manifest, and `step` the
    step in the cache.
    """

    onnx: Path
    command: str
    origin: dict[str, Any]
    step: StepResult


class Exporter:
    """Runs exports, and installs what they need.

    `compiler` is called for an export that runs in the compiler's environment; it may install it.
    """

    def __init__(
        self,
        cache_dir: Path,
        compiler: Callable[[], Compiler],
        progress: Progress,
        run: Run = process.run,
    ) -> None:
        self._cache_dir = cache_dir
        self._cache = StepCache(cache_dir / "steps", progress)
        self._compiler = compiler
        self._progress = progress
        self._run = run

    def is_done(self, plan: ExportPlan) -> bool:
        """Say whether the export is in the cache, so that the model need not be loaded."""
        return self._cache.find(plan.key) is not None

    def export(self, plan: ExportPlan) -> Exported:
        """Export, or reuse the cached export of the same files with the same versions.

        Raises ExportError when the export fails or its outputs differ, and UnsupportedModelError
        when the exporter refuses the model with a reason.
        """
        with self._cache.in_use():
            step = self._cache.run("export", plan.key, lambda folder: self._build(plan, folder))
        record = json.loads((step.folder / _RECORD).read_text(encoding="utf-8"))
        origin = {
            "kind": plan.model.kind,
            "files": [{"file": path.name, "sha256": digest} for _, path, digest in plan.files],
            "command": plan.display(),
            **record,
        }
        return Exported(step.folder / plan.result, plan.display(), origin, step)

    def _build(self, plan: ExportPlan, folder: Path) -> None:
        (self._cache_dir / "tmp").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache_dir / "tmp", prefix="export-") as name:
            work = Path(name)
            for script in plan.scripts:
                shutil.copyfile(SCRIPTS / script, work / script)
            for plain, path, digest in plan.files:
                _copy(path, work / plain, digest)
            log = self._log()
            done = self._call(plan, work, log)
            versions = _read_report(work, done, plan, log)
            exported = work / OUTPUT_FILE
            if exported.is_symlink() or not exported.is_file():
                raise ExportError(f"exporting {plan.model.path.name} wrote no model", _see(log))
            with self._progress.step("Comparing the ONNX model with the original"):
                difference = _difference(exported, work / _EXPECTED)
            if difference is not None and difference > MAX_DIFFERENCE:
                raise ExportError(
                    f"the ONNX model of {plan.model.path.name} is not equivalent: its outputs "
                    f"differ by {difference:.2g}",
                    f"{_EXPORT_YOURSELF} Please report the model.",
                )
            shutil.copyfile(exported, folder / plan.result)
        record = {"versions": versions, "difference": difference}
        (folder / _RECORD).write_text(json.dumps(record), encoding="utf-8")

    def _call(self, plan: ExportPlan, work: Path, log: Path) -> process.Completed:
        environ = os.environ
        with contextlib.ExitStack() as stack:
            if plan.environment is None:
                compiler = self._compiler()
                words = (str(compiler.python), plan.scripts[0], *plan.arguments)
                call = stack.enter_context(compiler.calling(words, work, environ))
                words, environment = call.words, dict(call.environment)
            else:
                python = environments.ensure(
                    self._cache_dir, plan.environment, self._progress, run=self._run
                )
                words = (str(python), plan.scripts[0], *plan.arguments)
                environment = environments.exporter_environment(work)
            stack.enter_context(self._progress.step(f"Exporting {plan.title} to ONNX"))
            try:
                return self._run(words, cwd=work, env=environment, timeout=_SECONDS, log=log)
            except ProcessError as error:
                raise ExportError(f"the export failed: {error.message}", error.hint) from error

    def _log(self) -> Path:
        folder = self._cache_dir / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}-export"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / "export.log"


def _copy(path: Path, target: Path, digest: str) -> None:
    """Copy a file of the model, and check its hash, which the cache key holds.

    Raises ExportError when the file has changed.
    """
    shutil.copyfile(path, target)
    if sha256_of(target) != digest:
        raise ExportError(
            f"{path} changed while it was read", "Wait until it is written, then try again."
        )


def _see(log: Path) -> str:
    return f"{_EXPORT_YOURSELF} The exporter's whole output is in {log}."


def _read_report(
    work: Path, done: process.Completed, plan: ExportPlan, log: Path
) -> dict[str, str]:
    """Read the versions that the exporter used.

    The report may have been changed by a model's own code: all of it is treated as text. Raises
    UnsupportedModelError when it holds an error, and ExportError when the export failed otherwise.
    """
    try:
        with (work / _REPORT).open("rb") as file:
            report = parse_json(file.read(_MOST_REPORT_BYTES))
        if "error" in report:
            raise UnsupportedModelError(
                f"{plan.model.path.name} cannot be exported: {report['error']}",
                str(report["hint"]),
            )
        if done.returncode == 0:
            return {str(name): str(version) for name, version in report["versions"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise ExportError(
        f"exporting {plan.model.path.name} ended with exit code {done.returncode}: "
        f"{last_lines(done.output) or 'it printed nothing'}",
        _see(log),
    )


def _difference(model: Path, expected: Path) -> float | None:
    """Compute the largest difference of onnxruntime's outputs from the framework's `expected` ones.

    Return None where the script wrote none. Raises ExportError when they cannot be read.
    """
    if not expected.is_file():
        return None
    try:
        with np.load(expected, allow_pickle=False) as arrays:
            picture = np.asarray(arrays["input"], np.float32)
            count = len(arrays.files) - 1
            wanted = [np.asarray(arrays[f"output_{i}"], np.float32) for i in range(count)]
    except ZIP_ERRORS as error:
        raise ExportError("the exporter's own results cannot be read", _EXPORT_YOURSELF) from error
    found = FloatModel(model).run(picture)
    if [array.size for array in found] != [array.size for array in wanted]:
        return float("inf")
    return max(relative_difference(a, b) for a, b in zip(found, wanted, strict=True))
