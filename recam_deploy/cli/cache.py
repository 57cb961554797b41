"""Run `recam cache`: show or remove the finished conversion steps."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from .error_handler import bounded
from .options.common import AsJson, DryRun
from .options.numbers import number

app = typer.Typer(
    no_args_is_help=True,
    help="Show or remove the cached conversion steps.",
)


@app.command()
@bounded
def info(as_json: AsJson = False) -> None:
    """Show the size and the place of the cache."""
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..workflows.convert import step_cache

    terminal = Terminal(as_json=as_json)
    settings = load_settings()
    entries = step_cache(settings).entries()
    sizes: Counter[str] = Counter()
    for entry in entries:
        sizes[entry.name] += entry.size
    total, limit = sum(sizes.values()), settings.general.cache_limit_mb * 1_000_000
    folder = settings.cache_dir / "steps"
    if sizes:
        terminal.table("", ("step", "MB"), [(n, f"{size / 1e6:.1f}") for n, size in sizes.items()])
    terminal.result(
        {
            "path": str(folder),
            "bytes": total,
            "limit_bytes": limit,
            "steps": len(entries),
            "by_step": dict(sizes),
        },
        [f"{len(entries)} steps, {total / 1e6:.1f} MB of at most {limit / 1e6:.0f}, in {folder}"],
    )


@app.command()
@bounded
def clean(
    keep: Annotated[
        int,
        typer.Option(
            **number("clean.keep"),
            help="Keep the most recently used steps, up to this many MB. (default: none)",
        ),
    ] = 0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Remove cached steps; the next conversion runs them again. The compiler stays."""
    from ..settings import load_settings
    from ..terminal import Terminal
    from ..workflows.convert import step_cache

    cache = step_cache(load_settings())
    if dry_run:
        total = sum(entry.size for entry in cache.entries())
        freed, word = max(0, total - keep * 1_000_000), "would be freed (about)"
    else:
        freed, word = cache.clean(keep * 1_000_000), "freed"
    Terminal(as_json=as_json).result(
        {"freed_bytes": freed, "dry_run": dry_run}, [f"{freed / 1e6:.1f} MB {word}"]
    )
