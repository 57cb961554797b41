"""Report the progress of long work, without knowing who shows it.

Modules below `cli` take a `Progress` and never print; `terminal.Terminal` shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Step(Protocol):
    """One piece of work in progress."""

    def update(
        self, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        """Report how far the work is: `done` of `total` in one unit, and a short note."""


class Progress(Protocol):
    """Shows the progress of steps: a terminal, or nothing."""

    def step(self, title: str, unit: str = "") -> AbstractContextManager[Step]:
        """Show a step for the block; `unit` is "bytes" for transfers, else shown as given."""

    def say(self, message: str) -> None:
        """Print one line that stays on the screen."""


class _SilentStep:
    def update(
        self, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        pass


class SilentProgress:
    """A `Progress` that shows nothing: for tests and for use as a library."""

    @contextmanager
    def step(self, title: str, unit: str = "") -> Iterator[Step]:
        yield _SilentStep()

    def say(self, message: str) -> None:
        pass
