"""Say which share of a finished cvimodel is in BF16, and what a search tried for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import read_text
from ..toolchain import read_calibration_table
from .commands import QUANTIZE_TABLE_FILE, TABLE_FILE
from .searching import read_trials


@dataclass(frozen=True)
class MixedLayers:
    """Count the network's layers in BF16.

    `trials` are those of a search for accuracy, in their order, as the manifest shows them.
    """

    bf16: int
    layers: int
    trials: tuple[dict[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the counts as `convert --json` and the manifest show them."""
        document: dict[str, Any] = {"bf16_layers": self.bf16, "layers": self.layers}
        return document | ({"trials": list(self.trials)} if self.trials else {})

    def told(self) -> str:
        """Say the counts in a sentence."""
        tried = f", found in {len(self.trials)} trials" if self.trials else ""
        return f"{self.bf16} of {self.layers} layers in BF16{tried}"


def read_mixed_layers(compiled: Path, searched: Path | None) -> MixedLayers:
    """Count the layers by the tables that the steps "compile" and "search" have left."""
    kept = read_text(compiled / QUANTIZE_TABLE_FILE, "the quantization table").splitlines()
    return MixedLayers(
        bf16=sum(line.split()[-1:] == ["BF16"] for line in kept if not line.startswith("#")),
        layers=len(read_calibration_table(compiled / TABLE_FILE)),
        trials=tuple(read_trials(searched)) if searched else (),
    )
