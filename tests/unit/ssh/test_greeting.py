"""Servers that are slow to greet, or say much before it (case 59)."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from recam_deploy.errors import ConnectionFailedError
from recam_deploy.settings import CameraSettings
from recam_deploy.ssh.connection import connect
from recam_deploy.ssh.greeting import GreetedLink

GREETING = b"SSH-2.0-slow\r\n"


@contextlib.contextmanager
def linked(speak: Callable[[socket.socket], object], seconds: float) -> Iterator[GreetedLink]:
    ours, theirs = socket.socketpair()

    def run() -> None:
        with contextlib.suppress(OSError):
            speak(theirs)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield GreetedLink(ours, seconds)
    finally:
        ours.close()
        thread.join(5)
        theirs.close()


def received(link: GreetedLink, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += link.recv(7)
    return data


def slowly(data: bytes, pause: float) -> Callable[[socket.socket], None]:
    def speak(link: socket.socket) -> None:
        for byte in data:
            link.sendall(bytes([byte]))
            time.sleep(pause)

    return speak


@pytest.mark.parametrize(
    "speak",
    [
        lambda link: link.sendall(b"welcome\r\n" * 200 + GREETING + b"rest"),
        slowly(b"hello\n\n" + GREETING + b"rest", 0.01),
        slowly(GREETING + b"rest", 0.03),
    ],
)
def test_what_comes_in_time_is_read_past_all_text_case_59(
    speak: Callable[[socket.socket], object],
) -> None:
    with linked(speak, 5) as link:
        assert received(link, len(GREETING) + 4) == GREETING + b"rest"


def test_a_byte_now_and_then_is_too_slow_case_59() -> None:
    with linked(slowly(GREETING, 0.2), 0.5) as link:
        with pytest.raises(OSError, match="no greeting within"):
            link.recv(10)
        assert link.too_slow


@pytest.mark.parametrize(
    ("speak", "problem"),
    [
        (lambda link: link.close(), "closed the connection"),
        (lambda link: (link.sendall(b"HTTP/1.1 400\r\n"), link.close()), "something else"),
        (lambda link: [link.sendall(b"x" * 4096) for _ in range(40)], "something else"),
        (lambda link: [link.sendall(b"x\n" * 4096) for _ in range(400)], "something else"),
    ],
)
def test_another_server_is_told_from_a_slow_one_case_59(
    speak: Callable[[socket.socket], object], problem: str
) -> None:
    with linked(speak, 5) as link:
        with pytest.raises(OSError, match=problem):
            link.recv(10)
        assert not link.too_slow


def test_a_silent_server_is_called_too_slow_case_59() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        camera = CameraSettings(host="127.0.0.1", port=server.getsockname()[1], timeout=0.5)
        with pytest.raises(ConnectionFailedError, match="answers too slowly") as caught:
            connect(camera)
    assert "RECAM_TIMEOUT" in caught.value.hint
