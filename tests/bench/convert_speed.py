"""How much faster than the guide's recipe is `recam convert`? Both in turn, on one machine.

    python tests/bench/convert_speed.py MODEL.onnx PICTURES [--images N] [--rounds N] [--judged N]

Processor seconds stand beside those on the clock: they tell more on a machine that is busy. At the
end both cvimodels of the last round are compared with the float model in the simulator, on the same
pictures: the outputs' cosines, and the detections matched. For a trained model at 640, see
bench_models.py.

The guide's: model_transform with --test_input, run_calibration, model_deploy with --test_input and
--test_reference. Ours: `recam convert` with its own check in the simulator, from an empty cache of
finished steps. Prints each round, the medians and their ratio; leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from bench_runs import cold_cache, conversion

from recam_deploy.artifact import sha256_of
from recam_deploy.conversion.calibration import CalibrationSet, read_calibration_set
from recam_deploy.conversion.commands import (
    CHECK_PICTURE_FILE,
    CVIMODEL_FILE,
    INT8,
    ONNX_FILE,
    calibrate_command,
    deploy_command,
    transform_command,
)
from recam_deploy.conversion.options import (
    CalibrationOptions,
    CheckPicture,
    DeployOptions,
    TransformOptions,
)
from recam_deploy.conversion.verification import Verification, verify
from recam_deploy.conversion.work_folder import link_pictures
from recam_deploy.network.model import Preprocessing
from recam_deploy.network.prepare import prepare
from recam_deploy.network.reading import read_network
from recam_deploy.progress import SilentProgress
from recam_deploy.settings import load_settings
from recam_deploy.terminal import Terminal
from recam_deploy.toolchain import Compiler, ensure, run_tool
from recam_deploy.toolchain.simulator import Simulator

_OURS = "ours.cvimodel"


def guide(
    model: Path, pictures: CalibrationSet, folder: Path, compiler: Compiler
) -> dict[str, float]:
    """The seconds of each tool of the guide's recipe."""
    network, graph = read_network(model, (), Preprocessing())
    onnx.save(prepare(graph, network), folder / ONNX_FILE)
    link_pictures(pictures.paths, folder)
    first = pictures.paths[0]
    check = CheckPicture(first, sha256_of(first))
    (folder / CHECK_PICTURE_FILE).symlink_to(first.absolute())
    commands = (
        transform_command(network, TransformOptions(test_input=check)),
        calibrate_command(len(pictures.paths), CalibrationOptions()),
        deploy_command(INT8, DeployOptions(), check),
    )
    return {
        command.tool: run_tool(compiler, command, folder, folder / "log", SilentProgress()).seconds
        for command in commands
    }


def ours(words: list[str], environment: Mapping[str, str]) -> dict[str, float]:
    """The seconds of each step of a `recam convert`, and of the whole command."""
    started = time.monotonic()
    done = subprocess.run(words, env=dict(environment), stdout=subprocess.PIPE, check=True)
    whole = time.monotonic() - started
    steps = json.loads(done.stdout)["steps"]
    return {step["name"]: step["seconds"] for step in steps} | {"whole": whole}


@dataclass(frozen=True)
class Race:
    """A model and its pictures, converted both ways as often as is wanted."""

    model: Path
    folder: Path
    pictures: CalibrationSet
    compiler: Compiler
    cache: Path

    def round(self, number: int, scratch: Path) -> dict[str, float]:
        """The seconds of both ways; what they make stays in `scratch`."""
        before = _processor_seconds()
        found = guide(self.model, self.pictures, scratch, self.compiler)
        found |= {"whole": sum(found.values()), "processor": _processor_seconds() - before}
        _tell(f"round {number} guide", found)
        seconds = {"guide": found["whole"]}
        environment = cold_cache(scratch, self.cache, os.environ)
        before = _processor_seconds()
        count = len(self.pictures.paths)
        found = ours(conversion(self.model, self.folder, count, scratch / _OURS), environment)
        found["processor"] = _processor_seconds() - before
        _tell(f"round {number} recam", found)
        return seconds | {"recam": found["whole"]}

    def judge(self, scratch: Path, cvimodel: str, images: int) -> Verification:
        """How close one of the results in `scratch` comes to the float model."""
        network, _ = read_network(self.model, (), Preprocessing())
        return verify(
            network,
            scratch / ONNX_FILE,
            scratch / cvimodel,
            self.pictures.paths,
            images,
            Simulator(self.compiler),
            SilentProgress(),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--judged", type=int, default=4, help="pictures that both are judged on")
    options = parser.parse_args()
    cache = load_settings().cache_dir
    compiler = ensure(cache, Terminal(as_json=False))
    pictures = read_calibration_set(options.pictures, options.images)
    race = Race(options.model, options.pictures, pictures, compiler, cache)
    rounds = []
    for number in range(1, options.rounds + 1):
        with tempfile.TemporaryDirectory(prefix="recam-bench-") as name:
            scratch = Path(name)
            rounds.append(race.round(number, scratch))
            if number == options.rounds and options.judged:
                for title, cvimodel in (("guide", CVIMODEL_FILE), ("recam", _OURS)):
                    _judged(title, race.judge(scratch, cvimodel, options.judged))
    medians = {name: statistics.median(seconds[name] for seconds in rounds) for name in rounds[0]}
    _tell("median", medians)
    print(f"ratio: 1/{medians['guide'] / medians['recam']:.1f}")


def _judged(title: str, found: Verification) -> None:
    counts = found.detections
    cosines = " ".join(f"{value:.4f}" for value in found.cosine)
    print(
        f"{title} on {len(found.pictures)} pictures: matched {counts.matched} of "
        f"{counts.reference}, {counts.extra} extra, cosines {cosines}",
        flush=True,
    )


def _processor_seconds() -> float:
    """What all processes that have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tell(title: str, seconds: Mapping[str, float]) -> None:
    print(f"{title}: " + ", ".join(f"{n} {s:.1f} s" for n, s in seconds.items()), flush=True)


if __name__ == "__main__":
    main()
