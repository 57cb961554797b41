"""Options that several commands share, with the words that explain them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout; logs go to stderr.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
WAIT_SECONDS = 15.0  # what a run that was killed may have left going there ends in less
Wait = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="How long to wait for another recam that is at work on the camera.",
        rich_help_panel="Camera",
    ),
]
NoTry = Annotated[
    bool,
    typer.Option(
        "--no-try",
        help="Do not load and run the model on the camera before it becomes the active one.",
    ),
]

Host = Annotated[
    str | None,
    typer.Option(
        help="The camera's name or address, for instance 192.168.42.1 over USB "
        "or recamera.local. (or RECAM_HOST)",
        rich_help_panel="Camera",
    ),
]
CameraName = Annotated[
    str | None,
    typer.Option(
        "--camera",
        metavar="NAME",
        help="One of the cameras in recam.toml: --camera porch is its table \\[camera.porch]. "
        "(or RECAM_CAMERA)",
        rich_help_panel="Camera",
    ),
]
Port = Annotated[
    int | None,
    typer.Option(help="Its SSH port. (or RECAM_PORT; default: 22)", rich_help_panel="Camera"),
]
User = Annotated[
    str | None,
    typer.Option(
        help="The user to log in as. (or RECAM_USER; default: recamera)",
        rich_help_panel="Camera",
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        help="A private key file; the SSH agent and ~/.ssh/id_* are tried as well. "
        "The password is never a flag: it comes from RECAM_PASSWORD, the system keyring or a "
        "prompt.",
        rich_help_panel="Camera",
    ),
]
AcceptHostKey = Annotated[
    bool,
    typer.Option(
        "--accept-host-key",
        help="Trust a camera that was never seen before. A changed key is refused all the same.",
        rich_help_panel="Camera",
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
ModelOutput = Annotated[
    Path | None,
    typer.Option(
        "--model-output",
        help="Where to write the .cvimodel; its manifest (.json) goes beside it. "
        "(default: MODEL_int8.cvimodel, or the precision it has, in this folder)",
    ),
]
