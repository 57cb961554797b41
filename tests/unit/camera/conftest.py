"""The shells that the camera's scripts must run in."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from shells import SHELLS, Run


@pytest.fixture(params=SHELLS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a script with arguments in one of the shells; in busybox's, with busybox's programs."""
    words = request.param.split()
    program = shutil.which(words[0])
    if not program:
        pytest.skip(f"{words[0]} is not installed")
    path = os.environ["PATH"]
    if words[0] == "busybox":
        folder = tmp_path_factory.mktemp("busybox")
        for name in subprocess.check_output([program, "--list"], text=True).split():
            (folder / name).symlink_to(program)
        path = f"{folder}:{path}"

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
