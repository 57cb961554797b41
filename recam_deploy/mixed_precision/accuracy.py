"""Find how many of the ranked layers must be in BF16 for the accuracy that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import AccuracyError

MOST_TRIALS = 7
"""Each trial runs the network on all labelled pictures."""

_SHARES = (1 / 2, 1 / 4, 3 / 4, 1 / 8, 3 / 8)
"""Where to look when all layers in BF16 are not enough: on few objects, the loss is uneven."""


@dataclass(frozen=True)
class Trial:
    """The accuracy that is lost with the first `layers` of the ranking in BF16."""

    layers: int
    lost: float

    def as_json(self) -> dict[str, Any]:
        """Return the trial as the manifest shows it."""
        return {"bf16_layers": self.layers, "lost": round(self.lost, 6)}


@dataclass(frozen=True)
class FewestLayers:
    """The fewest layers that were found to lose little enough, and all trials in their order."""

    count: int
    trials: tuple[Trial, ...]


def find_fewest_layers(
    least: int, most: int, lost: Callable[[int], float], max_drop: float
) -> FewestLayers:
    """Find by bisection the fewest layers, from `least` to `most`, that lose at most `max_drop`.

    `lost` measures a number of layers; it is called MOST_TRIALS times at most, so the last steps of
    a long bisection are left out. Where `most` lose more, numbers between are tried: the loss need
    not be even. Raises AccuracyError where none is found.
    """
    trials: list[Trial] = []

    def is_enough(count: int) -> bool:
        trials.append(Trial(count, lost(count)))
        return trials[-1].lost <= max_drop

    if is_enough(least):
        return FewestLayers(least, tuple(trials))
    if most > least and not is_enough(most):
        between = (least + round(share * (most - least)) for share in _SHARES)
        most = next(
            (count for count in between if least < count < most and is_enough(count)), least
        )
    if most == least:
        best = min(trials, key=lambda trial: trial.lost)
        raise AccuracyError(
            f"the least that mixed precision loses is {best.lost:.4f}, with {best.layers} layers "
            f"in BF16, and {max_drop} is allowed",
            "Allow more with --max-drop, label more pictures, or calibrate with more of what the "
            "camera will see.",
        )
    too_few, enough = least, most
    while enough - too_few > 1 and len(trials) < MOST_TRIALS:
        middle = (too_few + enough) // 2
        if is_enough(middle):
            enough = middle
        else:
            too_few = middle
    return FewestLayers(enough, tuple(trials))
