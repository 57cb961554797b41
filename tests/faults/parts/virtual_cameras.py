"""Starting a virtual camera that has no TPU simulator behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEVICE = Path(__file__).resolve().parents[3] / "device"


@dataclass
class VirtualServer:
    """A running server and what it published."""

    process: subprocess.Popen[bytes]
    state: dict[str, Any]

    @property
    def root(self) -> Path:
        return Path(self.state["root"])

    @property
    def runner(self) -> Path:
        return self.root / "home" / "recamera" / "sscma-model"


def hollow_libraries(folder: Path) -> Path:
    """Files with the simulator's names that load and have none of its functions."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    loaded = [Path(line.split(maxsplit=5)[-1]) for line in lines if ".so" in line]
    library = next(path for path in loaded if path.name.startswith("libc"))
    for name in ("libcviruntime.so", "libcvikernel.so", "libcvicmodel.so"):
        (folder / name).symlink_to(library)
    return folder


def start(folder: Path, libraries: str, *options: str) -> VirtualServer:
    """Start a server, and wait for the file by which it says that it is ready."""
    words = ("serve", "--dir", str(folder), "--tpu-libraries", libraries, *options)
    process = subprocess.Popen(
        [sys.executable, "-m", "virtual", *words],
        env={**os.environ, "PYTHONPATH": str(DEVICE)},
        stdin=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while True:
        try:
            return VirtualServer(process, json.loads((folder / "state.json").read_text()))
        except FileNotFoundError:
            assert process.poll() is None, "the virtual camera did not start"
            assert time.monotonic() < deadline, "the virtual camera was not ready in time"
            time.sleep(0.02)
