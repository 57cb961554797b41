"""Describe and run a cvimodel on the TPU: by ``tpu_run.py`` in a process of its own."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .tensors import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIBRARY = "libcviruntime.so"
RUNNER = Path(__file__).resolve().parents[2] / "on_camera" / "tpu_run.py"

_PR_SET_PDEATHSIG = 1
_FATAL = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


class EngineError(Exception):
    """The model could not be loaded or run."""


class EngineAbortedError(EngineError):
    """The TPU library ended the process that uses it: by an assertion, or by a fault."""

    def __init__(self, number: int) -> None:
        super().__init__(f"the TPU library ended with signal {number}")
        self.number = number


def die_with_parent() -> None:
    """End the simulator when this program is killed, however it is killed (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def check_end(code: int) -> None:
    """Raise EngineError when the simulator did not end well.

    Raises EngineAbortedError when it was the library that ended it.
    """
    if -code in _FATAL:
        raise EngineAbortedError(-code)
    if code != 0:
        raise EngineError(f"the simulator ended with {code}")


@dataclass(frozen=True)
class Run:
    """One inference: output arrays in model order and milliseconds in the simulator."""

    arrays: list[NDArray[Any]]
    milliseconds: float


@dataclass(frozen=True)
class Engine:
    """Runs models in the simulator.

    ``library_path`` is as in LD_LIBRARY_PATH; the simulator's log goes to ``log``, as the camera's
    library logs to syslog; ``scratch`` holds tensors for a moment.

    The camera's library refuses what is no cvimodel, aborts on one that is cut short, and runs a
    damaged one without a word.

    ``emulated`` is the folder of the networks that recam emulates (``emulated``).
    """

    library_path: str
    log: Path
    scratch: Path
    emulated: Path | None = None

    def has_library(self) -> bool:
        folders = [folder for folder in self.library_path.split(":") if folder]
        return any((Path(folder) / LIBRARY).exists() for folder in folders)

    def _call(self, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-I", str(RUNNER), *arguments]
        environment = {**os.environ, "LD_LIBRARY_PATH": self.library_path}
        with self.log.open("ab") as log:
            result = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                preexec_fn=die_with_parent,
                check=False,
            )
        check_end(result.returncode)
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    def load(self, model: Path) -> Model:
        """Load a model; return its inputs and outputs. Raises EngineError."""
        return Model.from_json(self._call(str(model), "--info", "--damaged"))

    def run(self, path: Path, model: Model, data: bytes) -> Run:
        """Run one inference on the bytes of the first input. Raises EngineError."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            file = Path(folder) / "input.bin"
            file.write_bytes(data)
            document = self._call(
                *(str(path), "--damaged", "--input", str(file), "--output-dir", folder)
            )
            image = document["images"][0]
            arrays = [
                tensor.array(Path(name).read_bytes())
                for tensor, name in zip(model.outputs, image["outputs"], strict=True)
            ]
        return Run(arrays, float(image["forward_ms"][0]))
