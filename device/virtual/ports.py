"""Ports on the loopback: those of a camera, or those of the last run, else whatever is free."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
from pathlib import Path

from .layout import HOST, SetupError, write_private

CAMERA_PORTS = {
    "ssh": 22,
    "http": 80,
    "node-red": 1880,
    "mqtt": 1883,
    "video": 8080,
    "preview": 8090,
}
"""Where the camera's services listen: ``sscma.service`` of solutions/supervisor, and camera.cpp
and model.cpp of solutions/sscma-node for the two websockets, in sscma-example-sg200x."""


class Ports:
    """Numbers by service name, kept in a file from run to run.

    Given an ``address``, services listen there on the camera's own ports; without one on
    127.0.0.1, where each gets the port of the last run, or a free one.
    """

    def __init__(self, file: Path, address: str | None = None) -> None:
        self._file = file
        self._fixed = CAMERA_PORTS if address else {}
        self._numbers: dict[str, int] = {}
        self.host = address or HOST
        with contextlib.suppress(OSError, ValueError, AttributeError):
            saved = json.loads(file.read_text(encoding="utf-8"))
            self._numbers = {str(name): int(port) for name, port in saved.items()}

    def bind(self, name: str, asked: int = 0) -> socket.socket:
        """Bind a socket that does not listen yet, to the port ``asked`` for or the camera's own.

        Without either to the last run's port, or a free one. Raises SetupError when a certain port
        cannot be had.
        """
        wanted = asked or self.fixed(name)
        try:
            bound = _bound(self.host, wanted or self._numbers.get(name, 0))
        except OSError as error:
            if wanted or error.errno == errno.EADDRNOTAVAIL:
                raise self.refusal(wanted, error) from error
            bound = _bound(self.host, 0)
        if not self._fixed:
            self._remember(name, bound.getsockname()[1])
        return bound

    def choose(self, name: str, asked: int = 0) -> int:
        """Name such a port, free at this moment, for another program to listen on."""
        with self.bind(name, asked) as bound:
            port: int = bound.getsockname()[1]
            return port

    def fixed(self, name: str) -> int:
        """Tell the camera's own port where there is an address for it, else 0."""
        return self._fixed.get(name, 0)

    def refusal(self, port: int, error: OSError) -> SetupError:
        """Say why a port cannot be had, and at an address of its own what to do about it."""
        words = f"port {port} cannot be used: {os.strerror(error.errno or 0)}"
        if not self._fixed:
            return SetupError(words)
        remedy = _REMEDIES.get(error.errno or 0, "").format(host=self.host, port=port)
        return SetupError(f"{self.host} {words}{remedy}")

    def _remember(self, name: str, port: int) -> None:
        self._numbers[name] = port
        write_private(self._file, json.dumps(self._numbers, indent=2) + "\n")


_REMEDIES = {
    errno.EACCES: " (allow it: sudo sysctl -w net.ipv4.ip_unprivileged_port_start={port})",
    errno.EADDRINUSE: " (stop what listens there, `sudo ss -ltnp 'sport = :{port}'` names it, or "
    "let it listen on one address only; or choose another address)",
    errno.EADDRNOTAVAIL: " (add the address first; on macOS: sudo ifconfig lo0 alias {host})",
}


def _bound(host: str, port: int) -> socket.socket:
    """Bind by number. Raises OSError when another socket listens there.

    The kernel takes a port that it chose itself away again from a socket that stops to listen.
    """
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port or _free(host)))
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound


def _free(host: str) -> int:
    with socket.socket() as chosen:
        chosen.bind((host, 0))
        port: int = chosen.getsockname()[1]
        return port
