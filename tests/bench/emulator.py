"""The emulator beside the compiler's simulator: are all tensors equal, and how fast is each?

    python tests/bench/emulator.py [MODEL.onnx …] [--pictures FOLDER] [--count N]
        [--quantize int8 --quantize mixed …] [--rounds N]

Converts each model, by default all of tests/models and the bundled one. Compares every tensor that
both can read, of --count pictures: the simulator's layer dump holds them. Then runs both for the
outputs alone, --rounds times in turn, as the commands run them: the simulator in its process, the
emulator on all cores and on one. Medians; the simulator's start is not counted, but measured with
one picture and subtracted. A model that needs other pictures fails its check; it is compared all
the same.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from recam_deploy.artifact import Artifact, load_artifact
from recam_deploy.conversion.layer_dump import compile_layer_dump
from recam_deploy.conversion.lower import lower_network
from recam_deploy.emulation.emulator import Emulator, emulate_layers, emulated_model
from recam_deploy.emulation.lowered import LoweredNetwork, read_lowered
from recam_deploy.picture_sets import find_pictures
from recam_deploy.progress import SilentProgress
from recam_deploy.settings import load_settings
from recam_deploy.terminal import Terminal
from recam_deploy.toolchain import Compiler, ensure
from recam_deploy.toolchain.simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "device" / "demo"

Picture = npt.NDArray[np.uint8]
_WHOLE = ("int8", "uint8")
_BATCH = 4


@dataclass(frozen=True)
class Compared:
    """How many tensors and values were compared, and which differ.

    `whole` and `whole_equal` are those of INT8 and UINT8. `largest` is the largest difference as a
    share of the tensor's largest value.
    """

    tensors: int = 0
    equal: int = 0
    whole: int = 0
    whole_equal: int = 0
    values: int = 0
    different: int = 0
    largest: float = 0.0

    def plus(self, other: Compared) -> Compared:
        """Add up two comparisons."""
        return Compared(
            self.tensors + other.tensors,
            self.equal + other.equal,
            self.whole + other.whole,
            self.whole_equal + other.whole_equal,
            self.values + other.values,
            self.different + other.different,
            max(self.largest, other.largest),
        )

    def __str__(self) -> str:
        return (
            f"{self.equal} of {self.tensors} tensors equal (INT8: {self.whole_equal} of "
            f"{self.whole}), {self.different} of {self.values:,} values differ, by up to "
            f"{self.largest:.2%}"
        )


def convert(model: Path, quantize: str, folder: Path) -> Artifact:
    """Convert a model as a user would; whether its check passes does not matter here."""
    output = folder / f"{model.stem}-{quantize}.cvimodel"
    words = ["--calibration", str(DEMO / "calibration"), "--images", "8"]
    words += ["--quantize", quantize, "-o", str(output), "--json"]
    command = [sys.executable, "-m", "recam_deploy", "convert", str(model), *words]
    passing = {"RECAM_CONVERT_MIN_COSINE": "0", "RECAM_CONVERT_MIN_MATCHED": "0"}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=False, env=os.environ | passing
    )
    if done.returncode:
        raise SystemExit(f"{model.name}, {quantize}: {done.stdout}")
    return load_artifact(Path(json.loads(done.stdout)["artifact"]["manifest"]))


def pictures_of(folder: Path, count: int, height: int, width: int) -> list[Picture]:
    """Read the first pictures of a folder, in the size of a network's input."""
    found = []
    for path in find_pictures(folder).pictures[:count]:
        with Image.open(path) as image:
            found.append(np.asarray(image.convert("RGB").resize((width, height)), np.uint8))
    return found


def compare(
    dump: Path, network: LoweredNetwork, pictures: Sequence[Picture], compiler: Compiler
) -> Compared:
    """Compare all tensors of a network that both give, on each picture."""
    total = Compared()
    simulator = Simulator(compiler)
    for picture in pictures:
        (simulated,) = simulator.run_layers(dump, [picture], SilentProgress())
        emulated = emulate_layers(network, picture)
        for name in simulated.keys() & emulated.keys():
            wanted = simulated[name].array.ravel().astype(np.float64)
            distance = np.abs(wanted - emulated[name].array.ravel())
            different = int(np.count_nonzero(distance))
            whole = simulated[name].dtype in _WHOLE
            peak = float(np.abs(wanted).max()) or 1.0
            equal = not different
            total = total.plus(
                Compared(
                    1,
                    equal,
                    whole,
                    whole and equal,
                    distance.size,
                    different,
                    float(distance.max()) / peak,
                )
            )
    return total


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


def speeds(
    artifact: Artifact, network: LoweredNetwork, picture: Picture, compiler: Compiler, rounds: int
) -> tuple[float, float, float]:
    """Return the median seconds of a picture: simulator, emulator on all cores and on one."""
    model = emulated_model(network)
    all_cores, one_core = Emulator(model), Emulator(model, threads=1)
    simulator = Simulator(compiler)

    def simulate(count: int) -> Callable[[], object]:
        return lambda: list(simulator.run(artifact.cvimodel, [picture] * count, SilentProgress()))

    times: list[tuple[float, float, float]] = []
    for _ in range(rounds):
        one, more = seconds_of(simulate(1)), seconds_of(simulate(1 + _BATCH))
        times.append(
            (
                (more - one) / _BATCH,
                seconds_of(lambda: all_cores.run(picture)),
                seconds_of(lambda: one_core.run(picture)),
            )
        )
    first, second, third = (statistics.median(column) for column in zip(*times, strict=True))
    return first, second, third


def main() -> None:
    """Print a line a model and precision, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--pictures", type=Path, default=DEMO / "test")
    parser.add_argument("--count", type=int, default=2)
    parser.add_argument("--quantize", action="append", choices=("int8", "mixed", "bf16"))
    parser.add_argument("--rounds", type=int, default=5, help="0 measures no time")
    options = parser.parse_args()
    bundled = (*sorted((ROOT / "tests" / "models").glob("*.onnx")), DEMO / "shapes.onnx")
    models = options.models or bundled
    cache_dir, silent = load_settings().cache_dir, SilentProgress()
    compiler = ensure(cache_dir, Terminal(as_json=False))
    totals: dict[str, Compared] = {}
    with tempfile.TemporaryDirectory(prefix="recam-bench-") as scratch:
        for model in models:
            for quantize in options.quantize or ("int8", "mixed"):
                artifact = convert(model.resolve(), quantize, Path(scratch))
                dump = compile_layer_dump(artifact, compiler, cache_dir, silent)
                lowered = lower_network(artifact, compiler, cache_dir, silent)
                if dump is None or lowered is None:
                    raise SystemExit(f"the steps of {model.name} are not in the cache")
                network = read_lowered(lowered)
                height, width = artifact.read().layout.inputs[0].shape[1:3]
                pictures = pictures_of(options.pictures, options.count, height, width)
                found = compare(dump.cvimodel, network, pictures, compiler)
                totals[quantize] = totals.get(quantize, Compared()).plus(found)
                print(f"{model.stem}, {quantize}, {height}×{width}: {found}", flush=True)
                if options.rounds:
                    slow, fast, alone = speeds(
                        artifact, network, pictures[0], compiler, options.rounds
                    )
                    print(
                        f"  simulator {slow:.3f} s a picture, emulator {fast:.3f} s on all cores "
                        f"({slow / fast:.0f} times as fast), {alone:.3f} s on one "
                        f"({slow / alone:.0f} times)",
                        flush=True,
                    )
    for quantize, total in totals.items():
        print(f"all, {quantize}: {total}")


if __name__ == "__main__":
    main()
