"""What the tests on a real camera share: `recam` on the camera that the environment names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Recam = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def recam(tmp_path_factory: pytest.TempPathFactory) -> Recam:
    """Run `recam WORDS --json` with the tester's own settings; return its document."""
    if not (os.environ.get("RECAM_HOST") or os.environ.get("RECAM_SETTINGS")):
        pytest.fail("name a camera in RECAM_HOST, and its password in RECAM_PASSWORD")
    folder = tmp_path_factory.mktemp("hardware")

    def run(*words: str | Path, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "recam_deploy", *map(str, words), "--json"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
        assert done.returncode in codes, done.stderr + done.stdout
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    return run


@pytest.fixture(scope="session")
def record(recam: Recam, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The camera's record; RECAM_RECORD names a file to keep it in."""
    kept = os.environ.get("RECAM_RECORD")
    path = Path(kept).absolute() if kept else tmp_path_factory.mktemp("record") / "camera.json"
    recam("doctor", "--record", path, codes=(0, 1))
    document: dict[str, Any] = json.loads(path.read_text())
    if document["system"] is None:
        pytest.fail("nothing was logged in to; run `recam doctor` first, and mend what it says")
    return document


@pytest.fixture
def may_write() -> None:
    """Leave the test out unless the tester allows models and flows to be replaced for a while."""
    if os.environ.get("RECAM_HARDWARE_WRITE") != "1":
        pytest.skip("it replaces the camera's model and flows for a while: RECAM_HARDWARE_WRITE=1")
