"""How long work tells of itself, without knowing who listens.

Modules below `cli` take a `Progress` and never print; `terminal.Terminal` shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Step(Protocol):
    """One piece of work under way."""

    def update(
        self, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        """Tell how far the work is: `done` of `total` in any one unit, and a few words."""


class Progress(Protocol):
    """Whoever wants to know what is going on."""

    def step(self, title: str, unit: str = "") -> AbstractContextManager[Step]:
        """Announce a piece of work; `unit` is "bytes" for transfers, else shown as it is."""

    def say(self, message: str) -> None:
        """Tell one line that stays on the screen."""


class _SilentStep:
    def update(
        self, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        pass


class SilentProgress:
    """A `Progress` nobody listens to: for tests and for use as a library."""

    @contextmanager
    def step(self, title: str, unit: str = "") -> Iterator[Step]:
        yield _SilentStep()

    def say(self, message: str) -> None:
        pass
