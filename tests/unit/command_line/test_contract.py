"""Every command keeps the contract: one document or clear lines, and telling exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cvimodels import write_cvimodel
from PIL import Image
from typer.testing import CliRunner

from recam_deploy.cli.error_handler import bounded
from recam_deploy.cli.main import app

runner = CliRunner()


BAD_INPUT: list[tuple[str, list[str], str]] = [
    ("missing model", ["convert", "none.onnx", "--calibration", "pictures"], "does not exist"),
    ("no onnx", ["convert", "text.onnx", "--calibration", "pictures"], "not an ONNX"),
    ("missing pictures", ["convert", "m.onnx", "--calibration", "none"], "does not exist"),
    ("no pictures", ["convert", "m.onnx", "--calibration", "empty"], "holds no pictures"),
    ("broken picture", ["convert", "m.onnx", "--calibration", "broken"], "cannot be read"),
    (
        "too few to verify",
        ["convert", "m.onnx", "--calibration", "pictures", "--verify", "2"],
        "2 pictures are to be verified, and there are only 1",
    ),
    (
        "missing labels",
        ["convert", "m.onnx", "--calibration", "pictures", "--labels", "none.txt"],
        "class names",
    ),
    (
        "wrong output",
        ["convert", "m.onnx", "--calibration", "pictures", "-o", "x.bin"],
        ".cvimodel",
    ),
    (
        "output nowhere",
        ["convert", "m.onnx", "--calibration", "pictures", "-o", "no/x.cvimodel"],
        "folder no",
    ),
    (
        "foreign manifest",
        ["convert", "m.onnx", "--calibration", "pictures", "-o", "package.cvimodel"],
        "package.json",
    ),
    (
        "float outputs asked to be int8",
        ["convert", "m.onnx", "--calibration", "pictures", "--int8-outputs", "--quantize", "bf16"],
        "the precision is bf16",
    ),
    (
        "int8 outputs of another family",
        ["convert", "m.onnx", "--calibration", "pictures", "--int8-outputs", "--family", "raw"],
        "this model is raw",
    ),
    ("output is a file", ["demo", "-o", "text.onnx"], "text.onnx"),
    ("no host", ["deploy", "x.cvimodel"], "no camera is named"),
    ("missing artifact", ["deploy", "none.json", "--host", "127.0.0.1"], "does not exist"),
    ("damaged", ["deploy", "damaged.cvimodel", "--host", "127.0.0.1"], "damaged"),
    ("other chip", ["deploy", "other.cvimodel", "--host", "127.0.0.1"], "cv181x"),
    (
        "no picture",
        ["test", "x.cvimodel", "--image", "text.onnx", "--host", "127.0.0.1"],
        "picture",
    ),
    (
        "wrong runner",
        ["test", "x.cvimodel", "--image", "a.png", "--runner", "m.onnx", "--host", "127.0.0.1"],
        "RISC-V",
    ),
    ("closed port", ["deploy", "x.cvimodel", "--host", "127.0.0.1", "--port", "1"], "127.0.0.1"),
]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [case[1:] for case in BAD_INPUT],
    ids=[case[0] for case in BAD_INPUT],
)
@pytest.mark.parametrize("as_json", [False, True], ids=["lines", "json"])
def test_bad_input_is_one_line_and_a_hint_and_leaves_nothing(
    tmp_path: Path, model: Path, pictures: Path, arguments: list[str], message: str, as_json: bool
) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "package.json").write_text('{"name": "something else"}')
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"\xff\xd8\xff")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    write_cvimodel(tmp_path / "x.cvimodel")
    write_cvimodel(tmp_path / "other.cvimodel", chip="bm1684x")
    (tmp_path / "damaged.cvimodel").write_bytes((tmp_path / "x.cvimodel").read_bytes()[:-9])
    before = sorted(tmp_path.rglob("*"))
    result = runner.invoke(app, [*arguments, *(["--json"] if as_json else [])])
    assert result.exit_code == 1
    if as_json:
        error = json.loads(result.stdout)["error"]
        assert sorted(error) == ["hint", "kind", "message"]
        assert message in error["message"]
        assert error["hint"]
    else:
        assert result.stdout == ""
        first, second = result.stderr.splitlines()
        assert first.startswith("error: ")
        assert message in first
        assert second.startswith(" hint: ")
    assert sorted(tmp_path.rglob("*")) == before


def test_usage_errors_exit_with_2() -> None:
    assert runner.invoke(app, ["convert"]).exit_code == 2
    assert runner.invoke(app, ["nonsense"]).exit_code == 2
    assert runner.invoke(app, ["toolchain", "install", "--nonsense"]).exit_code == 2


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["deploy", "--json"], "ARTIFACT"),
        (["watch", "--json", "--count", "none"], "--count"),
        (["--json", "nonsense"], "--json"),
        (["cache", "info", "--json", "--colour"], "--colour"),
    ],
)
def test_usage_errors_are_a_document_with_json(words: list[str], named: str) -> None:
    done = recam(*words)
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert (error["kind"], named in error["message"]) == ("usage", True)
    assert "--help" in error["hint"]


def recam(*words: str) -> subprocess.CompletedProcess[str]:
    """The program itself: what ends before a command begins is not the runner's."""
    return subprocess.run(
        [sys.executable, "-m", "recam_deploy", *words], capture_output=True, text=True, check=False
    )


EARLY = {
    "while it is loaded": (
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer':\n"
        "            sys.meta_path.remove(self)\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder())\n"
    ),
    "before the command": (
        "from recam_deploy.cli.main import app\n"
        "@app.callback()\n"
        "def early() -> None:\n"
        "    raise KeyboardInterrupt\n"
    ),
}


@pytest.mark.parametrize("moment", EARLY)
@pytest.mark.parametrize("as_json", [False, True], ids=["lines", "json"])
def test_ctrl_c_at_any_moment_is_told_without_a_traceback(moment: str, as_json: bool) -> None:
    words = ["cache", "info", *(["--json"] if as_json else [])]
    program = f"import sys\nsys.argv = ['recam', *{words}]\n{EARLY[moment]}"
    program += "from recam_deploy.__main__ import main\nmain()\n"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    if as_json:
        assert json.loads(done.stdout)["error"]["kind"] == "interrupted"
    else:
        assert done.stderr.startswith("error: interrupted")


def test_a_bug_exits_with_3_and_names_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    @bounded
    def broken(as_json: bool = False) -> None:
        raise KeyError("inside")

    with pytest.raises(typer.Exit) as caught:
        broken(as_json=True)
    assert caught.value.exit_code == 3
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["kind"] == "bug"
    log = Path(error["hint"].partition("the log ")[2].split()[0])
    assert "inside" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_end_a_command_cleanly(tmp_path: Path, number: int, code: int) -> None:
    """Among them that of a terminal which is closed: the compiler must not go on alone."""
    program = (
        "import os, signal, time\n"
        "from recam_deploy.cli import error_handler, main\n"
        "@main.app.command('wait')\n"
        "@error_handler.bounded\n"
        "def wait() -> None:\n"
        "    try:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        time.sleep(30)\n"
        "    finally:\n"
        "        print('cleaned')\n"
        "main.run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "wait"], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert done.stdout == "cleaned\n"
    assert "Traceback" not in done.stderr


def test_a_command_under_nohup_survives_its_terminal() -> None:
    program = (
        "import os, signal\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from recam_deploy.cli import error_handler\n"
        "error_handler.end_on_sigterm()\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('went on')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "went on\n"


def test_the_version_is_printed() -> None:
    assert runner.invoke(app, ["--version"]).stdout.startswith("recam 0.")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from recam_deploy.cli import main\n"
        "heavy = {'onnx', 'onnxruntime', 'numpy', 'paramiko', 'PIL', 'pydantic', 'asyncssh',\n"
        " 'requests', 'paho', 'websockets'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


COMMANDS = [
    [],
    ["up"],
    ["demo"],
    ["convert"],
    ["inspect"],
    ["verify"],
    ["deploy"],
    ["test"],
    ["virtual", "up"],
    ["virtual", "down"],
    ["virtual", "status"],
    ["toolchain", "install"],
    ["toolchain", "status"],
    ["toolchain", "remove"],
    ["runner", "fetch"],
    ["cache", "info"],
    ["cache", "clean"],
    ["flow", "show"],
    ["flow", "pull"],
    ["flow", "diff"],
    ["flow", "push"],
    ["flow", "backups"],
    ["flow", "restore"],
    ["watch"],
    ["history"],
    ["rollback"],
    ["doctor"],
    ["discover"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: list[str]) -> None:
    result = runner.invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "--json" in result.stdout or not command


def test_status_without_a_toolchain_is_no_error() -> None:
    document = json.loads(runner.invoke(app, ["toolchain", "status", "--json"]).stdout)
    assert document["installed"] is False


def test_stopping_what_does_not_run_is_no_error() -> None:
    document = json.loads(runner.invoke(app, ["virtual", "down", "--json"]).stdout)
    assert document["stopped"] is False


def test_help_breaks_lines_at_the_terminal_s_edge_and_nowhere_else() -> None:
    lines = runner.invoke(app, ["up", "--help"], env={"COLUMNS": "600"}).stdout.splitlines()
    second = next(line for line in lines if "does not become the active one" in line)
    assert second.strip().endswith("only reads from the camera.")


def test_help_names_defaults_and_variables() -> None:
    """Square brackets would be taken for markup, and vanish."""
    text = " ".join(runner.invoke(app, ["up", "--help"], env={"COLUMNS": "300"}).stdout.split())
    assert "RECAM_HOST" in text
    assert "default: 0.75" in text
    assert "is the table [camera.porch]" in text


def test_an_empty_cache_is_told_and_cleaned() -> None:
    assert json.loads(runner.invoke(app, ["cache", "info", "--json"]).stdout)["steps"] == 0
    assert json.loads(runner.invoke(app, ["cache", "clean", "--json"]).stdout)["freed_bytes"] == 0
