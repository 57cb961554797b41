"""A TCP proxy on loopback that passes bytes on as a slower, longer link would.

Linux's own shaping (`tc`, netem) takes root and a kernel module that containers lack; this takes
neither. It runs in a process of its own, so that it takes no turns from a Python client.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

_CHUNK = 8192
_SOCKET_BUFFER = 128 * 1024  # else the kernel's own would hide the link's pace from the sender
_QUEUED_CHUNKS = 32  # what a router in between would hold


@dataclass(frozen=True)
class Shape:
    """A link that passes `rate` bytes a second each way, each byte `delay` seconds late each way
    (so that a round trip takes twice that)."""

    rate: float
    delay: float


@contextlib.contextmanager
def shaped(port: int, shape: Shape) -> Iterator[int]:
    """A port of loopback behind which lies `port`, at the other end of such a link."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, port, shape), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(told: Connection, port: int, shape: Shape) -> None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    told.send(listener.getsockname()[1])
    while True:
        client, _ = listener.accept()
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER)
        server.connect(("127.0.0.1", port))
        for source, target in ((client, server), (server, client)):
            target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Direction(source, target, shape).start()


class _Direction:
    """One direction of a connection: a chunk leaves after those before it, and arrives later."""

    def __init__(self, source: socket.socket, target: socket.socket, shape: Shape) -> None:
        self._source = source
        self._target = target
        self._shape = shape
        self._under_way: queue.Queue[tuple[float, bytes]] = queue.Queue()

    def start(self) -> None:
        for work in (self._take_in, self._hand_on):
            threading.Thread(target=work, daemon=True).start()

    def _take_in(self) -> None:
        free_at = 0.0
        data = b"-"
        while data:
            try:
                data = self._source.recv(_CHUNK)
            except OSError:
                data = b""
            free_at = max(free_at, time.monotonic()) + len(data) / self._shape.rate
            self._under_way.put((free_at + self._shape.delay, data))
            # A sender is held up once the queue before the link is full.
            ahead = free_at - time.monotonic() - _QUEUED_CHUNKS * _CHUNK / self._shape.rate
            if ahead > 0:
                time.sleep(ahead)

    def _hand_on(self) -> None:
        while True:
            due, data = self._under_way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if not data:
                    self._target.shutdown(socket.SHUT_WR)
                    return
                self._target.sendall(data)
            except OSError:
                return
