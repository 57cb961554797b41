"""Run a finished cvimodel on this machine, by the emulator or by the compiler's simulator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from ..artifact import Artifact
from ..emulation.emulator import Emulator
from ..errors import SimulatorError
from ..network.runtime import Array
from ..progress import Progress
from ..toolchain import Compiler
from ..toolchain.simulator import Simulator
from .emulated import emulate


class Tpu(Protocol):
    """Runs a cvimodel, as `toolchain.simulator.Simulator` does."""

    def run(
        self, model: Path, images: Sequence[npt.NDArray[Any]], progress: Progress
    ) -> list[list[Array]]:
        """Return the outputs of `model` for each image, uint8 [H, W, 3]."""


class EmulatedTpu:
    """Runs one cvimodel by its emulated network."""

    def __init__(self, network: Path, threads: int = 0) -> None:
        """Load an emulated network; `threads` share one run, 0 means all cores."""
        self._emulator = Emulator.load(network, threads)

    def run(
        self, model: Path, images: Sequence[npt.NDArray[Any]], progress: Progress
    ) -> list[list[Array]]:
        """Return the outputs for each image, uint8 [H, W, 3], in the order of the model's."""
        found = []
        with progress.step("Running on the emulated TPU", "images") as step:
            for number, image in enumerate(images):
                step.update(number, len(images))
                found.append(self._emulator.run(image))
        return found


def fastest_tpu(artifact: Artifact, compiler: Compiler, cache_dir: Path, progress: Progress) -> Tpu:
    """Return the emulator of a cvimodel; where there is none, say why, and return the simulator."""
    try:
        return EmulatedTpu(emulate(artifact, compiler, cache_dir, progress).path)
    except SimulatorError as error:
        progress.say(f"The slower TPU simulator is used: {error.message}")
        return Simulator(compiler, cache_dir / "tmp")
