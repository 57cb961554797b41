"""Connect through the program that ssh_config(5) calls ProxyCommand."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ConnectionFailedError, ProcessError
from ..process import start_connected


class ProxyLink:
    """The input and output of a ProxyCommand, as a socket; closing it ends the program."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start the program. Raises ConnectionFailedError."""
        self._name = command[0]
        try:
            self._program = start_connected(command)
        except ProcessError as error:
            raise ConnectionFailedError(
                f"the ProxyCommand of ~/.ssh/config: {error.message}", error.hint
            ) from error

    def recv(self, size: int) -> bytes:
        """Receive bytes, as a socket does."""
        return self._program.link.recv(size)

    def send(self, data: bytes) -> int:
        """Send bytes, as a socket does."""
        return self._program.link.send(data)

    def settimeout(self, seconds: float | None) -> None:
        """Set the time-out of a call, as for a socket."""
        self._program.link.settimeout(seconds)

    def gettimeout(self) -> float | None:
        """Return the time-out of a call."""
        return self._program.link.gettimeout()

    def close(self) -> None:
        """End the program."""
        self._program.close()

    def last_words(self) -> str:
        """Return the last line that the program wrote to stderr, for a message; "" for none."""
        line = self._program.last_line()
        return f"the ProxyCommand {self._name} says: {line}" if line else ""
