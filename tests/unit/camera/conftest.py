"""The shells that the camera's scripts must run in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from shells import SHELLS, Run


@pytest.fixture(scope="session")
def applets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with busybox's programs by their own names."""
    folder = tmp_path_factory.mktemp("busybox")
    for applet in subprocess.check_output(["busybox", "--list"], text=True).split():
        (folder / applet).symlink_to(str(shutil.which("busybox")))
    return folder


def shell(name: str, request: pytest.FixtureRequest) -> Run:
    """A function that runs a script in the shell `name`; in busybox's, with busybox's programs."""
    words = name.split()
    program = shutil.which(words[0])
    if not program:
        pytest.skip(f"{words[0]} is not installed")
    path = os.environ["PATH"]
    if words[0] == "busybox":
        path = f"{request.getfixturevalue('applets')}:{path}"

    def call(
        script: str, *arguments: str | Path, data: str = ""
    ) -> subprocess.CompletedProcess[str]:
        command = [program, *words[1:], "-c", script, "sh", *map(str, arguments)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            input=data,
            check=False,
            env=os.environ | {"PATH": path},
        )

    return call


@pytest.fixture(params=SHELLS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a script with arguments, in each of the shells in turn."""
    return shell(request.param, request)


@pytest.fixture
def busybox(request: pytest.FixtureRequest) -> Run:
    """Run a script with arguments as the camera would: in busybox, with its programs."""
    return shell("busybox ash", request)
