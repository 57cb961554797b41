"""Running a script of the camera's in a shell of this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

SHELLS = ("sh", "dash", "bash", "busybox ash")
Run = Callable[..., "subprocess.CompletedProcess[str]"]
