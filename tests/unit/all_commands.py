"""All commands of the command line, as typer has made them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from recam_deploy.cli.main import app


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from _commands(
            inner.entry.load() if hasattr(inner, "entry") else inner, (*path, name)
        )


def all_commands() -> dict[str, Any]:
    """Every command by its words, such as `flow push`."""
    return {" ".join(path): command for path, command in _commands(typer.main.get_command(app))}
