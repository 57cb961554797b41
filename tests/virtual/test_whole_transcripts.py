"""Somebody who was not there can tell from a transcript what was done, and how it went."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from recam_runs import Run

pytestmark = pytest.mark.toolchain

COMMAND = re.compile(
    r" INFO recam_deploy\.ssh\.session (?P<what>.+): exit code (?P<code>-?\d+), \d+\.\d{3} s, "
    r"(?P<sent>\d+) bytes in, \d+ bytes out$",
    re.MULTILINE,
)


def test_a_deployment_is_in_it_command_by_command(
    run: Run, new_camera: dict[str, Any], artifact: Path, tmp_path: Path
) -> None:
    log = tmp_path / "a.log"
    words = ("deploy", artifact, "--json", "-v", "--log", log)
    done = run(*words, cwd=tmp_path, RECAM_SETTINGS=new_camera["settings"])
    assert done.code == 0, done.err
    text = log.read_text()
    found = {match["what"].split()[0]: match for match in COMMAND.finditer(text)}
    assert {"facts.sh", "switch.sh"} <= set(found), text
    assert {match["code"] for match in found.values()} == {"0"}
    assert int(found["append.sh"]["sent"]) == artifact.with_suffix(".cvimodel").stat().st_size
    for expected in ("recam deploy", "Python 3", "SSH-2.0-", "firmware reCamera", "exit code 0"):
        assert expected in text
    assert "switch.sh" in done.err
    # Of a script's text nothing is there.
    assert "sha256sum" not in text


def test_a_camera_that_is_away_is_told_with_the_reason(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    words = ("history", "--host", "127.0.0.1", "--port", "1", "--log", log)
    assert run(*words, cwd=tmp_path).code == 1
    text = log.read_text()
    assert "connecting to 127.0.0.1 port 1" in text
    assert "connection refused" in text
    assert "ended with exit code 1" in text


def test_http_exchanges_are_in_it(run: Run, camera: dict[str, Any], tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    words = ("flow", "show", "--json", "--log", log)
    assert run(*words, cwd=tmp_path, RECAM_SETTINGS=camera["settings"]).code == 0
    assert re.search(
        r"http GET http://127\.0\.0\.1:\d+/flows -> 200, \d+\.\d{3} s, 0 bytes out, \d+ bytes in",
        log.read_text(),
    )
