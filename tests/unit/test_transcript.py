"""What is written with --log and -v: where, for whose eyes, and never a secret."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from pathlib import Path

import pytest
import typer
from planted import secret
from pydantic import SecretStr
from typer.testing import CliRunner

from recam_deploy.cli.error_handler import bounded
from recam_deploy.cli.main import app
from recam_deploy.errors import CameraError
from recam_deploy.process import run
from recam_deploy.redaction import keep_secret, redact
from recam_deploy.ssh.command import RemoteCommand
from recam_deploy.transcript import transcript

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (DEBUG|INFO|WARNING|ERROR) "
    r"recam_deploy\.\S+ ."
)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("RECAM_LOG", "RECAM_SETTINGS"):
        monkeypatch.delenv(name, raising=False)


def cache_info(*flags: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["cache", "info", *flags])
    return done.exit_code, done.stdout, done.stderr


def test_a_run_adds_to_a_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    for _ in range(2):
        assert cache_info("--log", str(log))[0] == 0
    assert log.stat().st_mode & 0o777 == 0o600
    lines = log.read_text().splitlines()
    assert all(LINE.match(line) for line in lines)
    assert sum(f"Python {sys.version.split()[0]}" in line for line in lines) == 2
    assert "ended with exit code 0" in lines[-1]


def test_flags_go_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recam.toml").write_text('log = "file.log"\n')
    assert cache_info()[0] == 0
    monkeypatch.setenv("RECAM_LOG", "environment.log")
    assert cache_info()[0] == 0
    assert cache_info("--log", "flag.log")[0] == 0
    sizes = [
        len((tmp_path / f"{name}.log").read_text().splitlines())
        for name in ("file", "environment", "flag")
    ]
    assert len(set(sizes)) == 1


@pytest.mark.parametrize("place", ["missing/a.log", "."])
def test_a_log_that_cannot_be_opened_is_an_error_before_anything_is_done(
    tmp_path: Path, place: str
) -> None:
    code, out, _ = cache_info("--json", "--log", str(tmp_path / place))
    error = json.loads(out)["error"]
    assert code == 1
    assert "cannot be opened" in error["message"]
    assert "--log" in error["hint"]


def test_the_short_form_leaves_stdout_one_document() -> None:
    code, out, err = cache_info("--json", "-v")
    assert code == 0
    assert "by_step" in json.loads(out)
    assert err.startswith("=== recam")
    assert "Traceback" not in err


def test_without_a_transcript_nothing_is_logged() -> None:
    assert cache_info()[2] == ""
    assert all(
        isinstance(h, logging.NullHandler) for h in logging.getLogger("recam_deploy").handlers
    )


def test_a_bug_names_the_transcript_which_has_the_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = secret("one in a bug")
    keep_secret(SecretStr(hidden))

    @bounded
    def broken(as_json: bool = False) -> None:
        try:
            raise ValueError("in" + "side")
        except ValueError:
            raise KeyError("with a secret") from None

    log = tmp_path / "bug.log"
    with pytest.raises(typer.Exit):
        broken(as_json=True, log_file=log)  # type: ignore[call-arg]
    hint = json.loads(capsys.readouterr().out)["error"]["hint"]
    assert f"the transcript {log}" in hint
    assert "issue tracker" in hint
    assert "Traceback" in log.read_text()
    assert "ended with exit code 3" in log.read_text()
    assert redact(f"it is {hidden}") == "it is ***"


def test_an_expected_error_is_in_it(tmp_path: Path) -> None:
    @bounded
    def failing() -> None:
        raise CameraError("it is full", "Make room.")

    log = tmp_path / "log"
    with pytest.raises(typer.Exit):
        failing(log_file=log)  # type: ignore[call-arg]
    assert "it is full (hint: Make room.)" in log.read_text()


def test_a_program_is_in_it_with_its_exit_code_and_seconds(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with transcript(log):
        run([sys.executable, "-c", "import sys\nprint('x' * 10)\nsys.exit(3)"])
    (line,) = (line for line in log.read_text().splitlines() if "exit code 3" in line)
    assert re.search(r"-c 'import sys …': exit code 3, \d+\.\d{3} s, 11 bytes out$", line)


def test_a_log_line_stays_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with transcript(log):
        logging.getLogger("recam_deploy.x").info("a\nb\x1b[2J%s", os.fsdecode(b"\xff"))
    assert len(log.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET http://u:p@q@host/x", "GET http://***@host/x"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("http://h/a?access_token=abc&x=1", "http://h/a?access_token=***&x=1"),
        ("http://h:80/mail@x", "http://h:80/mail@x"),
    ],
)
def test_what_shows_itself_is_left_out(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_script_goes_by_its_name() -> None:
    command = RemoteCommand.script("store", "/a b", "644").under("timeout", "5")
    assert command.described() == "timeout 5 store.sh '/a b' 644"
    assert RemoteCommand.shell("own=1\necho", "x").described() == "script x"
    assert RemoteCommand.of("rm", "--", "/x").described() == "rm -- /x"
