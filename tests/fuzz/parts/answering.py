"""A server of one answer, whatever it is asked."""

from __future__ import annotations

import contextlib
import socket
import threading


class Server:
    """Answers every connection with the same bytes, and hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            # A client whose error holds on to the connection must not keep the others waiting.
            threading.Thread(target=_answer, args=(link, self.answer), daemon=True).start()

    def close(self) -> None:
        self._listener.close()


def _answer(link: socket.socket, answer: bytes) -> None:
    """Read one request, answer it, and wait a while for the client to close the connection."""
    with link, contextlib.suppress(OSError):
        link.settimeout(5)
        asked = b""
        while not _whole(asked) and (more := link.recv(65536)):
            asked += more
        link.sendall(answer)
        link.shutdown(socket.SHUT_WR)
        link.recv(1)


def _whole(asked: bytes) -> bool:
    """Say whether a whole request is there, or a greeting of TLS, which has no end of that kind."""
    return asked.startswith(b"\x16") or b"\r\n\r\n" in asked
