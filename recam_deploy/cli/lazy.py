"""Load a command's module when it is run; list the commands without loading any."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

MARKUP: Any = "rich"


@dataclass(frozen=True)
class Entry:
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
            rich_markup_mode=MARKUP, pretty_exceptions_enable=False, add_completion=False
        )
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=self.name, rich_help_panel=self.panel)
        else:
            app.command(self.name, rich_help_panel=self.panel)(found)
        return typer.main.get_group(app).commands[self.name]


class _Listed(TyperCommand):
    """A command that is not loaded, as the list shows it."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(
            entry.name,
            help=entry.line,
            rich_help_panel=entry.panel,
            rich_markup_mode=MARKUP,
        )
        self.entry = entry


class LazyGroup(TyperGroup):
    """A group of the commands in `entries`."""

    entries: ClassVar[tuple[Entry, ...]] = ()

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
