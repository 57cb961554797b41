"""State the bounds of all numbers that a user gives, once for the flags and for the settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

_DAY = 86_400.0


@dataclass(frozen=True)
class Bounds:
    """The range of a number: from `least` (not included, with `above`) to `most`."""

    kind: type[int] | type[float]
    least: float
    most: float | None = None
    above: bool = False

    @property
    def shown(self) -> str:
        """The range as a help text shows it: `0<x<=1`."""
        sign = "" if self.above else "="
        if self.most is None:
            return f"x>{sign}{self.least:g}"
        return f"{self.least:g}<{sign}x<={self.most:.9g}"

    @property
    def field(self) -> dict[str, Any]:
        """The arguments of pydantic's `Field`."""
        given: dict[str, Any] = {"gt" if self.above else "ge": self.kind(self.least)}
        if self.most is not None:
            given["le"] = self.kind(self.most)
        return given

    def parse(self, value: Any) -> float:
        """Convert a flag's text. Raises ValueError for what is no number in the range."""
        try:
            number = self.kind(value)
        except (TypeError, ValueError):
            word = "a whole number" if self.kind is int else "a number"
            raise ValueError(f"{str(value)[:40]!r} is not {word}") from None
        low = number <= self.least if self.above else number < self.least
        if not math.isfinite(number) or low or (self.most is not None and number > self.most):
            raise ValueError(f"{str(value)[:40]} is not in the range {self.shown}")
        return number


_SHARE = Bounds(float, 0, 1)
_COSINE = Bounds(float, 0, 1, above=True)
_PORT = Bounds(int, 1, 65535)
_COUNT = Bounds(int, 1, 1_000_000)
_TIME = Bounds(float, 0, _DAY, above=True)

BOUNDS = {
    "camera.port": _PORT,
    "camera.http_port": _PORT,
    "camera.mqtt_port": _PORT,
    "camera.node_red_port": _PORT,
    "camera.preview_port": _PORT,
    "camera.history": Bounds(int, 0, 50),
    "camera.timeout": _TIME,
    "camera.run_timeout": _TIME,
    "camera.node_red_timeout": _TIME,
    "convert.images": _COUNT,
    "convert.verify": _COUNT,
    "convert.min_cosine": _SHARE,
    "convert.min_matched": _SHARE,
    "convert.tune_num": Bounds(int, 0, 1_000_000),
    "convert.histogram_bin_num": Bounds(int, 128, 1 << 20),
    "convert.expected_cos": _COSINE,
    "convert.min_layer_cos": _COSINE,
    "convert.max_float_layers": Bounds(int, 0, 1_000_000),
    "convert.search_images": _COUNT,
    "discover.seconds": Bounds(float, 0, 60, above=True),
    "discover.connect_timeout": Bounds(float, 0, 30, above=True),
    "general.cache_limit_mb": Bounds(int, 0),
    # Flags without a setting.
    "wait": Bounds(float, 0, 7 * _DAY),
    "tscore": _SHARE,
    "tiou": _SHARE,
    "watch.count": Bounds(int, 1),
    "watch.seconds": Bounds(float, 0.1, 365 * _DAY),
    "verify.limit": _COUNT,
    "verify.layer_images": _COUNT,
    "evaluate.limit": _COUNT,
    "evaluate.jobs": Bounds(int, 1, 1024),
    "convert.max_drop": _SHARE,
    "clean.keep": Bounds(int, 0),
}
"""The bounds by the name of the setting, or of the flag that has none."""
