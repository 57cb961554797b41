"""An interaction that keeps the warnings."""

from __future__ import annotations

from recam_deploy.interaction import NoInteraction


class Listener(NoInteraction):
    """Keep the warnings, in order."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)
