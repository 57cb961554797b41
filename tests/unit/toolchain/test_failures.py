"""What the tools print when they fail, and what is made of it. The texts are real."""

from __future__ import annotations

from pathlib import Path

import pytest

from recam_deploy.errors import CompilationError, ToolchainError
from recam_deploy.toolchain.failures import explain, last_lines, start_failure

from .fakes import captured

LOG = Path("/my models/2-tool.log")


@pytest.mark.parametrize(
    ("name", "cause", "remedy"),
    [
        # Case 67: the extra check, and what passes without it.
        ("compare_failed", "--paranoid (or `test_input`) switches on", "Leave --paranoid"),
        ("operator", "cannot translate these operators: 'Asinh'", "Export"),
        ("damaged_onnx", "damaged or is not", "Export the model again"),
        ("ir_version", "IR version 10", "opset 17 and IR version 8"),
        ("opset", "opset above 19", "opset 17"),
        ("no_pictures", "has no pictures", "jpg"),
        ("unreadable_picture", "a calibration picture cannot be read", "calibration folder"),
        ("illegal_file", "names picture-00000.webp, which is not a picture", "calibration folder"),
        ("missing_picture", "/nowhere/x.jpg does not exist", "calibration folder"),
        ("threads", "not enough memory", "memory"),
        ("disk_full_python", "no space left", "ten times"),
        ("disk_full_compiler", "no space left", "ten times"),
        ("killed", "the system killed it", "memory"),
        ("crashed", "segmentation fault", "opset 17"),
        ("missing_table", "the calibration table is missing", "Calibrate"),
        ("foreign_weights", "the weights file lacks w2", "empty work folder"),
        ("wrong_chip", "does not know the chip cv999x", "cv181x"),
        ("wrote_nothing", "the file m9.mlir does not exist", "work folder"),
    ],
)
def test_a_known_failure_has_its_cause_and_a_remedy(name: str, cause: str, remedy: str) -> None:
    error = explain("model_tool", 1, captured(name), LOG)
    assert isinstance(error, CompilationError)
    assert error.message.startswith("model_tool failed: ")
    assert cause in error.message
    assert remedy in error.hint
    assert str(LOG) in error.hint


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("glibc", "GLIBC_2.36"),
        ("missing_library", "the shared library libdnnl.so.3 is missing"),
        ("no_graphviz", "`dot`"),
    ],
)
def test_a_fault_of_the_compiler_itself_is_told_apart(name: str, cause: str) -> None:
    error = explain("model_tool", 1, captured(name), LOG)
    assert isinstance(error, ToolchainError)
    assert cause in error.message
    assert "toolchain" in error.hint


@pytest.mark.parametrize("code", [-9, 137])
def test_a_kill_without_a_word_is_known_by_its_exit_code(code: int) -> None:
    error = explain("run_calibration", code, "", LOG)
    assert "memory ran out" in error.message


@pytest.mark.parametrize("code", [-11, 139])
def test_a_crash_without_a_word_is_known_by_its_exit_code(code: int) -> None:
    assert "segmentation fault" in explain("model_deploy", code, "", LOG).message


def test_messages_are_one_line() -> None:
    for path in ("operator", "damaged_onnx", "ir_version", "missing_table", "wrong_chip"):
        assert "\n" not in explain("model_tool", 1, captured(path), LOG).message


def test_an_unknown_failure_shows_its_last_lines_that_say_something() -> None:
    output = (
        "  7%|7         | 7/100 [00:00<00:01, 7.1it/s]\n"
        "Traceback (most recent call last):\n"
        '  File "/opt/toolchain/tool.py", line 3, in <module>\n'
        "    boil(ocean)\n"
        "ValueError: the ocean is too large\n"
    )
    error = explain("model_tool", 3, output, LOG)
    assert error.message == "model_tool ended with exit code 3: ValueError: the ocean is too large"
    assert str(LOG) in error.hint


def test_silence_is_said_to_be_silence() -> None:
    assert "exit code 5 and printed nothing" in explain("model_tool", 5, "\n", LOG).message


def test_stack_dumps_are_left_out() -> None:
    said = last_lines(captured("missing_table").replace("can't open", "cannot open"))
    assert "0x0000" not in said
    assert "UNREACHABLE executed" in said or "ImportCalibration" in said


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (captured("glibc"), "GLIBC_2.36"),
        ("ImportError: libtinfo.so.6: cannot open shared object file: No such", "libtinfo.so.6"),
        (captured("executable_stack"), "onnxruntime_pybind11_state"),
        ("ModuleNotFoundError: No module named 'flatbuffers'", "flatbuffers"),
        ("x: version `GLIBCXX_3.4.30' not found (required by y)", "GLIBCXX_3.4.30"),
        ("", "it said no more"),
    ],
)
def test_a_compiler_that_does_not_start_says_why(output: str, cause: str) -> None:
    error = start_failure(output, "it said no more")
    assert cause in error.message
    assert error.hint


def test_a_path_is_not_taken_for_a_progress_bar() -> None:
    assert last_lines("cannot read /models/items.onnx\n") == "cannot read /models/items.onnx"
    assert last_lines(" 50%|##  | 1/2 [00:01<00:01,  1.00s/it]\n") == ""
