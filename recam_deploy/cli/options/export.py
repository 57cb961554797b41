"""Define the options for models of other frameworks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

_PANEL = "Other frameworks"

Weights = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.caffemodel",
        help="The weights of a .prototxt. (default: the .caffemodel of the same name beside it)",
        rich_help_panel=_PANEL,
    ),
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        "--imgsz",
        metavar="SIZE|H,W",
        help="The input size of a PyTorch model, in pixels; a multiple of 64 is best, since the "
        "camera's rows then need no padding. (default: the size that an Ultralytics model was "
        "trained with)",
        rich_help_panel=_PANEL,
    ),
]
TrustModel = Annotated[
    bool,
    typer.Option(
        "--trust-model",
        help="Load a PyTorch file without asking. Loading it can run any code that it carries, "
        "with your rights.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class ExportFlags:
    """The flags for models of other frameworks; see `groups.grouped`."""

    weights: Weights = None
    imgsz: ImageSize = None
    trust_model: TrustModel = False
