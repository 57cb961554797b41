"""Search for the layers to keep in BF16, for a cosine or for an accuracy, as a step of a plan."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from ..documents import parse_json
from ..emulation.emulator import emulated_model
from ..emulation.lowered import read_lowered
from ..files import read_text
from ..mixed_precision.accuracy import find_fewest_layers
from ..mixed_precision.options import SearchOptions
from ..mixed_precision.search import Ranking, rank_network_layers, search_layers
from ..picture_sets import spread
from ..progress import Progress, SilentProgress
from ..toolchain import Compiler
from .commands import LOSS_TABLE_FILE, ONNX_FILE, QUANTIZE_TABLE_FILE, TABLE_FILE
from .lower import lower_here
from .plan import ConversionPlan
from .work_folder import copy_files, write

TRIALS_FILE = "trials.json"

Measure = Callable[[Path], float]
"""Measures how much accuracy an emulated network loses on labelled pictures."""


@dataclass(frozen=True)
class Search:
    """Searches by recam's ranking; `scratch` is a folder that the compiler can reach."""

    plan: ConversionPlan
    options: SearchOptions
    compiler: Compiler
    scratch: Path
    log: Path
    progress: Progress
    measure: Measure | None = None

    def run(self, folder: Path, prepared: Path, transformed: Path, calibrated: Path) -> None:
        """Write the table of the layers in BF16, and what each layer loses, into `folder`.

        The other arguments are the folders of the steps before. Raises AccuracyError when no mix
        loses little enough.
        """
        given = self.plan.options.calibration.table
        table = calibrated / TABLE_FILE
        if given:
            table = write(folder / TABLE_FILE, given)
        pictures = spread(self.plan.calibration.paths, self.options.images)
        network, model = self.plan.network, prepared / ONNX_FILE
        if self.options.accuracy is None or self.measure is None:
            found = search_layers(network, table, model, pictures, self.options, self.progress)
            text, losses = found.table(), found.loss_table()
        else:
            ranking = rank_network_layers(network, table, model, pictures, self.progress)
            allowed = self.options.accuracy.max_drop
            steps = _Trials(self, transformed, table, self.measure)
            text = self._for_accuracy(folder, ranking, steps, allowed)
            losses = ranking.loss_table()
        if given:
            table.unlink()
        write(folder / QUANTIZE_TABLE_FILE, text)
        write(folder / LOSS_TABLE_FILE, losses)

    def _for_accuracy(self, folder: Path, ranking: Ranking, trials: _Trials, allowed: float) -> str:
        """Return the table with the fewest layers for the accuracy; write the trials."""
        most = ranking.fitting(self.options.max_float_layers)
        with self.progress.step("Searching for the accuracy", "trials") as step:
            tried = 0

            def lost(count: int) -> float:
                nonlocal tried
                step.update(tried, note=f"{count} layers in BF16")
                tried += 1
                return trials.lost(ranking.table(count))

            found = find_fewest_layers(ranking.kept, most, lost, allowed)
        write(folder / TRIALS_FILE, json.dumps([trial.as_json() for trial in found.trials]))
        reached = next(trial for trial in found.trials if trial.layers == found.count)
        self.progress.say(
            f"Mixed precision: {found.count} of {len(ranking.order)} layers in BF16 lose "
            f"{reached.lost:.4f} ({allowed} is allowed; {len(found.trials)} trials)"
        )
        head = f"# {found.count} layers in BF16 lose {reached.lost:.4f} on the labelled pictures\n"
        return head + ranking.table(found.count)


@dataclass(frozen=True)
class _Trials:
    """Measures a network with some layers in BF16: lowered and emulated, not compiled."""

    search: Search
    transformed: Path
    table: Path
    measure: Measure

    def lost(self, layers: str) -> float:
        """Measure the loss with the layers of a quantization table."""
        search, command = self.search, self.search.plan.compile.command
        arguments = command.arguments if command else ()
        search.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="recam-trial-", dir=search.scratch) as name:
            folder = Path(name)
            copy_files(self.transformed, folder)
            shutil.copyfile(self.table, folder / TABLE_FILE)
            write(folder / QUANTIZE_TABLE_FILE, layers or "# none\n")
            silent = SilentProgress()
            lowered = lower_here(folder, arguments, search.compiler, search.log, silent)
            emulated = folder / "emulated.onnx"
            onnx.save(emulated_model(read_lowered(lowered)), emulated)
            return self.measure(emulated)


def read_trials(folder: Path) -> list[dict[str, Any]]:
    """Read the trials of a finished search for accuracy; none of another."""
    path = folder / TRIALS_FILE
    if not path.exists():
        return []
    found: list[dict[str, Any]] = parse_json(read_text(path, "the trials"))
    return found
