"""Running a script of the camera's in a shell of this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def shells() -> tuple[str, ...]:
    """The shells to test in; `sh` is not named where it is dash, as in Debian."""
    sh = shutil.which("sh")
    others = ("dash", "bash", "busybox ash")
    return others if sh and Path(sh).resolve().name == "dash" else ("sh", *others)


SHELLS = shells()
