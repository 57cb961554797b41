"""Run one tool of the compiler, with progress and a log, and check its outputs.

Exit codes are not enough: a tool can end with 0 and have written nothing, or a cvimodel whose
instructions are incomplete.
"""

from __future__ import annotations

import re
import shlex
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import environ as _os_environ
from pathlib import Path

from .. import process
from ..documents import ZIP_ERRORS
from ..errors import CompilationError, ProcessError, RecamError
from ..progress import Progress, Step
from .code_generation import generation_error
from .compiler import Compiler
from .failures import explain, last_lines
from .python310 import Run
from .tables import check_calibration_table, read_calibration_table

Check = Callable[[Path], None]

_TAIL_LINES = 20

# The scripts put these values into a shell's command line unquoted: they must be plain names.
_UNQUOTED = frozenset(
    {"--model_name", "--mlir", "--model", "--calibration_table", "--quantize_table", "-o"}
)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*\Z")
# Lists of numbers, or of tensors' names, which often begin with a slash.
_UNQUOTED_LISTS = frozenset({"--tolerance", "--excepts"})
_PLAIN_LIST = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./:,+-]*\Z")


@dataclass(frozen=True)
class ToolCommand:
    """One call of a tool.

    `tool` is "model_transform", "run_calibration" and so on; `outputs` are the files that it must
    write, relative to its work folder.
    """

    tool: str
    arguments: tuple[str, ...]
    outputs: tuple[Path, ...]

    def words(self, compiler: Compiler) -> tuple[str, ...]:
        """Return the command line with the paths that the compiler has."""
        return (str(compiler.python), str(compiler.script(self.tool)), *self.arguments)

    def display(self) -> str:
        """Return the command line as Seeed's guide writes it, quoted for a shell."""
        return shlex.join((f"{self.tool}.py", *self.arguments))

    def option(self, name: str) -> str | None:
        """Return the value of the option `name`; None when it is not there."""
        for argument, value in zip(self.arguments, self.arguments[1:], strict=False):
            if argument == name:
                return value
        return None


@dataclass(frozen=True)
class ToolResult:
    """The result of a tool.

    `seconds` are on the wall clock; `log` holds all its output, `tail` the last lines. After its
    own `warnings`, a result may be incomplete.
    """

    command: ToolCommand
    seconds: float
    log: Path
    tail: str
    warnings: tuple[str, ...]


def run_tool(
    compiler: Compiler,
    command: ToolCommand,
    work_dir: Path,
    log: Path,
    progress: Progress,
    *,
    timeout: float | None = None,
    check: Check | None = None,
    environ: Mapping[str, str] | None = None,
    run: Run = process.run,
) -> ToolResult:
    """Run `command` in `work_dir`, append its output to `log`, and check the files it must write.

    Outputs of an earlier run are removed first. `check` is called with each cvimodel and raises
    RecamError when it is incomplete.

    Raises CompilationError, or ToolchainError when the compiler itself is at fault, with the cause
    and a remedy.
    """
    _check_plain(command)
    _check_inputs(command, work_dir)
    for output in command.outputs:
        (work_dir / output).unlink(missing_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {command.display()}\n")
    started = time.monotonic()
    with progress.step(_TITLES.get(command.tool, command.tool)) as step:
        meter = ToolProgress(step)
        try:
            base = _os_environ if environ is None else environ
            with compiler.calling(command.words(compiler), work_dir, base) as call:
                done = run(
                    call.words,
                    cwd=work_dir,
                    env=call.environment,
                    timeout=timeout,
                    on_line=meter.line,
                    log=log,
                )
        except ProcessError as error:
            raise CompilationError(
                f"{command.tool} failed: {error.message}", f"{error.hint} Its log is {log}."
            ) from error
    if refused := generation_error(command.tool, done.output, _network(command, work_dir), log):
        raise refused
    if done.returncode != 0:
        raise explain(command.tool, done.returncode, done.output, log)
    for output in command.outputs:
        _check_output(command, work_dir / output, done.output, log, check)
    return ToolResult(
        command=command,
        seconds=time.monotonic() - started,
        log=log,
        tail=done.tail(_TAIL_LINES),
        warnings=tuple(dict.fromkeys(_WARNING.findall(done.output))),
    )


_WARNING = re.compile(r"^\s*(WARNING: .+?)\s*$", re.MULTILINE)


def _check_plain(command: ToolCommand) -> None:
    for name in _UNQUOTED:
        value = command.option(name)
        if value is not None and not _PLAIN_NAME.match(value):
            raise ValueError(f"{command.tool} {name} must be a plain file name, not {value!r}")
    for name in _UNQUOTED_LISTS:
        value = command.option(name)
        if value is not None and not _PLAIN_LIST.match(value):
            raise ValueError(f"{command.tool} {name} must be a list of plain names, not {value!r}")


def _check_inputs(command: ToolCommand, work_dir: Path) -> None:
    """Refuse a calibration table of another network, which model_deploy would accept."""
    table, mlir = command.option("--calibration_table"), command.option("--mlir")
    if command.tool == "model_deploy" and table and mlir:
        check_calibration_table(work_dir / table, work_dir / mlir)


def _network(command: ToolCommand, work_dir: Path) -> Path | None:
    name = command.option("--mlir")
    return work_dir / name if name else None


def _check_output(
    command: ToolCommand, path: Path, printed: str, log: Path, check: Check | None
) -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        size = -1
    where = f"Its whole output is in {log}."
    if size <= 0:
        what = "did not write" if size < 0 else "wrote nothing into"
        lines = last_lines(printed)
        raise CompilationError(
            f"{command.tool} ended without an error, but {what} {path.name}"
            + (f" ({lines})" if lines else ""),
            f"Free some disk space, and try again. {where}",
        )
    try:
        _CHECKS.get(path.suffix, _accept)(path)
        if path.suffix == ".cvimodel" and check is not None:
            check(path)
        if command.tool == "run_calibration":
            read_calibration_table(path)
    except RecamError as error:
        raise CompilationError(
            f"{command.tool} wrote an incomplete {path.name}: {error.message}", where
        ) from error


def _accept(path: Path) -> None:
    """Accept any file; its size has been checked."""


def check_mlir(path: Path) -> None:
    """Raise CompilationError unless `path` is a complete MLIR file with its weights."""
    text = path.read_text(encoding="utf-8", errors="replace")
    weights = re.search(r'module\.weight_file = "([^"]+)"', text)
    if not weights or "module @" not in text or not re.search(r"^\}", text, re.MULTILINE):
        raise CompilationError(f"{path.name} is cut short")
    check_npz(path.with_name(weights[1]))


def check_npz(path: Path) -> None:
    """Raise CompilationError unless `path` is an undamaged npz file that holds arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            count = len(archive.namelist())
    except ZIP_ERRORS as error:
        raise CompilationError(f"{path.name} is missing or damaged") from error
    if damaged is not None or count == 0:
        raise CompilationError(f"{path.name} is damaged or empty")


_CHECKS: Mapping[str, Check] = {".mlir": check_mlir, ".npz": check_npz}

_TITLES: Mapping[str, str] = {
    "model_transform": "Translating the network",
    "run_calibration": "Calibrating",
    "run_qtable": "Searching layers for mixed precision",
    "model_deploy": "Compiling for the TPU",
    "model_runner": "Running the model",
}

# tqdm's bar: `tune op: /model.2/Concat_output_0_Concat:  33%|███▎      | 77/231 [00:12<…`
_BAR = re.compile(r"^(?P<label>.*?)\s*\d+%\|.*?\|\s*(?P<done>\d+)/(?P<total>\d+) \[")
_BAR_NOTES = (
    ("activation_collect_and_calc_th", "collecting activations"),
    ("threshold", "computing thresholds"),
    ("tune op", "tuning thresholds"),
    ("Processing", "comparing layers"),
)

# model_deploy's two searches for groups of layers.
_GROUPS = re.compile(r"total num of base_group is (\d+)")
_GROUP = re.compile(r"process base group (\d+),")

_NOTES = (
    ("ConstantFolding", "folding constants"),
    ("Onnxsim", "simplifying"),
    ("Save mlir file", "writing MLIR"),
    ("FusePreprocessPass", "fusing the preprocessing"),
    ("LayerGroupSearchPass", "grouping layers"),
    ("LocalMemoryAllocationPass", "allocating local memory"),
    ("GroupDataMoveOverlapPass", "overlapping data moves"),
    ("stepSize", "compressing weights"),
)


class ToolProgress:
    """Turns the lines that the tools print into progress."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._groups = 0

    def line(self, text: str) -> None:
        """Show the progress that one line, or carriage-return update, reports."""
        if bar := _BAR.match(text):
            label = bar["label"]
            note = next((note for word, note in _BAR_NOTES if word in label), None)
            self._step.update(float(bar["done"]), float(bar["total"]), note)
        elif found := _GROUPS.search(text):
            self._groups = int(found[1])
        elif (found := _GROUP.search(text)) and self._groups:
            self._step.update(float(found[1]) + 1, float(self._groups), "grouping layers")
        else:
            note = next((note for word, note in _NOTES if word in text), None)
            if note:
                self._step.update(note=note)
