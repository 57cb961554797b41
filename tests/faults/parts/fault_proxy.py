"""A TCP proxy that can cut, stall or damage what goes through it, and counts it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_CHUNK = 16384


@dataclass
class Faults:
    """What is to go wrong on one connection; numbers count its bytes in that direction.

    `cut_after` and `flip_at` are of the bytes to the server, `cut_back_after` of those from it.
    With `reset` what is under way is lost as well, else it still arrives. `rate` is how many bytes
    a second pass to the server; 0 is as many as can.
    """

    cut_after: int | None = None
    cut_back_after: int | None = None
    flip_at: int | None = None
    reset: bool = True
    rate: float = 0.0


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
        self._links: dict[socket.socket, socket.socket] = {}
        self._ending: list[socket.socket] = []
        self._guard = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._listener.close()
        self.cut_all()
        for link in self._ending:
            link.close()

    def cut_all(self, reset: bool = True) -> None:
        """End every connection at once. With `reset` the server loses what it has not read yet;
        without, it reads to the end of what has come, as after a cable was pulled."""
        with self._guard:
            links, self._links = self._links, {}
        self.cuts += bool(links)
        for client, server in links.items():
            _reset(client)
            if reset:
                _reset(server)
            else:
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_WR)
                self._ending.append(server)

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
                server.settimeout(None)
            except OSError:
                return
            self.connections += 1
            for link in (client, server):
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._guard:
                self._links[client] = server
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
                    self.cut_all(faults.reset)
                    return
                if forward and faults.flip_at is not None:
                    data = _flipped(data, faults.flip_at - passed)
                target.sendall(data)
                if forward and faults.rate:
                    time.sleep(len(data) / faults.rate)
                passed += len(data)
                self._count(len(data), forward)
        if not self._stalled.is_set():
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)

    def _count(self, count: int, forward: bool) -> None:
        with self._guard:
            if forward:
                self.bytes_to_server += count
            else:
                self.bytes_back += count


def _reset(link: socket.socket) -> None:
    """Close without lingering, which the other end sees as a reset."""
    with contextlib.suppress(OSError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
    link.close()


def _flipped(data: bytes, offset: int) -> bytes:
    if not 0 <= offset < len(data):
        return data
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]
