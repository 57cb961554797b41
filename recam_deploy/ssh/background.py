"""Read lines from a program on the camera that runs in the background."""

from __future__ import annotations

from typing import Protocol

from .tcp import connection_lost, reason_of

_LINE_LIMIT = 4096


class ProcessChannel(Protocol):
    """The part of an SSH channel that is used here; paramiko's has all of it."""

    def settimeout(self, timeout: float | None) -> None: ...
    def recv(self, nbytes: int) -> bytes: ...
    def sendall(self, s: bytes) -> None: ...


class BackgroundProcess:
    """A running program: its output line by line, and keepalive bytes to its stdin."""

    def __init__(self, channel: ProcessChannel) -> None:
        self._channel = channel
        self._buffer = b""

    def line(self, timeout: float) -> str:
        """Read the next line of its stdout, without the line break.

        When the program ends, return what is left. Raises ConnectionFailedError when nothing comes
        for `timeout` seconds.
        """
        self._channel.settimeout(timeout)
        try:
            while b"\n" not in self._buffer and len(self._buffer) < _LINE_LIMIT:
                data = self._channel.recv(_LINE_LIMIT)
                if not data:
                    break
                self._buffer += data
        except (OSError, EOFError) as error:
            raise connection_lost("waiting for a program", reason_of(error)) from error
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("utf-8", errors="backslashreplace")

    def send_keepalive(self) -> bool:
        """Send one byte to its stdin; return False when it has ended."""
        try:
            self._channel.sendall(b".")
        except (OSError, EOFError):
            return False
        return True
