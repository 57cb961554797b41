"""How long does recam take where little or nothing is to be done?

    python tests/bench/second_run.py [--rounds N]

Starts a virtual camera, brings the bundled model to it with `recam up`, and then runs in turn: the
same again, `recam convert` with nothing changed and with new class names alone, `recam deploy` of
what is in place, and `recam --help`. Prints the medians; leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench_models import PROJECT

DEMO = PROJECT / "device" / "demo"
CONVERT = (str(DEMO / "shapes.onnx"), "--calibration", str(DEMO / "calibration"))
UP = ("up", *CONVERT, "--image", str(min((DEMO / "test").glob("*.jpg"))), "--json")


def recam(
    folder: Path, environment: Mapping[str, str], *words: str | Path
) -> tuple[float, dict[str, Any]]:
    """The seconds that a command takes, and its document."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "recam_deploy", *map(str, words)],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds = time.monotonic() - started
    return seconds, json.loads(done.stdout) if "--json" in words else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="recam-bench-") as scratch:
        folder, camera = Path(scratch), Path(scratch) / "camera"
        environment = os.environ | {"RECAM_PASSWORD": "recamera"}
        _, told = recam(folder, environment, "virtual", "up", "--dir", camera, "--detach", "--json")
        environment["RECAM_SETTINGS"] = told["settings"]
        try:
            recam(folder, environment, *UP)
            _measure(folder, environment, rounds)
        finally:
            recam(folder, environment, "virtual", "down", "--dir", camera, "--json")


def _measure(folder: Path, environment: Mapping[str, str], rounds: int) -> None:
    names = folder / "names.txt"
    number = itertools.count(1)

    def new_names() -> Path:
        names.write_text("".join(f"name {next(number)}\n" for _ in range(5)))
        return names

    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        for what, words in (
            ("up, nothing changed", UP),
            ("convert, nothing changed", ("convert", *CONVERT, "--json")),
            ("convert, new names", ("convert", *CONVERT, "--json", "--labels", new_names())),
            ("deploy, nothing changed", ("deploy", "shapes_int8.json", "--json")),
            ("--help", ("--help",)),
        ):
            # New names go into the manifest that `deploy` reads: the old ones are put back.
            if what.startswith("deploy"):
                recam(folder, environment, "convert", *CONVERT, "--json")
            seconds, said = recam(folder, environment, *words)
            taken.setdefault(what, []).append(seconds)
            for step, spent in said.get("seconds", {}).items():
                taken.setdefault(f"    {step}", []).append(float(spent))
    print(f"{rounds} rounds, seconds: median (least to most)")
    for what, seconds_ in taken.items():
        middle = statistics.median(seconds_)
        print(f"  {what:28} {middle:6.2f} ({min(seconds_):.2f} to {max(seconds_):.2f})")


if __name__ == "__main__":
    main()
