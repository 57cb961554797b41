"""The `recam` program: its commands and its entry point."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from . import (
    cache,
    convert,
    demo,
    deploy,
    discover,
    doctor,
    flow,
    history,
    inspect,
    runner,
    toolchain,
    up,
    verify,
    virtual,
    watch,
)
from .error_handler import end_on_sigterm, report_early_end

app = typer.Typer(
    name="recam",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From an ONNX model to boxes on a Seeed reCamera, proven at each step.\n\n"
    "No camera at hand? [bold]recam demo[/bold] shows all of it against a virtual one.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"recam {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


app.command("up", rich_help_panel="Everything at once")(up.up)
app.command("demo", rich_help_panel="Everything at once")(demo.demo)
app.command("convert", rich_help_panel="Step by step")(convert.convert)
app.command("deploy", rich_help_panel="Step by step")(deploy.deploy)
app.command("inspect", rich_help_panel="Step by step")(inspect.inspect)
app.command("test", rich_help_panel="Step by step")(deploy.test)
app.command("verify", rich_help_panel="Step by step")(verify.verify)
app.add_typer(flow.app, name="flow", rich_help_panel="Step by step")
app.command("watch", rich_help_panel="Step by step")(watch.watch)
app.command("history", rich_help_panel="Step by step")(history.history)
app.command("rollback", rich_help_panel="Step by step")(history.rollback)
app.command("doctor", rich_help_panel="What it works with")(doctor.doctor)
app.command("discover", rich_help_panel="What it works with")(discover.discover)
app.add_typer(virtual.app, name="virtual", rich_help_panel="What it works with")
app.add_typer(toolchain.app, name="toolchain", rich_help_panel="What it works with")
app.add_typer(cache.app, name="cache", rich_help_panel="What it works with")
app.add_typer(runner.app, name="runner", rich_help_panel="What it works with")


def run() -> None:
    """Run the command that the command line names, and exit."""
    end_on_sigterm()
    try:
        app(prog_name="recam")
    except SystemExit as end:
        report_early_end(end)
        raise
