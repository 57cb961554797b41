"""Run `recam runner`: fetch the camera's test binary, `sscma-model`."""

from __future__ import annotations

from typing import Annotated

import typer

from .error_handler import bounded
from .options.common import AsJson

app = typer.Typer(
    no_args_is_help=True,
    help="Fetch the camera's test binary, sscma-model, which `recam test` uses.",
)


@app.callback()
def _group() -> None:
    pass


@app.command()
@bounded
def fetch(
    any_build: Annotated[
        bool,
        typer.Option(
            "--any-build",
            help="Accept the binary even when its sha256 is not the one that this release knows.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Download the prebuilt sscma-model of Seeed's guide into the cache, and check it.

    `recam test` uploads it to cameras that have none of their own. It must be a RISC-V program
    with the known sha256.
    """
    from ..camera.smoke_test.binary import PINNED_SHA256
    from ..camera.smoke_test.binary import fetch as fetch_runner
    from ..settings import load_settings
    from ..terminal import Terminal

    terminal = Terminal(as_json=as_json)
    binary = fetch_runner(
        load_settings().cache_dir,
        terminal,
        expected_sha256=None if any_build else PINNED_SHA256,
    )
    terminal.result(binary.as_json(), [f"{binary.path} (sha256 {binary.sha256})"])
