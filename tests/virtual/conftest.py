"""The whole program against the virtual camera, over real sockets, with the real compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from planted import CAMERA_PASSWORD, camera_folder
from recam_runs import DEMO, Ended, Run

from recam_deploy.settings import load_settings
from recam_deploy.toolchain import find


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An empty HOME and a cache of its own, in which the compiler is already installed."""
    toolchain = find(load_settings().cache_dir)
    if toolchain is None:
        pytest.skip("the compiler is not installed; run `recam toolchain install` first")
    home = tmp_path_factory.mktemp("home")
    cache = home / "cache"
    cache.mkdir()
    (cache / "toolchain").symlink_to(toolchain.root.parent)
    # So are exporters and Node-RED, or they are installed once for all tests of this machine.
    for name in ("frameworks", "node-red"):
        installed = load_settings().cache_dir / name
        installed.mkdir(exist_ok=True)
        (cache / name).symlink_to(installed)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "RECAM_CACHE_DIR": str(cache),
        "RECAM_PASSWORD": CAMERA_PASSWORD,
    }


@pytest.fixture(scope="session")
def run(environment: dict[str, str]) -> Run:
    """Run `recam` as a user would, in a folder, with variables added to the environment."""

    def call(*words: str | Path, cwd: Path, **variables: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "recam_deploy", *map(str, words)],
            cwd=cwd,
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="session")
def camera(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A running virtual camera: what `virtual up --detach --json` tells of it."""
    folder = camera_folder(tmp_path_factory.mktemp("camera"))
    started = run("virtual", "up", "--dir", folder, "--detach", "--announce", "--json", cwd=folder)
    assert started.code == 0, started.err + started.out
    yield started.document
    assert run("virtual", "down", "--dir", folder, "--json", cwd=folder).document["stopped"]


@pytest.fixture(scope="session")
def artifact(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model, converted with few pictures; the manifest's path."""
    folder = tmp_path_factory.mktemp("artifact")
    words = ("--calibration", DEMO / "calibration", "--images", "8", "--json")
    done = run("convert", DEMO / "shapes.onnx", *words, cwd=folder)
    assert done.code == 0, done.err + done.out
    return Path(done.document["artifact"]["manifest"])
