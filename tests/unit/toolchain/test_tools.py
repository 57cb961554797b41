"""Running a tool: its command line, its log, its progress, and outputs that are whole."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from recam_deploy.errors import CompilationError, InputError, ProcessError, ToolchainError
from recam_deploy.process import Completed
from recam_deploy.toolchain.local import Toolchain
from recam_deploy.toolchain.tools import ToolCommand, ToolProgress, ToolResult, run_tool

from .fakes import FakeRun, Recorder, captured, completed
from .test_tables import MLIR, TABLE

TOOLCHAIN = Toolchain.at(Path("/cache/x"))
CALIBRATE = ToolCommand(
    "run_calibration", ("m.mlir", "--dataset", "/my pictures", "-o", "table"), (Path("table"),)
)
DEPLOY = ToolCommand(
    "model_deploy",
    ("--mlir", "m.mlir", "--calibration_table", "table", "--model", "m.cvimodel"),
    (Path("m.cvimodel"),),
)
TRANSFORM = ToolCommand(
    "model_transform", ("--model_name", "m", "--mlir", "m.mlir"), (Path("m.mlir"),)
)


def npz(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w.npy", bytes(range(256)) * 4)


def writing(
    folder: Path, files: dict[str, str | bytes], returncode: int = 0, output: str = ""
) -> FakeRun:
    """A tool that writes `files` and prints `output`."""

    def respond(words: tuple[str, ...]) -> Completed:
        for name, data in files.items():
            (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
        return completed(returncode, output=output)

    return FakeRun(respond)


def go(
    folder: Path,
    command: ToolCommand,
    run: Callable[..., Completed],
    progress: Recorder | None = None,
    check: Callable[[Path], None] | None = None,
) -> ToolResult:
    return run_tool(
        TOOLCHAIN,
        command,
        folder,
        folder / "tool.log",
        progress or Recorder(),
        check=check,
        environ={"PATH": "/usr/bin"},
        run=run,
    )


def test_the_command_line_runs_the_script_with_the_environments_python() -> None:
    words = CALIBRATE.words(TOOLCHAIN)
    assert words[0] == str(TOOLCHAIN.python)
    assert words[1].endswith("tpu_mlir/python/tools/run_calibration.py")
    assert words[2:] == CALIBRATE.arguments


def test_it_is_shown_as_the_guide_writes_it_and_quoted() -> None:
    expected = "run_calibration.py m.mlir --dataset '/my pictures' -o table"
    assert CALIBRATE.display() == expected


def test_a_tool_runs_in_its_folder_with_its_own_environment(tmp_path: Path) -> None:
    run = writing(tmp_path, {"table": TABLE})
    result = go(tmp_path, CALIBRATE, run)
    (call,) = run.calls
    assert call.cwd == tmp_path
    assert call.env == TOOLCHAIN.environment({"PATH": "/usr/bin"})
    assert result.command == CALIBRATE
    assert result.seconds >= 0.0


def test_the_log_holds_the_command_and_all_that_was_printed(tmp_path: Path) -> None:
    go(tmp_path, CALIBRATE, writing(tmp_path, {"table": TABLE}, output="one\ntwo\n"))
    log = (tmp_path / "tool.log").read_text()
    assert log == f"$ {CALIBRATE.display()}\none\ntwo\n"


def test_the_result_has_the_last_lines_and_the_warnings_once_each(tmp_path: Path) -> None:
    output = "WARNING: onnxsim opt failed.\nfine\nWARNING: onnxsim opt failed.\nend\n"
    result = go(tmp_path, CALIBRATE, writing(tmp_path, {"table": TABLE}, output=output))
    assert result.tail.endswith("end")
    assert result.warnings == ("WARNING: onnxsim opt failed.",)


def test_a_failure_is_explained(tmp_path: Path) -> None:
    run = writing(tmp_path, {}, returncode=1, output=captured("no_pictures"))
    with pytest.raises(CompilationError, match="no pictures") as caught:
        go(tmp_path, CALIBRATE, run)
    assert str(tmp_path / "tool.log") in caught.value.hint
    assert "There is no inputs" in (tmp_path / "tool.log").read_text()


def test_a_fault_of_the_compiler_stays_one(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError):
        go(tmp_path, CALIBRATE, writing(tmp_path, {}, returncode=1, output=captured("glibc")))


def test_exit_code_0_without_the_output_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(CompilationError, match="did not write table"):
        go(tmp_path, CALIBRATE, writing(tmp_path, {}))


def test_an_output_of_an_earlier_run_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "table").write_text(TABLE)
    with pytest.raises(CompilationError, match="did not write table"):
        go(tmp_path, CALIBRATE, writing(tmp_path, {}))
    assert not (tmp_path / "table").exists()


def test_an_empty_output_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(CompilationError, match="wrote nothing into table"):
        go(tmp_path, CALIBRATE, writing(tmp_path, {"table": ""}))


def test_a_table_cut_short_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(CompilationError, match="wrote an incomplete table"):
        go(tmp_path, CALIBRATE, writing(tmp_path, {"table": TABLE[:-12]}))


def test_a_whole_mlir_with_its_weights_is_accepted(tmp_path: Path) -> None:
    npz(tmp_path / "m_weight.npz")
    go(tmp_path, TRANSFORM, writing(tmp_path, {"m.mlir": MLIR}))


@pytest.mark.parametrize("case", ["no weights", "weights cut", "weights damaged", "text cut"])
def test_an_mlir_that_is_not_whole_is_a_failure(tmp_path: Path, case: str) -> None:
    weights = tmp_path / "m_weight.npz"
    npz(weights)
    data = weights.read_bytes()
    files: dict[str, str | bytes] = {"m.mlir": MLIR}
    if case == "no weights":
        weights.unlink()
    elif case == "weights cut":
        files[weights.name] = data[: len(data) // 2]
    elif case == "weights damaged":
        files[weights.name] = data[:100] + bytes([data[100] ^ 0xFF]) + data[101:]
    else:
        files["m.mlir"] = MLIR[: MLIR.index("return")]
    with pytest.raises(CompilationError, match=r"wrote an incomplete m\.mlir"):
        go(tmp_path, TRANSFORM, writing(tmp_path, files))


def ready_to_deploy(folder: Path, table: str = TABLE) -> None:
    (folder / "m.mlir").write_text(MLIR)
    (folder / "table").write_text(table)


def test_a_cvimodel_is_given_to_the_check(tmp_path: Path) -> None:
    ready_to_deploy(tmp_path)
    seen: list[Path] = []
    go(tmp_path, DEPLOY, writing(tmp_path, {"m.cvimodel": "x"}), check=seen.append)
    assert seen == [tmp_path / "m.cvimodel"]


def test_a_cvimodel_that_fails_the_check_is_a_failure(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise InputError("it is truncated")

    ready_to_deploy(tmp_path)
    with pytest.raises(CompilationError, match="it is truncated"):
        go(tmp_path, DEPLOY, writing(tmp_path, {"m.cvimodel": "x"}), check=refuse)


@pytest.mark.parametrize("table", ["garbage\n", TABLE[: TABLE.index("y_Conv")]])
def test_a_table_that_does_not_fit_is_refused_before_the_compiler_starts(
    tmp_path: Path, table: str
) -> None:
    ready_to_deploy(tmp_path, table)
    run = writing(tmp_path, {"m.cvimodel": "x"})
    with pytest.raises(CompilationError, match="calibration table"):
        go(tmp_path, DEPLOY, run)
    assert not run.calls


def test_a_tool_that_takes_too_long_is_a_compilation_error_with_its_log(tmp_path: Path) -> None:
    def respond(words: tuple[str, ...]) -> Completed:
        raise ProcessError("python3 did not finish within 3 s", "Try again.")

    with pytest.raises(CompilationError, match="run_calibration failed") as caught:
        go(tmp_path, CALIBRATE, FakeRun(respond))
    assert str(tmp_path / "tool.log") in caught.value.hint


@pytest.mark.parametrize("name", ["a b", "$(touch x)", "a;b", "-x", "../m.mlir", "a'b", "m\n"])
def test_names_that_reach_a_shell_must_be_plain(tmp_path: Path, name: str) -> None:
    command = ToolCommand("model_transform", ("--mlir", name), (Path(name),))
    run = writing(tmp_path, {})
    with pytest.raises(ValueError, match="plain file name"):
        go(tmp_path, command, run)
    assert not run.calls


def follow(text: str) -> Recorder:
    recorder = Recorder()
    with recorder.step("tool") as step:
        progress = ToolProgress(step)
        for line in text.splitlines():
            progress.line(line)
    return recorder


def test_calibration_tells_its_phases_and_how_far_each_is() -> None:
    recorder = follow(captured("calibration_output"))
    assert recorder.notes() == [
        "collecting activations",
        "computing thresholds",
        "tuning thresholds",
    ]
    assert (1.0, 231.0, "collecting activations") in recorder.updates
    assert recorder.updates[-1] == (231.0, 231.0, "tuning thresholds")


def test_translation_tells_its_stages() -> None:
    notes = follow(captured("transform_output")).notes()
    assert notes == ["folding constants", "simplifying", "writing MLIR"]


def test_compilation_tells_its_stages() -> None:
    recorder = follow(captured("deploy_output"))
    assert recorder.notes()[:2] == ["fusing the preprocessing", "grouping layers"]
    assert (1.0, 49.0, "grouping layers") in recorder.updates
    assert "allocating local memory" in recorder.notes()


@pytest.mark.parametrize(
    ("option", "value"), [("--excepts", "a;touch canary"), ("--tolerance", "0.9,$(id)")]
)
def test_lists_that_reach_a_shell_must_be_plain(tmp_path: Path, option: str, value: str) -> None:
    command = ToolCommand("model_deploy", (option, value), ())
    run = writing(tmp_path, {})
    with pytest.raises(ValueError, match="list of plain names"):
        go(tmp_path, command, run)
    assert not run.calls
