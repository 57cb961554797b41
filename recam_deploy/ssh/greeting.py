"""Wait for an SSH server's greeting, `SSH-2.0-…`, past whatever it says before.

paramiko gives the lines after the first two seconds each, and takes a hundred of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

_MOST_BYTES = 1 << 20
_MOST_LINE = 64 * 1024
_POLL_SECONDS = 0.2


class Link(Protocol):
    """The part of a socket that paramiko uses; its own channels have it too."""

    def recv(self, size: int, /) -> bytes: ...
    def send(self, data: bytes, /) -> int: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def gettimeout(self) -> float | None: ...
    def close(self) -> None: ...


class GreetedLink:
    """A link that begins with the server's greeting; the lines before it are left out.

    The greeting may take `seconds`. Once reading has failed, `problem` says why there was none, and
    `too_slow` that the time was up. All but that is the link's own: its methods are used as they
    are, for every packet goes through them.
    """

    def __init__(self, link: Link, seconds: float) -> None:
        self._link = link
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._buffer = bytearray()
        self._skipped = 0
        self._closed = False
        self.recv: Callable[[int], bytes] = self._receive_first
        self.send = link.send
        self.settimeout = link.settimeout
        self.gettimeout = link.gettimeout
        self.too_slow = False
        self.problem = ""

    def _receive_first(self, size: int) -> bytes:
        """Wait for the greeting, return its bytes, then leave `recv` to the link.

        Raises OSError when there is none.
        """
        if not self._buffer:
            self._wait()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        if not self._buffer:
            self.recv = self._link.recv
        return data

    def close(self) -> None:
        """Close the link."""
        self._closed = True  # by this name paramiko looks for it
        self._link.close()

    def _wait(self) -> None:
        usual = self._link.gettimeout()
        try:
            self._link.settimeout(_POLL_SECONDS)
            while not self._greeting_begins():
                self._receive()
        finally:
            self._link.settimeout(usual)

    def _greeting_begins(self) -> bool:
        """Drop whole lines before the greeting; return whether it is there, whole."""
        while (end := self._buffer.find(b"\n")) >= 0:
            if self._buffer.startswith(b"SSH-"):
                return True
            self._skipped += end + 1
            del self._buffer[: end + 1]
        return False

    def _receive(self) -> None:
        if self._skipped + len(self._buffer) > _MOST_BYTES or len(self._buffer) > _MOST_LINE:
            raise self._failed("it sends something else")
        if time.monotonic() > self._until:
            self.too_slow = True
            raise self._failed(f"no greeting within {self._seconds:g} s")
        try:
            data = self._link.recv(4096)
        except TimeoutError:
            return
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from error
        if not data:
            sent = self._skipped + len(self._buffer)
            raise self._failed(
                "it sent something else and closed the connection"
                if sent
                else "it closed the connection"
            )
        self._buffer += data

    def _failed(self, problem: str) -> OSError:
        self.problem = problem
        return ConnectionError(problem)
