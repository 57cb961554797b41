"""The whole program against the virtual camera, over real sockets, with the real compiler."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from planted import CAMERA_PASSWORD
from recam_runs import DEMO, Ended, Run, StartCamera, running_camera

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
        # Where the secrecy plugin finds whatever should not have been written to it.
        "RECAM_LOG": str(home / "transcript.log"),
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
    """A running virtual camera: the document of `virtual up --detach --json`."""
    with running_camera(run, tmp_path_factory.mktemp("camera"), "--announce") as document:
        yield document


@pytest.fixture
def new_camera(run: Run, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A virtual camera that no other test has used, without Node-RED."""
    with running_camera(run, tmp_path / "new-camera", "--no-node-red") as document:
        yield document


@pytest.fixture
def start_camera(run: Run, tmp_path: Path) -> StartCamera:
    """Start a virtual camera with the words given to `virtual up`, for as long as a block lasts."""
    return functools.partial(running_camera, run, tmp_path / "started-camera")


@pytest.fixture(scope="session")
def artifact(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model, converted with few pictures; the manifest's path."""
    folder = tmp_path_factory.mktemp("artifact")
    words = ("--calibration", DEMO / "calibration", "--images", "8", "--json")
    done = run("convert", DEMO / "shapes.onnx", *words, cwd=folder)
    assert done.code == 0, done.err + done.out
    return Path(done.document["artifact"]["manifest"])
