"""Define the options that most commands share, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_LOGGING = "Transcript"

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout; progress on stderr.")
]
LogFile = Annotated[
    Path | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="Append a transcript of this run to a file: each command on the camera, HTTP exchange "
        "and program, without passwords. Each run begins with a line that names it. (or RECAM_LOG)",
        rich_help_panel=_LOGGING,
        show_default=False,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Show a short form of the transcript on stderr.",
        rich_help_panel=_LOGGING,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")]
NoTry = Annotated[
    bool,
    typer.Option(
        "--no-try",
        help="Do not load and run the model on the camera before it becomes the active one.",
    ),
]

Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Also use a model that failed recam's check (*.rejected.cvimodel).",
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
        metavar="FILE",
        help="A file of class names: a data.yaml, a text file with one a line in class order, or "
        "JSON. They replace those of the model.",
    ),
]
Runner = Annotated[
    Path | None,
    typer.Option(
        help="The test binary sscma-model to use (RISC-V). (default: the camera's own, else the "
        "one that `recam runner fetch` downloaded)"
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Where to write the camera's own picture; recam's goes beside it as .labeled.",
    ),
]
_CVIMODEL = (
    "Where to write the .cvimodel; its manifest (.json) goes beside it. "
    "(default: MODEL_int8.cvimodel, or its other precision, in this folder)"
)
CvimodelOutput = Annotated[Path | None, typer.Option("--output", "-o", help=_CVIMODEL)]
# For commands whose --output is the camera's picture.
ModelOutput = Annotated[Path | None, typer.Option("--model-output", help=_CVIMODEL)]
