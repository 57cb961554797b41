"""The main figure of an evaluation, as a manifest and the camera's `model.json` hold it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

_WORDS = re.compile(r"([\w-]+) ([01]\.[0-9]{4}) \(float ([01]\.[0-9]{4})\)")


@dataclass(frozen=True)
class Measured:
    """What an evaluation found: `figure` is for instance "mAP50-95", the others are 0 to 1."""

    figure: str
    reference: float
    cvimodel: float

    @classmethod
    def from_manifest(cls, provenance: Mapping[str, Any]) -> Measured | None:
        """Return the first figure under `accuracy` in a manifest; None without a number there."""
        accuracy = provenance.get("accuracy")
        before, after = (
            accuracy.get(name) if isinstance(accuracy, dict) else None
            for name in ("float", "cvimodel")
        )
        if not isinstance(before, dict) or not isinstance(after, dict):
            return None
        name = next(iter(after), "")
        reference, cvimodel = before.get(name), after.get(name)
        if not _is_share(reference) or not _is_share(cvimodel):
            return None
        return cls(figure_title(name), reference, cvimodel)

    @classmethod
    def find(cls, text: str) -> Measured | None:
        """Find in a text what `words` has written."""
        found = _WORDS.search(text)
        return cls(found[1], float(found[3]), float(found[2])) if found else None

    @property
    def lost(self) -> float:
        """Return how much less the cvimodel has than the float model."""
        return self.reference - self.cvimodel

    def words(self) -> str:
        """Return both numbers for people: "mAP50-95 0.8416 (float 0.8469)"."""
        return f"{self.figure} {self.cvimodel:.4f} (float {self.reference:.4f})"

    def as_json(self) -> dict[str, Any]:
        """Return its object in `history --json`."""
        return {
            "figure": self.figure,
            "float": self.reference,
            "cvimodel": self.cvimodel,
            "lost": round(self.lost, 4),
        }


def _is_share(value: object) -> TypeGuard[float]:
    return isinstance(value, float) and 0 <= value <= 1


def figure_title(figure: str) -> str:
    """Return a figure's name for people: "mask mAP50-95" of "mask_map50_95"."""
    kind, found, levels = figure.rpartition("map")
    if not found:
        return figure.replace("top", "top-")
    size = levels.startswith("_")
    return f"{kind.replace('_', ' ')}mAP{levels.replace('_', ' ' if size else '-')}"
