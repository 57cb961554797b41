"""What the tests of whole commands share."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planted import camera_folder

from recam_deploy.resources import resource

DEMO = resource("device/demo")
MODELS = Path(__file__).resolve().parents[1] / "models"

Run = Callable[..., "Ended"]
StartCamera = Callable[..., AbstractContextManager[dict[str, Any]]]


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


@contextlib.contextmanager
def running_camera(run: Run, place: Path, *words: str) -> Iterator[dict[str, Any]]:
    """Start a virtual camera in a folder; stop it at the end."""
    folder = camera_folder(place)
    started = run("virtual", "up", "--dir", folder, "--detach", "--json", *words, cwd=folder)
    assert started.code == 0, started.err + started.out
    try:
        yield started.document
    finally:
        stopped = run("virtual", "down", "--dir", folder, "--json", cwd=folder)
    assert stopped.document["stopped"]
