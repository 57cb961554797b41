"""Ports on the loopback: those of the last run first, else whatever is free."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path

from .layout import HOST, SetupError, write_private


class Ports:
    """Numbers by service name, kept in a file from run to run."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._numbers: dict[str, int] = {}
        with contextlib.suppress(OSError, ValueError, AttributeError):
            saved = json.loads(file.read_text(encoding="utf-8"))
            self._numbers = {str(name): int(port) for name, port in saved.items()}

    def previous(self, name: str) -> int:
        """The port of the last run, 0 when there is none."""
        return self._numbers.get(name, 0)

    def remember(self, name: str, port: int) -> None:
        self._numbers[name] = port
        write_private(self._file, json.dumps(self._numbers, indent=2) + "\n")

    def bind(self, name: str, asked: int = 0) -> socket.socket:
        """A socket bound to the port asked for, else to the last run's, else to a free one;
        it does not listen yet. Raises SetupError when the one asked for is taken."""
        if asked:
            try:
                bound = _bound(asked)
            except OSError as error:
                raise cannot_use(asked, error) from error
        else:
            try:
                bound = _bound(self.previous(name))
            except OSError:
                bound = _bound(0)
        self.remember(name, bound.getsockname()[1])
        return bound

    def choose(self, name: str, asked: int = 0) -> int:
        """The number of such a port, free at this moment, for another program to listen on."""
        with self.bind(name, asked) as bound:
            port: int = bound.getsockname()[1]
            return port


def cannot_use(port: int, error: OSError) -> SetupError:
    return SetupError(f"port {port} cannot be used: {os.strerror(error.errno or 0)}")


def _bound(port: int) -> socket.socket:
    """Bound by number: the kernel takes a port that it chose itself away again from a socket
    that stops to listen. Raises OSError when another socket listens there."""
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port or _free()))
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound


def _free() -> int:
    with socket.socket() as chosen:
        chosen.bind((HOST, 0))
        port: int = chosen.getsockname()[1]
        return port
