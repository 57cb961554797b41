"""What the tests of whole commands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recam_deploy.resources import resource

DEMO = resource("device/demo")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

Run = Callable[..., "Ended"]


@dataclass(frozen=True)
class Ended:
    """A `recam` command that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        result: dict[str, Any] = json.loads(self.out)
        return result
