"""What the fuzzed readers read from, and what each may do with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from answering import Server

from recam_deploy.errors import RecamError


@contextlib.contextmanager
def nothing_but_refusals() -> Iterator[None]:
    """What a reader may do with bad input: take it, or raise one of our errors with a message."""
    try:
        yield
    except RecamError as error:
        assert error.message


@dataclass(frozen=True)
class Rig:
    """What the readers read from: a folder for files, and a server for replies."""

    folder: Path
    server: Server
