"""A program on the camera that runs beside what else we do there."""

from __future__ import annotations

from typing import Protocol

from .tcp import lost, reason_of

_LINE_LIMIT = 4096


class ProcessChannel(Protocol):
    """What is needed of an SSH channel; paramiko's has all of it."""

    def settimeout(self, timeout: float | None) -> None: ...
    def recv(self, nbytes: int) -> bytes: ...
    def sendall(self, s: bytes) -> None: ...


class BackgroundProcess:
    """Reads what it says, a line at a time, and lets it know that we are there."""

    def __init__(self, channel: ProcessChannel) -> None:
        self._channel = channel
        self._said = b""

    def line(self, timeout: float) -> str:
        """Its next line on stdout, without the line break; what is left of it at its end.

        Raises ConnectionFailedError when it says nothing for `timeout` seconds.
        """
        self._channel.settimeout(timeout)
        try:
            while b"\n" not in self._said and len(self._said) < _LINE_LIMIT:
                data = self._channel.recv(_LINE_LIMIT)
                if not data:
                    break
                self._said += data
        except (OSError, EOFError) as error:
            raise lost("waiting for a program", reason_of(error)) from error
        line, _, self._said = self._said.partition(b"\n")
        return line.decode("utf-8", errors="backslashreplace")

    def beat(self) -> bool:
        """Send it a sign of life; False when it is gone."""
        try:
            self._channel.sendall(b".")
        except (OSError, EOFError):
            return False
        return True
