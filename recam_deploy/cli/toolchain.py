"""Run `recam toolchain`: install, show or remove the compiler."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .error_handler import bounded
from .options.common import AsJson

app = typer.Typer(
    no_args_is_help=True,
    help="Install, show or remove the compiler (tpu_mlir 1.7). recam also installs it when it is "
    "first needed.",
)


Exporters = Annotated[
    bool,
    typer.Option(
        "--exporters",
        help="Also install the exporters of PyTorch and TFLite models, each in an environment of "
        "its own (0.7 GB to download, 2.7 GB on disk). Without it, each is installed when first "
        "needed.",
    ),
]


@app.command()
@bounded
def install(exporters: Exporters = False, as_json: AsJson = False) -> None:
    """Install the compiler into its own Python 3.10 environment, unless it is there."""
    from ..frameworks import environments
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..toolchain import ensure

    terminal = Terminal(as_json=as_json)
    cache_dir = load_settings().cache_dir
    toolchain = ensure(cache_dir, terminal)
    for environment in environments.ENVIRONMENTS.values() if exporters else ():
        environments.ensure(cache_dir, environment, terminal)
    terminal.result(
        {"installed": True, "path": str(toolchain.root), "version": toolchain.version},
        [f"tpu_mlir {toolchain.version} is installed in {toolchain.root}"],
    )


@app.command()
@bounded
def status(as_json: AsJson = False) -> None:
    """Show whether the compiler is installed, where, and whether this machine can run it."""
    import dataclasses

    from ..frameworks import environments
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..toolchain import status as find_status

    terminal = Terminal(as_json=as_json)
    cache_dir = load_settings().cache_dir
    found = find_status(cache_dir)
    exporters = environments.status(cache_dir)
    document: dict[str, Any] = dataclasses.asdict(found) | {"path": str(found.path)}
    document["exporters"] = [dataclasses.asdict(exporter) for exporter in exporters]
    rows = [
        ("installed", "yes" if found.installed else "no"),
        ("version", f"tpu_mlir {found.version}"),
        ("path", str(found.path)),
        ("size", f"{found.size / 1e6:.0f} MB"),
        ("Python", found.python or "-"),
        ("this machine", found.obstacle or "can run it"),
        *(
            (e.title, f"installed, {e.size / 1e6:.0f} MB" if e.installed else "not needed so far")
            for e in exporters
        ),
    ]
    terminal.table("", ("", "toolchain"), rows)
    terminal.result(document)


@app.command()
@bounded
def remove(as_json: AsJson = False) -> None:
    """Remove the environments of the compiler and the exporters.

    Each is installed again when it is next needed.
    """
    from ..frameworks import environments
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..toolchain import remove as remove_toolchain

    terminal = Terminal(as_json=as_json)
    cache_dir = load_settings().cache_dir
    freed = remove_toolchain(cache_dir) + environments.remove(cache_dir)
    terminal.result({"freed_bytes": freed}, [f"{freed / 1e6:.0f} MB freed"])
