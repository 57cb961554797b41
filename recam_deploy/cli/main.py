"""Register the commands of `recam`, and run the one that the command line names.

A command's module is loaded when it is run; the list of the commands is printed without any.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from ..version import __version__
from .error_handler import end_on_sigterm, report_early_end, report_lost_output
from .streams import flush_streams

_ALL_STEPS, _STEPS, _SETUP = "All steps", "Single steps", "Setup and diagnosis"
_MARKUP: Any = "rich"


@dataclass(frozen=True)
class _Entry:
    """A command: its `name`, and its `panel` and `line` in the list of commands.

    `place` is `module:name` in this package; the name is that of the function, or of the
    `typer.Typer` of a group of commands.
    """

    name: str
    place: str
    panel: str
    line: str

    def load(self) -> Any:
        """Import the command, ready to run."""
        module, _, name = self.place.partition(":")
        found = getattr(importlib.import_module(f"{__package__}.{module}"), name)
        app = typer.Typer(
            rich_markup_mode=_MARKUP, pretty_exceptions_enable=False, add_completion=False
        )
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=self.name, rich_help_panel=self.panel)
        else:
            app.command(self.name, rich_help_panel=self.panel)(found)
        return typer.main.get_group(app).commands[self.name]


class _Listed(TyperCommand):
    """A command that is not loaded, as the list shows it."""

    def __init__(self, entry: _Entry) -> None:
        super().__init__(
            entry.name,
            help=entry.line,
            rich_help_panel=entry.panel,
            rich_markup_mode=_MARKUP,
        )
        self.entry = entry


class _Commands(TyperGroup):
    """The group of all commands."""

    entries: ClassVar[tuple[_Entry, ...]] = (
        _Entry(
            "up",
            "up:up",
            _ALL_STEPS,
            "Convert a model, test it on the camera, make it the active one, and show it live.",
        ),
        _Entry(
            "demo",
            "demo:demo",
            _ALL_STEPS,
            "Convert the bundled model, deploy it to a virtual camera, test it, and show it live.",
        ),
        _Entry(
            "convert",
            "convert:convert",
            _STEPS,
            "Convert a model to a quantized cvimodel and check it in the TPU simulator.",
        ),
        _Entry(
            "deploy",
            "deploy:deploy",
            _STEPS,
            "Make a model, with its class names, the active one on the camera.",
        ),
        _Entry(
            "inspect",
            "inspect:inspect",
            _STEPS,
            "Describe a model: its family, inputs and outputs, classes, memory and sections.",
        ),
        _Entry(
            "test",
            "deploy:test",
            _STEPS,
            "Run a model on the camera's TPU with one picture, and fetch the result.",
        ),
        _Entry(
            "verify",
            "verify:verify",
            _STEPS,
            "Compare the cvimodel with the float model on your pictures, in an HTML report.",
        ),
        _Entry(
            "evaluate",
            "evaluate:evaluate",
            _STEPS,
            "Measure how much accuracy the cvimodel lost, on your labelled pictures.",
        ),
        _Entry(
            "watch",
            "watch:watch",
            _STEPS,
            "Show what the camera's model finds, live in the terminal.",
        ),
        _Entry(
            "history",
            "history:history",
            _STEPS,
            "Show the model that is active on the camera, and the earlier ones that it keeps.",
        ),
        _Entry(
            "rollback",
            "history:rollback",
            _STEPS,
            "Make an earlier model, with its class names, the active one again.",
        ),
        _Entry(
            "flow",
            "flow:app",
            _STEPS,
            "Show, save, change and restore the flows of the camera's Node-RED.",
        ),
        _Entry(
            "doctor",
            "doctor:doctor",
            _SETUP,
            "Find problems of this machine and the camera, and say how to fix them.",
        ),
        _Entry(
            "trust",
            "trust:trust",
            _SETUP,
            "Allow the recam.toml in this folder to say where passwords are sent.",
        ),
        _Entry(
            "forget-host",
            "forget_host:forget_host",
            _SETUP,
            "Forget the host key of a camera that was reset, updated or exchanged.",
        ),
        _Entry("discover", "discover:discover", _SETUP, "Find the cameras near this machine."),
        _Entry(
            "virtual",
            "virtual:app",
            _SETUP,
            "Run a virtual reCamera on this machine: real SSH, the camera's files and sudo, its "
            "sscma-model on a bit-exact simulator of the TPU, its HTTP API, its camera and "
            "model nodes over MQTT, and a real Node-RED.",
        ),
        _Entry(
            "toolchain",
            "toolchain:app",
            _SETUP,
            "Install, show or remove the compiler (tpu_mlir 1.7). recam also installs it when "
            "it is first needed.",
        ),
        _Entry(
            "cache",
            "cache:app",
            _SETUP,
            "Show or remove the cached conversion steps.",
        ),
        _Entry(
            "runner",
            "runner:app",
            _SETUP,
            "Fetch the camera's test binary, sscma-model, which `recam test` uses.",
        ),
    )

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        for entry in self.entries:
            self.add_command(_Listed(entry), entry.name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Load the command that `args` names; see click."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.entry.load() if isinstance(command, _Listed) else command, rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the list of the commands without loading any."""
        from .overview import print_overview

        print_overview(self, ctx)


app = typer.Typer(
    cls=_Commands,
    name="recam",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=_MARKUP,
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
