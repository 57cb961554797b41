"""Define how a use case shows progress and warnings and asks questions, without a terminal.

Workflows take an `Interaction` and never print or read; `terminal.Terminal` is the one for people.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from .progress import Progress, SilentProgress

if TYPE_CHECKING:
    from pydantic import SecretStr

_log = logging.getLogger(__name__)


class Interaction(Progress, Protocol):
    """Shows progress and warnings and answers questions: a person, or a program."""

    @property
    def may_ask(self) -> bool:
        """Say whether questions can be answered."""

    def warn(self, message: str) -> None:
        """Show one line that must not be missed."""

    def confirm(self, question: str) -> bool:
        """Ask a yes or no question; False where nobody can answer."""

    def ask(self, question: str, default: str) -> str:
        """Ask for a line of text. Call it only where `may_ask` is true."""

    def ask_secret(self, question: str) -> SecretStr:
        """Ask for a secret, without echo. Call it only where `may_ask` is true."""


class NoInteraction(SilentProgress):
    """Answer no question, show no progress, and log warnings: for programs.

    A subclass that can answer questions overrides `may_ask` and the methods that ask.
    """

    @property
    def may_ask(self) -> bool:
        return False

    def warn(self, message: str) -> None:
        _log.warning("%s", message)

    def confirm(self, question: str) -> bool:
        return False

    def ask(self, question: str, default: str) -> str:
        return default

    def ask_secret(self, question: str) -> SecretStr:
        raise NotImplementedError(question)
