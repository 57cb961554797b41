"""The settings of a model node, read as the camera reads them.

Source: ``ModelNode::onCreate`` and ``onControl`` in ``solutions/sscma-node/main/node/model.cpp``.
Each setting has its own idea of what a wrong type is: some are ignored, some are refused. Values
are checked in the camera's order, so that of two wrong ones the same is reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..sscma.families.boxes import Thresholds
from .messages import (
    Code,
    Json,
    NodeError,
    flag,
    is_whole,
    number,
    numbers,
    strings,
    text_or,
    wrapped,
)

DEFAULT_MODEL = "/userdata/Models/model.cvimodel"
PREVIEW_SIZE = (640, 640)
AUTO = -1

_WHOLE = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")
_INT = range(-(2**31), 2**31)


@dataclass
class ModelSettings:
    """Settings of a new model node.

    ``splitter`` is None where none is given. ``preview_size`` is width and height of the preview in
    pixels, ``AUTO`` for the model's.
    """

    thresholds: Thresholds
    debug: bool
    websocket: bool
    trace: bool
    counting: bool
    splitter: list[int] | None
    preview_size: tuple[int, int]

    @classmethod
    def read(cls, config: dict[str, Json], usual: Thresholds) -> ModelSettings:
        """Read the settings that the camera reads once the model is loaded. Raises NodeError.

        ``usual`` are the decoder's own thresholds.
        """
        return cls(
            thresholds=Thresholds(
                _threshold(config, "tscore", usual.score), _threshold(config, "tiou", usual.iou)
            ),
            debug=flag(config, "debug", False),
            websocket=config.get("websocket") is not False,
            trace=flag(config, "trace", False),
            counting=flag(config, "counting", False),
            splitter=splitter_of(config),
            preview_size=_preview_size(config.get("previewResolution")),
        )


def uri_of(config: dict[str, Json]) -> str:
    """Return the model's path as the camera names it."""
    return text_or(config, "uri", "") or DEFAULT_MODEL


def card_of(uri: str) -> str | None:
    """Return the path of the ``.json`` beside a model; None where the path has no dot at all."""
    stem, dot, _ = uri.rpartition(".")
    return f"{stem}.json" if dot else None


def algorithm_of(config: dict[str, Json]) -> int:
    """Return the number of the family that the search begins with; 0 for the first."""
    value = config.get("algorithm")
    return wrapped(value, 32) if is_whole(value) else 0


def labels_of(card: Json, config: dict[str, Json]) -> list[str]:
    """Return the class names: the card's, else the settings'.

    What is no list is ignored; a list of other things than strings raises NodeError.
    """
    named = card.get("classes") if isinstance(card, dict) else None
    labels = strings(named) if isinstance(named, list) else []
    given = config.get("labels")
    if not labels and isinstance(given, list):
        labels = strings(given)
    return labels


def splitter_of(config: dict[str, Json]) -> list[int] | None:
    """Return the line of the counter; None where none is given. Raises NodeError."""
    value = config.get("splitter")
    return numbers(value) if isinstance(value, list) else None


def single(value: float) -> float:
    """Round a threshold to single precision."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def _threshold(config: dict[str, Json], key: str, usual: float) -> float:
    return single(number(config, key, usual)) if key in config else usual


def _preview_size(resolution: Json) -> tuple[int, int]:
    if not isinstance(resolution, str):
        return PREVIEW_SIZE
    if resolution == "auto":
        return AUTO, AUTO
    width, cross, height = resolution.partition("x")
    return (_stoi(width), _stoi(height)) if cross else PREVIEW_SIZE


def _stoi(text: str) -> int:
    """Read the integer at the start of a text as C++'s ``std::stoi`` does. Raises NodeError."""
    found = _WHOLE.match(text)
    # Python reads no number of more than 4,300 digits; ten are too many for 32 bits anyway.
    digits = found[1].lstrip("+-0") if found else ""
    if found is None or len(digits) > 10 or int(found[1]) not in _INT:
        raise NodeError(Code.INVALID, "stoi")
    return int(found[1])
