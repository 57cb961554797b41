"""How many pictures a second does an evaluation take on one core, and what does COCO cost?

    python tests/bench/evaluation_rate.py ARTIFACT.json [ARTIFACT.json ...] --pictures FOLDER
        --models MODEL.onnx [MODEL.onnx ...] [--count 40] [--rounds 3]

Runs the float model and the emulator of each artifact on `--count` pictures in one thread, in turn,
and prints the median of the milliseconds a picture of each part, and the cost of 118,287 pictures
(COCO train2017) on 1, 10 and 100 machines of 2 cores, extrapolated from it without any loss. Then
runs one and two processes on the pictures, to see what the second core is worth. The machine's load
is printed too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from recam_deploy.artifact import Artifact, load_artifact
from recam_deploy.conversion.emulated import emulate
from recam_deploy.evaluation.detecting import Models, detect
from recam_deploy.evaluation.running import loadable, spread_over
from recam_deploy.network.reading import read_network
from recam_deploy.progress import SilentProgress
from recam_deploy.settings import load_settings
from recam_deploy.toolchain import ensure

_COCO_TRAIN = 118_287
_CORES = 2
_MACHINES = (1, 10, 100)


def measured(work: Callable[[], object], pictures: int, rounds: int) -> tuple[float, float, float]:
    """The median, least and most milliseconds a picture that `work` takes; the first is not kept.

    That is the one that loads the models.
    """
    work()
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - started) / pictures)
    return statistics.median(taken), min(taken), max(taken)


def pictures_of(folder: Path, count: int) -> list[Path]:
    """So many pictures of a folder, over and over where it has fewer."""
    found = sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png"))
    return [found[number % len(found)] for number in range(count)]


def report(name: str, models: Models, pictures: Sequence[Path], rounds: int) -> None:
    parts = {
        "pictures": replace(models, prepared=None, emulated=None),
        "pictures, float": replace(models, emulated=None),
        "pictures, cvimodel": replace(models, prepared=None),
        "all": models,
    }
    print(f"{name}: {len(pictures)} pictures in one thread, load {os.getloadavg()[0]:.1f}")
    all_of_it = 0.0
    for part, chosen in parts.items():

        def work(chosen: Models = chosen) -> object:
            return detect(chosen, pictures)

        middle, least, most = measured(work, len(pictures), rounds)
        print(f"  {part:20} {middle:8.1f} ms a picture ({least:.1f} to {most:.1f})")
        all_of_it = middle
    for machines in _MACHINES:
        minutes = _COCO_TRAIN * all_of_it / 1000 / 60 / _CORES / machines
        print(f"  COCO train on {machines:3} machines of {_CORES} cores: {minutes:8.1f} min")
    for jobs in (1, 2):
        started = time.perf_counter()
        list(spread_over(jobs)(models, pictures))
        rate = len(pictures) / (time.perf_counter() - started)
        print(f"  {jobs} processes, from their start: {rate:.1f} a second")
    print(f"  load {os.getloadavg()[0]:.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("artifacts", nargs="+", type=Path)
    parser.add_argument("--models", nargs="+", type=Path, required=True, help="their ONNX files")
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    cache, silent = load_settings().cache_dir, SilentProgress()
    pictures = pictures_of(given.pictures, given.count)
    for path, model in zip(given.artifacts, given.models, strict=True):
        artifact: Artifact = load_artifact(path)
        network, graph = read_network(model)
        emulated = emulate(artifact, ensure(cache, silent), cache, silent).path
        with loadable(network, graph, artifact.cvimodel, cache) as models:
            report(path.name, replace(models, emulated=emulated), pictures, given.rounds)


if __name__ == "__main__":
    main()
