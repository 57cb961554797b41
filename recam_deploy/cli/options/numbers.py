"""Give the flags that are numbers their bounds, which are those of the settings."""

from __future__ import annotations

from typing import Any

import typer

from ...bounds import BOUNDS


def number(name: str, metavar: str = "") -> dict[str, Any]:
    """Return the arguments of `typer.Option` for a number; `name` is its key in `BOUNDS`."""
    bounds = BOUNDS[name]

    def parse(text: Any) -> float:
        try:
            return bounds.parse(text)
        except ValueError as error:
            raise typer.BadParameter(f"{error}.") from error

    shown = f"<{bounds.kind.__name__}> [{bounds.shown}]"
    return {"parser": parse, "metavar": metavar or shown}
