"""Compare the outputs of the camera's TPU bit for bit with those computed on this machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..artifact import Artifact
from ..conversion.emulated import emulate
from ..conversion.tpu import EmulatedTpu
from ..cvimodel import CviModel
from ..detection.letterbox import Letterbox
from ..detection.pictures import read_picture
from ..errors import SimulatorError
from ..interaction import Interaction
from ..network.runtime import Array
from ..settings import Settings
from ..toolchain import Compiler
from ..toolchain.simulator import Simulator
from .convert import find_compiler
from .on_camera import tpu_of_camera


@dataclass(frozen=True)
class Difference:
    """How many values of all outputs differ in any bit, and by how much at most.

    `largest` is None where one of two different values is not a number.
    """

    values: int
    different: int
    largest: float | None

    @property
    def equal(self) -> bool:
        """Whether all bits are equal."""
        return self.different == 0

    def as_json(self) -> dict[str, Any]:
        """Return its part of the document of `test --exact --json`."""
        return {
            "equal": self.equal,
            "values": self.values,
            "different": self.different,
            "largest_difference": self.largest,
        }


@dataclass(frozen=True)
class ExactReport:
    """The camera's outputs of a picture beside the simulator's and the emulator's.

    `no_emulator` says why there is no emulator; `milliseconds` are those of the pass on the TPU.
    """

    simulator: Difference
    emulator: Difference | None
    no_emulator: str
    milliseconds: float

    @property
    def equal(self) -> bool:
        """Whether the camera's outputs are equal to all that they were compared with."""
        return self.simulator.equal and (self.emulator is None or self.emulator.equal)

    def as_json(self) -> dict[str, Any]:
        """Return the document of `test --exact --json`."""
        return {
            "equal": self.equal,
            "simulator": self.simulator.as_json(),
            "emulator": self.emulator.as_json() if self.emulator else None,
            "no_emulator": self.no_emulator or None,
            "inference_ms": round(self.milliseconds, 3),
        }


def compare_exactly(
    settings: Settings,
    interaction: Interaction,
    artifact: Artifact,
    picture: Path,
    *,
    wait: float,
    accept_host_key: bool = False,
) -> ExactReport:
    """Run a cvimodel on one picture on the camera and on this machine, and compare all bits.

    `wait` is for the camera's lock, in seconds. Raises InputError, ToolchainError, SimulatorError,
    and CameraError.
    """
    image = model_input(artifact.read().layout, picture)
    with tpu_of_camera(
        settings,
        interaction,
        artifact,
        purpose=f"testing {artifact.name}",
        wait=wait,
        accept_host_key=accept_host_key,
    ) as tpu:
        (raw,) = tpu.measure([image], interaction)
    compiler = find_compiler(settings.general.toolchain, settings.cache_dir, interaction)
    simulator = Simulator(compiler, settings.cache_dir / "tmp")
    (wanted,) = simulator.run(artifact.cvimodel, [image], interaction)
    simulated = difference(wanted, raw.arrays)
    emulator, why = _proved_emulator(settings, interaction, artifact, compiler)
    if emulator is None:
        return ExactReport(simulated, None, why, raw.milliseconds)
    (emulated,) = emulator.run(artifact.cvimodel, [image], interaction)
    return ExactReport(simulated, difference(emulated, raw.arrays), "", raw.milliseconds)


def model_input(layout: CviModel, picture: Path) -> npt.NDArray[np.uint8]:
    """Fit a picture into a cvimodel's input: uint8 [H, W, 3], or [H, W] for a grey one.

    Raises InputError for a file that is no picture, and for a model that takes none.
    """
    height, width = layout.input_size
    read = read_picture(picture)
    fitted = Letterbox.fit(read.size, (width, height)).apply(read)
    grey = math.prod(layout.inputs[0].shape) == height * width
    return np.asarray(fitted.convert("L") if grey else fitted, np.uint8)


def difference(wanted: Sequence[Array], found: Sequence[Array]) -> Difference:
    """Compare the outputs of a picture, float32, bit by bit. Raises SimulatorError by their sizes.

    Converted integers are equal where the integers are.
    """
    if [one.size for one in wanted] != [one.size for one in found]:
        raise SimulatorError("the camera and this machine give outputs of different sizes")
    values = different = 0
    largest: float | None = 0.0
    for a, b in zip(wanted, found, strict=True):
        first, second = (np.ascontiguousarray(one, np.float32).ravel() for one in (a, b))
        unequal = first.view(np.uint32) != second.view(np.uint32)
        values += first.size
        different += int(np.count_nonzero(unequal))
        apart = np.abs(first[unequal].astype(np.float64) - second[unequal])
        worst = float(apart.max(initial=0.0))
        largest = None if largest is None or not np.isfinite(worst) else max(largest, worst)
    return Difference(values, different, largest)


def _proved_emulator(
    settings: Settings, interaction: Interaction, artifact: Artifact, compiler: Compiler
) -> tuple[EmulatedTpu | None, str]:
    """Return the emulator of a cvimodel if it is proved equal to the simulator, else why not."""
    try:
        network = emulate(artifact, compiler, settings.cache_dir, interaction)
    except SimulatorError as error:
        return None, error.message
    if network.proof.different:
        return None, "it is close to the simulator, but not equal to the last bit"
    return EmulatedTpu(network.path), ""
