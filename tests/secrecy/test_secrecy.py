"""The plugin that looks for passwords finds each kind of leak, and nothing else."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from planted import CAMERA_PASSWORD, found_in, secret

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]

BEGINNING = """
import logging
import subprocess
import sys
import pytest
import typer
from urllib.parse import quote
from typer.testing import CliRunner
from planted import CAMERA_PASSWORD, WRONG, camera_folder, issued, keep, lawful

WAIT = [sys.executable, "-c", "import time; time.sleep(1.5)"]
START = "import subprocess, sys; subprocess.run([*%r, sys.stdin.read()])" % WAIT
PRINT = [sys.executable, "-c", "import sys; print(sys.stdin.read())"]
"""

LEAKS = {
    "own_process": """
    subprocess.run([sys.executable, "-c", "", CAMERA_PASSWORD])
""",
    "process_of_a_process": """
    subprocess.run([sys.executable, "-c", START], input="x" + CAMERA_PASSWORD, text=True)
""",
    "printed_by_a_process": """
    subprocess.run(PRINT, input=CAMERA_PASSWORD, text=True, capture_output=True)
""",
    "printed_by_a_command": """
    app = typer.Typer()
    app.command()(lambda: typer.echo(CAMERA_PASSWORD))
    CliRunner().invoke(app)
""",
    "printed_and_read": """
    print("and", CAMERA_PASSWORD)
    capsys.readouterr()
""",
    "printed_and_left": """
    print(WRONG, file=sys.stderr)
""",
    "logged": """
    logging.getLogger("x").warning("it is %s", CAMERA_PASSWORD)
""",
    "traceback": """
    raise ValueError(f"cannot log in with {CAMERA_PASSWORD}")
""",
    "error": """
    with pytest.raises(ValueError) as caught:
        raise ValueError("no") from OSError(CAMERA_PASSWORD)
""",
    "file": """
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/report.html").write_text(f"<p>{CAMERA_PASSWORD}")
""",
    "log_of_a_camera": """
    camera_folder(tmp_path / "camera")
    (tmp_path / "camera/virtual.log").write_text("command echo *** | sudo -S true")
""",
    "token_of_a_server": """
    (tmp_path / "log").write_text("token=" + quote(issued("tok+12/34=", "a token"), safe=""))
""",
}
INNOCENT = """
    keep(tmp_path / "recam.toml", CAMERA_PASSWORD)
    camera_folder(tmp_path / "camera")
    lawful(tmp_path / "other").write_text(CAMERA_PASSWORD)
    given = {"RECAM_PASSWORD": CAMERA_PASSWORD}
    subprocess.run(WAIT, input=CAMERA_PASSWORD, env=given, text=True, capture_output=True)
    print("*** nothing ***")
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """A session of its own with the plugin: a test for each leak, and one without."""
    folder = tmp_path_factory.mktemp("session")
    tests = [f"def test_{name}(tmp_path, capsys):{body}" for name, body in LEAKS.items()]
    tests.append(f"def test_innocent(tmp_path):{INNOCENT}")
    (folder / "test_leaks.py").write_text("\n".join((BEGINNING, *tests)))
    (folder / "pytest.ini").write_text("[pytest]\n")
    variables = {
        "PYTHONPATH": f"{HERE}:{REPOSITORY}",
        "RECAM_CACHE_DIR": str(folder / "cache"),
        "COLUMNS": "400",  # lest pytest cut its summary
    }
    words = ("-p", "secrecy_plugin", "--basetemp", str(folder / "base"), str(folder))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    # Its camera's log would be a leak in this session as well.
    shutil.rmtree(folder / "base")
    return done


PLACES = {
    "own_process": "the password of the virtual cameras, in the clear, was found in a command line",
    "process_of_a_process": "was found in a command line",
    "printed_by_a_process": "was found in what a process printed",
    "printed_by_a_command": "was found in what a command printed",
    "printed_and_read": "was found in what was captured",
    "printed_and_left": "a wrong password, in the clear, was found in captured stderr call",
    "logged": "was found in captured log call",
    "traceback": "was found in a traceback",
    "error": "was found in an error that was raised",
    "file": "deep/report.html",
    "log_of_a_camera": "camera/virtual.log",
    "token_of_a_server": "a token, in the clear",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_fails_the_run_and_names_the_test_and_the_place(
    session: subprocess.CompletedProcess[str], leak: str
) -> None:
    assert session.returncode == 1, session.stdout + session.stderr
    errors = session.stdout.partition("short test summary info")[2].splitlines()
    (error,) = (line for line in errors if f"::test_{leak} - a password got out" in line)
    assert PLACES[leak] in error


def test_secrets_where_they_belong_fail_nothing(session: subprocess.CompletedProcess[str]) -> None:
    assert "looked for passwords in" in session.stdout
    assert "test_innocent" not in session.stdout


ODD = secret("one with odd letters", " +&'\"$%ü")


@pytest.mark.parametrize(
    "disguise",
    [
        str,
        repr,
        json.dumps,
        urllib.parse.quote,
        urllib.parse.quote_plus,
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: json.dumps({"authorization": "Bearer " + text}),
        *(
            lambda text, user=user: base64.b64encode(f"{user}:{text}".encode()).decode()
            for user in ("", "a", "ad", "admin")
        ),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    ],
)
def test_a_secret_is_known_in_disguise(disguise: Callable[[str], str]) -> None:
    assert (found_in(f"before {disguise(ODD)} after".encode()) or "").startswith("one with odd")


@pytest.mark.parametrize(
    "innocent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\0" * 100, id="zeros"),
        pytest.param(b"recamera", id="a word"),
        pytest.param(CAMERA_PASSWORD[:8].encode(), id="half a mark"),
    ],
)
def test_other_data_is_no_secret(innocent: bytes) -> None:
    assert found_in(innocent) is None


GIVEN = r"""(setenv\(["']RECAM_\w*(PASSWORD|TOKEN)["'],|RECAM_\w*(PASSWORD|TOKEN)["']?\s*[=:]"""
LITERAL = re.compile(GIVEN + r"""|\b(password|token)=|SecretStr\()\s*b?["'][^"']""")


def test_every_password_of_the_tests_is_one_that_is_looked_for() -> None:
    """A password that is written out in a test would be overlooked. What is in bench is no test."""
    tests = HERE.parent
    for path in sorted(set(tests.rglob("*.py")) - {Path(__file__)}):
        if tests / "bench" in path.parents:
            continue
        lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        found = [f"{path.name}:{number}" for number, line in lines if LITERAL.search(line)]
        assert not found, "take it from planted.py"


@pytest.mark.parametrize(
    "line",
    [
        "run(RECAM_PASSWORD='x')",
        '{"RECAM_NODERED_TOKEN": "x"}',
        'monkeypatch.setenv("RECAM_PASSWORD", "x")',
        'connect(password="x")',
        'SecretStr("x")',
    ],
)
def test_a_password_that_is_written_out_is_seen(line: str) -> None:
    assert LITERAL.search(line)
