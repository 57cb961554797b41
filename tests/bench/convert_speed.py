"""How much faster than the guide's recipe is `recam convert`? Both in turn, on one machine.

    python tests/bench/convert_speed.py MODEL.onnx PICTURES [--images N] [--rounds N]

Processor seconds stand beside those on the clock: they tell more on a machine that is busy.

The guide's: model_transform with --test_input, run_calibration, model_deploy with --test_input and
--test_reference. Ours: `recam convert` with its own check in the simulator, from an empty cache of
finished steps. Prints each round, the medians and their ratio; leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import onnx

from recam_deploy.artifact import sha256_of
from recam_deploy.console import Terminal
from recam_deploy.conversion.calibration import CalibrationSet, read_calibration_set
from recam_deploy.conversion.commands import (
    INT8,
    ONNX_FILE,
    calibrate_command,
    check_picture_file,
    deploy_command,
    transform_command,
)
from recam_deploy.conversion.options import (
    CalibrationOptions,
    CheckPicture,
    DeployOptions,
    TransformOptions,
)
from recam_deploy.conversion.work_folder import link_pictures
from recam_deploy.network.model import Preprocessing
from recam_deploy.network.preparing import prepare
from recam_deploy.network.reading import read_network
from recam_deploy.progress import SilentProgress
from recam_deploy.settings import load_settings
from recam_deploy.toolchain import Compiler, ensure, run_tool


def guide(
    model: Path, pictures: CalibrationSet, folder: Path, compiler: Compiler
) -> dict[str, float]:
    """The seconds of each tool of the guide's recipe."""
    network, graph = read_network(model, (), Preprocessing())
    onnx.save(prepare(graph, network), folder / ONNX_FILE)
    link_pictures(pictures.paths, folder)
    first = pictures.paths[0]
    check = CheckPicture(first, sha256_of(first))
    (folder / check_picture_file(check)).symlink_to(first.absolute())
    commands = (
        transform_command(network, TransformOptions(test_input=check)),
        calibrate_command(len(pictures.paths), CalibrationOptions()),
        deploy_command(INT8, DeployOptions(), check),
    )
    return {
        command.tool: run_tool(compiler, command, folder, folder / "log", SilentProgress()).seconds
        for command in commands
    }


def ours(
    model: Path, pictures: Path, images: int, folder: Path, environment: Mapping[str, str]
) -> dict[str, float]:
    """The seconds of each step of `recam convert`, and of the whole command."""
    words = [sys.executable, "-m", "recam_deploy", "convert", str(model), "--json"]
    words += ["--calibration", str(pictures), "--images", str(images), "--min-cosine", "0"]
    words += ["--min-matched", "0", "-o", str(folder / "out.cvimodel")]
    started = time.monotonic()
    done = subprocess.run(words, env=dict(environment), stdout=subprocess.PIPE, check=True)
    whole = time.monotonic() - started
    steps = json.loads(done.stdout)["steps"]
    return {step["name"]: step["seconds"] for step in steps} | {"whole": whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cache = load_settings().cache_dir
    compiler = ensure(cache, Terminal(as_json=False))
    pictures = read_calibration_set(options.pictures, options.images)
    wholes: dict[str, list[float]] = {"guide": [], "recam": []}
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="recam-bench-") as scratch:
            folder = Path(scratch)
            (folder / "guide").mkdir()
            before = _processor_seconds()
            found = guide(options.model, pictures, folder / "guide", compiler)
            found |= {"whole": sum(found.values()), "processor": _processor_seconds() - before}
            _tell(f"round {number + 1} guide", found)
            wholes["guide"].append(found["whole"])
            # An empty cache that borrows the compiler.
            (folder / "cache").mkdir()
            (folder / "cache" / "toolchain").symlink_to(cache / "toolchain")
            environment = os.environ | {"RECAM_CACHE_DIR": str(folder / "cache")}
            before = _processor_seconds()
            found = ours(options.model, options.pictures, options.images, folder, environment)
            found["processor"] = _processor_seconds() - before
            _tell(f"round {number + 1} recam", found)
            wholes["recam"].append(found["whole"])
            (folder / "cache" / "toolchain").unlink()
            shutil.rmtree(folder / "cache")
    medians = {name: statistics.median(values) for name, values in wholes.items()}
    _tell("median", medians)
    print(f"ratio: 1/{medians['guide'] / medians['recam']:.1f}")


def _processor_seconds() -> float:
    """What all processes that have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tell(title: str, seconds: Mapping[str, float]) -> None:
    print(f"{title}: " + ", ".join(f"{n} {s:.1f} s" for n, s in seconds.items()), flush=True)


if __name__ == "__main__":
    main()
