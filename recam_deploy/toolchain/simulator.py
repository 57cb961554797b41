"""Run a cvimodel in the TPU simulator, by the same script that runs one on the camera."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .. import process
from ..cvimodel.values import Value, read_tensor
from ..errors import SimulatorError
from ..progress import Progress
from ..resources import resource
from . import Compiler

Array: TypeAlias = npt.NDArray[Any]

_SECONDS_AN_IMAGE = 120


@dataclass(frozen=True)
class Simulator:
    """The TPU simulator of `compiler`, on this machine or in a container.

    Inputs and outputs are files in a temporary folder in `scratch`, which must be within reach of a
    container; None means the system's folder for temporary files.
    """

    compiler: Compiler
    scratch: Path | None = None

    def run(
        self, model: Path, images: Sequence[Array], progress: Progress
    ) -> list[list[npt.NDArray[np.float32]]]:
        """Return the outputs of `model` for each image, in the model's order, as float32.

        `images` are the model's inputs: uint8 [H, W, 3], RGB. Integer outputs are multiplied by
        their own scale.

        Raises SimulatorError when the model cannot be loaded or run.
        """
        return [
            [value.array for _, value in image] for image in self._run(model, images, progress, [])
        ]

    def run_layers(
        self, model: Path, images: Sequence[Array], progress: Progress
    ) -> list[dict[str, Value]]:
        """Return the readable tensors of `model` by name for each image.

        These are the outputs, and the inner tensors whose memory no later one reuses. Images and
        errors are those of `run`.
        """
        found = self._run(model, images, progress, ["--every-tensor"])
        return [dict(image) for image in found]

    def _run(
        self, model: Path, images: Sequence[Array], progress: Progress, options: Sequence[str]
    ) -> list[list[tuple[str, Value]]]:
        if self.scratch:
            self.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="recam-tpu-", dir=self.scratch) as name:
            folder = Path(name)
            inputs = [_write(folder / f"{index}.in", image) for index, image in enumerate(images)]
            with progress.step("Running on the TPU simulator", "images") as step:

                def on_line(line: str) -> None:
                    head, _, total = line.rpartition("/")
                    if line.startswith("tpu_run: image ") and total.isdigit():
                        step.update(float(head.rsplit(maxsplit=1)[-1]), float(total))

                step.update(0, len(images))
                report = self._run_script(model.absolute(), inputs, options, folder, on_line)
            tensors = report["outputs"]
            return [
                [
                    (tensor["name"], read_tensor(Path(file), tensor))
                    for file, tensor in zip(image["outputs"], tensors, strict=True)
                ]
                for image in report["images"]
            ]

    def _run_script(
        self,
        model: Path,
        inputs: Sequence[Path],
        options: Sequence[str],
        folder: Path,
        on_line: Callable[[str], None],
    ) -> dict[str, Any]:
        script = resource("device/on_camera/tpu_run.py")
        words: list[str | Path] = [self.compiler.python, script, model, *options]
        for path in inputs:
            words += ["--input", path]
        words += ["--output-dir", folder / "out", "--progress"]
        reads = [script, model]
        with self.compiler.calling(words, folder, os.environ, reads=reads) as call:
            done = process.run(
                call.words,
                env=call.environment,
                on_line=on_line,
                timeout=60 + _SECONDS_AN_IMAGE * len(inputs),
            )
        if done.returncode != 0:
            raise SimulatorError(
                f"the TPU simulator failed on {model.name} (exit {done.returncode}): "
                f"{done.tail(1)}",
                "Convert the model again. If it still fails, run `recam toolchain remove` and try "
                "again.",
            )
        report: dict[str, Any] = json.loads(done.stdout)
        return report


def _write(path: Path, image: Array) -> Path:
    path.write_bytes(np.ascontiguousarray(image, np.uint8).tobytes())
    return path
