"""Print the list of commands as typer does, without the libraries that typer loads for that.

Those (Markdown, coloured tracebacks) take longer to load than the rest of `recam --help`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.box import ROUNDED
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


def print_overview(group: Any, ctx: Any) -> None:
    """Print the `--help` of a group of commands: its text, its options and its commands."""
    console = Console(file=sys.stdout, highlight=False)
    usage = Text.from_markup("[yellow]Usage:[/] ") + Text(
        group.get_usage(ctx).removeprefix("Usage: "), style="bold"
    )
    console.print(Padding(usage, 1))
    console.print(Padding(Text.from_markup(group.help or ""), (0, 1, 1, 1)))
    options = [param for param in group.get_params(ctx) if not getattr(param, "hidden", False)]
    rows = [
        (
            ", ".join(name for name in option.opts if name.startswith("--")),
            " ".join(name for name in option.opts if not name.startswith("--")),
            option.help or "",
        )
        for option in options
    ]
    console.print(_panel("Options", rows, (None, None)))
    commands = [group.get_command(ctx, name) for name in group.list_commands(ctx)]
    width = max(len(command.name) for command in commands)
    for title in dict.fromkeys(command.rich_help_panel for command in commands):
        lines = [(c.name, c.help) for c in commands if c.rich_help_panel == title]
        console.print(_panel(title, lines, (width,)))


def _panel(title: str, rows: Iterable[tuple[str, ...]], widths: tuple[int | None, ...]) -> Panel:
    """Build a frame with a line for each row; the last column is text, those before are names."""
    table = Table(box=None, show_header=False, expand=True, pad_edge=False, padding=(0, 1))
    for style, width in zip(("bold cyan", "bold green"), widths, strict=False):
        table.add_column(style=style, no_wrap=True, min_width=width)
    table.add_column(ratio=1)
    for *names, text in rows:
        table.add_row(*names, Text(text))
    return Panel(table, box=ROUNDED, border_style="dim", title=title, title_align="left")
