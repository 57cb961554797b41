"""Runs the uploaded `tpu_run.py` with a TPU that is made up, in the place of the camera's python3.

    made_up_tpu.py STATE tpu_run.py MODEL --packed IN --packed-output OUT

All but the TPU is real: options, files and errors. Outputs depend on the picture alone. What is to
go wrong is in the folder STATE: at the pass whose number is in `stall-at` it makes `hit` there and
waits for `go`, at that in `fill-at` the file system of the outputs is filled up.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import math
import sys
import time
from pathlib import Path
from typing import Any

SIDE, CLASSES = 64, 3


def shapes() -> list[tuple[int, ...]]:
    """Those of the outputs of a YOLO11 detector."""
    grids = [SIDE // stride for stride in (8, 16, 32)]
    return [(1, channels, grid, grid) for grid in grids for channels in (64, CLASSES)]


class MadeUpModel:
    """What `tpu_run.Model` does, without a library."""

    def __init__(self, tpu_run: Any, state: Path, target: Path) -> None:
        self.inputs = [_tensor(tpu_run, b"images_raw", (1, SIDE, SIDE, 3), "uint8")]
        self.outputs = [_tensor(tpu_run, b"out", shape, "float32") for shape in shapes()]
        self._state = state
        self._target = target
        self._picture = b""

    def fill(self, _: Any, data: bytes, __: Path) -> None:
        self._picture = data

    def forward(self) -> float:
        with (self._state / "passes").open("ab") as passes:
            passes.write(b".")
        if self._has_come("stall-at"):
            (self._state / "hit").mkdir()
            until = time.monotonic() + 120
            while not (self._state / "go").exists() and time.monotonic() < until:
                time.sleep(0.05)
        if self._has_come("fill-at"):
            filling = self._target.with_name("filling")
            with contextlib.suppress(OSError), filling.open("wb") as file:
                while True:
                    file.write(bytes(1 << 20))
        return 1.0

    def _has_come(self, name: str) -> bool:
        """Whether the pass whose number is in a file has come; they are counted over all runs."""
        file = self._state / name
        passes = (self._state / "passes").read_bytes()
        return file.exists() and int(file.read_text()) == len(passes)

    def output_bytes(self) -> list[bytes]:
        value = sum(self._picture) / len(self._picture) / 255.0 - 0.5
        return [bytes((ctypes.c_float * one.count)(*[value] * one.count)) for one in self.outputs]

    def version(self) -> str:
        return "0"

    def chip(self) -> str:
        return "cv181x"

    def close(self) -> None:
        pass


def _tensor(tpu_run: Any, name: bytes, shape: tuple[int, ...], kind: str) -> Any:
    made = tpu_run.Tensor(name=name, format=tpu_run.FORMATS.index(kind), qscale=1.0)
    made.shape.dim[: len(shape)] = shape
    made.shape.dim_size = len(shape)
    made.count = math.prod(shape)
    made.mem_size = made.count * (4 if kind == "float32" else 1)
    return made


def main() -> None:
    """Run the script that is named first, as the camera's Python would."""
    state, script = Path(sys.argv[1]), sys.argv[2]
    # A script that is run leaves no compiled one beside it.
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location("tpu_run", script)
    assert spec
    assert spec.loader
    tpu_run: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tpu_run)
    sys.argv[:2] = []
    target = Path(sys.argv[sys.argv.index("--packed-output") + 1])
    tpu_run.Model = lambda *_: MadeUpModel(tpu_run, state, target)
    tpu_run.load_library = lambda _: None
    sys.exit(tpu_run.main())


if __name__ == "__main__":
    main()
