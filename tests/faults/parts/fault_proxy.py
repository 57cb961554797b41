"""A TCP proxy that can cut, stall or damage what goes through it, and counts it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

_CHUNK = 16384


@dataclass
class Faults:
    """What is to go wrong on one connection; numbers count its bytes in that direction.

    `cut_after` and `flip_at` are of the bytes to the server, `cut_back_after` of those from it.
    """

    cut_after: int | None = None
    cut_back_after: int | None = None
    flip_at: int | None = None


class Proxy:
    """Listens on loopback and passes on to `port`, as `faults` (asked for each connection) say."""

    def __init__(self, port: int, faults: Callable[[], Faults] = Faults) -> None:
        self._target = port
        self.faults = faults
        self.connections = 0
        self.cuts = 0
        self.bytes_to_server = 0
        self.bytes_back = 0
        self._stalled = threading.Event()
        self._links: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._listener.close()
        self.cut_all()

    def cut_all(self) -> None:
        """End every connection at once, without a farewell."""
        with self._guard:
            links, self._links = self._links, set()
        self.cuts += bool(links)
        for link in links:
            with contextlib.suppress(OSError):
                # No time to linger: the other end sees a reset.
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def stall(self) -> None:
        """Pass nothing on any more, and end nothing: what a lost radio link looks like."""
        self._stalled.set()

    def resume(self) -> None:
        """End what was stalled, and pass on again what comes from now on."""
        self.cut_all()
        self._stalled.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target), 10)
            except OSError:
                return
            self.connections += 1
            for link in (client, server):
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._guard:
                self._links |= {client, server}
            faults = self.faults()
            for source, target, forward in ((client, server, True), (server, client, False)):
                words = (source, target, faults, forward)
                threading.Thread(target=self._pump, args=words, daemon=True).start()

    def _pump(
        self, source: socket.socket, target: socket.socket, faults: Faults, forward: bool
    ) -> None:
        cut_after = faults.cut_after if forward else faults.cut_back_after
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if self._stalled.is_set():
                    continue
                if cut_after is not None and passed + len(data) > cut_after:
                    target.sendall(data[: cut_after - passed])
                    self._count(cut_after - passed, forward)
                    self.cut_all()
                    return
                if forward and faults.flip_at is not None:
                    data = _flipped(data, faults.flip_at - passed)
                target.sendall(data)
                passed += len(data)
                self._count(len(data), forward)
        if not self._stalled.is_set():
            for link in (source, target):
                with contextlib.suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)

    def _count(self, count: int, forward: bool) -> None:
        with self._guard:
            if forward:
                self.bytes_to_server += count
            else:
                self.bytes_back += count


def _flipped(data: bytes, offset: int) -> bytes:
    if not 0 <= offset < len(data):
        return data
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]
