"""Register the commands of `recam`, and run the one that the command line names."""

from __future__ import annotations

from typing import Annotated

import typer

from ..version import __version__
from .error_handler import end_on_sigterm, report_early_end, report_lost_output
from .lazy import MARKUP, Entry, LazyGroup
from .streams import flush_streams

_ALL_STEPS, _STEPS, _SETUP = "All steps", "Single steps", "Setup and diagnosis"


class _Commands(LazyGroup):
    entries = (
        Entry(
            "up",
            "up:up",
            _ALL_STEPS,
            "Convert a model, test it on the camera, make it the active one, and show it live.",
        ),
        Entry(
            "demo",
            "demo:demo",
            _ALL_STEPS,
            "Convert the bundled model, deploy it to a virtual camera, test it, and show it live.",
        ),
        Entry(
            "convert",
            "convert:convert",
            _STEPS,
            "Convert a model to a quantized cvimodel and check it in the TPU simulator.",
        ),
        Entry(
            "deploy",
            "deploy:deploy",
            _STEPS,
            "Make a model, with its class names, the active one on the camera.",
        ),
        Entry(
            "inspect",
            "inspect:inspect",
            _STEPS,
            "Describe a model: its family, inputs and outputs, classes, memory and sections.",
        ),
        Entry(
            "test",
            "deploy:test",
            _STEPS,
            "Run a model on the camera's TPU with one picture, and fetch the result.",
        ),
        Entry(
            "verify",
            "verify:verify",
            _STEPS,
            "Compare the cvimodel with the float model on your pictures, in an HTML report.",
        ),
        Entry(
            "watch",
            "watch:watch",
            _STEPS,
            "Show what the camera's model finds, live in the terminal.",
        ),
        Entry(
            "history",
            "history:history",
            _STEPS,
            "Show the model that is active on the camera, and the earlier ones that it keeps.",
        ),
        Entry(
            "rollback",
            "history:rollback",
            _STEPS,
            "Make an earlier model, with its class names, the active one again.",
        ),
        Entry(
            "flow",
            "flow:app",
            _STEPS,
            "Show, save, change and restore the flows of the camera's Node-RED.",
        ),
        Entry(
            "doctor",
            "doctor:doctor",
            _SETUP,
            "Find problems of this machine and the camera, and say how to fix them.",
        ),
        Entry(
            "trust",
            "trust:trust",
            _SETUP,
            "Allow the recam.toml in this folder to say where passwords are sent.",
        ),
        Entry("discover", "discover:discover", _SETUP, "Find the cameras near this machine."),
        Entry(
            "virtual",
            "virtual:app",
            _SETUP,
            "Run a virtual reCamera on this machine: real SSH, the camera's files and sudo, its "
            "sscma-model on a bit-exact simulator of the TPU, its HTTP API, its camera and "
            "model nodes over MQTT, and a real Node-RED.",
        ),
        Entry(
            "toolchain",
            "toolchain:app",
            _SETUP,
            "Install, show or remove the compiler (tpu_mlir 1.7). recam also installs it when "
            "it is first needed.",
        ),
        Entry(
            "cache",
            "cache:app",
            _SETUP,
            "Show or remove the cached conversion steps.",
        ),
        Entry(
            "runner",
            "runner:app",
            _SETUP,
            "Fetch the camera's test binary, sscma-model, which `recam test` uses.",
        ),
    )


app = typer.Typer(
    cls=_Commands,
    name="recam",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=MARKUP,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Convert an AI model, deploy it to a Seeed reCamera, and check each step.\n\n"
    "No camera at hand? [bold]recam demo[/bold] runs all steps on a virtual one.",
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


def run() -> None:
    """Run the command that the command line names, and exit."""
    end_on_sigterm()
    try:
        try:
            app(prog_name="recam")
        except SystemExit as end:
            report_early_end(end)
            flush_streams()
            raise
    except OSError as error:  # printing itself failed
        report_lost_output(error)
