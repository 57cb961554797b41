"""Work for processes that notes each item as it begins, so that a test can count."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Sequence
from pathlib import Path


def note(folder: Path, item: int) -> None:
    (folder / f"{item}-{os.getpid()}-{uuid.uuid4().hex}").touch()


def notes(folder: Path) -> list[tuple[int, int]]:
    """The item and the process of each note."""
    found = (path.name.split("-") for path in folder.iterdir())
    return sorted((int(item), int(pid)) for item, pid, _ in found)


def squares(folder: Path, seconds: float, items: Sequence[int]) -> list[int]:
    for item in items:
        note(folder, item)
        time.sleep(seconds)
    return [item * item for item in items]


def squares_but_one_kills(folder: Path, deadly: int, items: Sequence[int]) -> list[int]:
    for item in items:
        note(folder, item)
        if item == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
    return [item * item for item in items]


def fails(folder: Path, items: Sequence[int]) -> list[int]:
    note(folder, items[0])
    if 0 in items:
        raise ValueError("no such picture")
    time.sleep(600)
    return []
