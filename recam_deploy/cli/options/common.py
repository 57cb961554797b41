"""Options that several commands share, with the words that explain them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout; logs go to stderr.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
NoTry = Annotated[
    bool,
    typer.Option(
        "--no-try",
        help="Do not load and run the model on the camera before it becomes the active one.",
    ),
]

ArtifactPath = Annotated[
    Path,
    typer.Argument(
        metavar="ARTIFACT",
        help="A manifest (.json), the folder that holds it, or a bare .cvimodel.",
        show_default=False,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="Class names, one a line in class order (or a JSON list); "
        "they replace those of the model."
    ),
]
Runner = Annotated[
    Path | None,
    typer.Option(
        help="The sscma-model test binary to use (RISC-V). Without it: the one that is on the "
        "camera, else the one that `recam runner fetch` has brought."
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Where to write the camera's own picture; ours goes beside it as .labeled.",
    ),
]
_CVIMODEL = (
    "Where to write the .cvimodel; its manifest (.json) goes beside it. "
    "(default: MODEL_int8.cvimodel, or the precision it has, in this folder)"
)
CvimodelOutput = Annotated[Path | None, typer.Option("--output", "-o", help=_CVIMODEL)]
# Where --output is the camera's picture.
ModelOutput = Annotated[Path | None, typer.Option("--model-output", help=_CVIMODEL)]
