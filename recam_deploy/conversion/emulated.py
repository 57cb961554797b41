"""Emulate a finished cvimodel, and prove the emulation on one picture in the simulator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from ..artifact import Artifact
from ..emulation.emulator import Emulator, emulated_model
from ..emulation.lowered import read_lowered
from ..errors import SimulatorError
from ..network.runtime import Array
from ..network.sample_picture import sample_picture
from ..progress import Progress, SilentProgress
from ..step_cache import StepCache, step_key
from ..toolchain import Compiler
from ..toolchain.simulator import Simulator
from .lower import lower_network

# Raise it when the emulator's arithmetic changes.
_VERSION = 2
_PROOF = "proof.json"
# Sums of BF16 values depend on their order: an output may be some steps of BF16, 2**-8, away. A
# wrong operator is out by far more.
_CLOSE = 2.0**-6


@dataclass(frozen=True)
class Proof:
    """How the emulator's outputs of one picture differ from the simulator's.

    `largest` is the largest difference as a share of the output's largest value.
    """

    values: int
    different: int
    largest: float

    @property
    def holds(self) -> bool:
        """Say whether all values are equal, but for the order of sums in BF16."""
        return self.largest <= _CLOSE


@dataclass(frozen=True)
class EmulatedNetwork:
    """The ONNX file that computes a cvimodel's outputs, and the proof that it does."""

    path: Path
    proof: Proof


def emulate(
    artifact: Artifact, compiler: Compiler, cache_dir: Path, progress: Progress
) -> EmulatedNetwork:
    """Return the emulated network of a cvimodel, from the cache or built and proved now.

    It is proved on a sample picture, which the compiler's simulator runs too. The file is named by
    the cvimodel's sha256, so that the virtual camera finds it.

    Raises SimulatorError where it cannot be emulated: the conversion's steps are no longer in the
    cache, an operator is not known, or the proof fails.
    """
    cache = StepCache(cache_dir / "steps", progress)
    key = step_key("emulate", _VERSION, {"cvimodel": artifact.sha256})
    name = f"{artifact.sha256}.onnx"

    def build(folder: Path) -> None:
        lowered = lower_network(artifact, compiler, cache_dir, progress)
        if lowered is None:
            raise SimulatorError(
                f"the steps that made {artifact.cvimodel.name} are no longer in the cache",
                "Run `recam convert` again.",
            )
        network = read_lowered(lowered)
        if any(output.dtype == "int8" for output in artifact.read().layout.outputs):
            network = network.with_stored_outputs()
        model = emulated_model(network)
        onnx.save(model, folder / name)
        proof = _prove(artifact, model, Simulator(compiler, cache_dir / "tmp"))
        (folder / _PROOF).write_text(json.dumps(vars(proof)))

    done = cache.run("emulate", key, build)
    proof = Proof(**json.loads((done.folder / _PROOF).read_text()))
    if not proof.holds:
        raise SimulatorError(
            f"{proof.different:,} of {proof.values:,} values of the emulator differ from the "
            f"simulator's, by up to {proof.largest:.1%}"
        )
    return EmulatedNetwork(done.folder / name, proof)


def _prove(artifact: Artifact, model: onnx.ModelProto, simulator: Simulator) -> Proof:
    height, width = artifact.read().layout.inputs[0].shape[1:3]
    planes = sample_picture(height, width)[0]
    picture = np.rint(planes.transpose(1, 2, 0) * 255).astype(np.uint8)
    (wanted,) = simulator.run(artifact.cvimodel, [picture], SilentProgress())
    return compare(wanted, Emulator(model).run(picture))


def compare(wanted: Sequence[Array], found: Sequence[Array]) -> Proof:
    """Compare the emulator's outputs of a picture with the simulator's."""
    if len(wanted) != len(found):
        raise SimulatorError(f"the emulator gives {len(found)} outputs, and not {len(wanted)}")
    values = different = 0
    largest = 0.0
    for a, b in zip(wanted, found, strict=True):
        if a.size != b.size:
            raise SimulatorError(f"the emulator gives an output of {b.shape}, and not of {a.shape}")
        distance = np.abs(a.ravel().astype(np.float64) - b.ravel())
        values += a.size
        different += int(np.count_nonzero(distance))
        largest = max(largest, _share(distance, a))
    return Proof(values, different, largest)


def _share(distance: npt.NDArray[np.float64], wanted: npt.NDArray[Any]) -> float:
    peak = float(np.abs(wanted).max(initial=0.0))
    worst = float(distance.max(initial=0.0))
    return worst / peak if peak else worst
