"""The door to HTTP holds against a server that means no good."""

from __future__ import annotations

import socket
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hostile_servers import reply, serving
from planted import keep, secret

from recam_deploy.errors import CameraApiError, ConnectionFailedError, InterruptedExchangeError
from recam_deploy.http import HttpService, Part, Reply


def service(port: int, timeout: float = 5.0) -> HttpService:
    return HttpService("127.0.0.1", port, "it", timeout=timeout, hint="Look.")


def test_an_answer_is_given_back_as_it_is() -> None:
    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        reply(handler, handler.command.encode() + b" " + body, 418)

    with serving(answer) as port:
        assert service(port).exchange("POST", "/x", body=b"hello") == Reply(418, b"POST hello")


def test_a_form_is_sent_as_browsers_do() -> None:
    seen: list[tuple[str, bytes]] = []

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        seen.append((handler.headers["Content-Type"], body))
        reply(handler, b"")

    with serving(answer) as port:
        service(port).exchange("POST", "/", form=(Part("a", b"1"), Part("f", b"\x00", "m.bin")))
    kind, body = seen[0]
    assert kind.startswith("multipart/form-data; boundary=")
    assert b'name="a"\r\n\r\n1\r\n' in body
    assert b'name="f"; filename="m.bin"\r\n\r\n\x00\r\n' in body


def test_redirects_are_not_followed() -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        asked.append(handler.path)
        reply(handler, b"", 307, Location="/elsewhere")

    with serving(answer) as port, pytest.raises(CameraApiError, match="redirects"):
        service(port).exchange("GET", "/here")
    assert asked == ["/here"]


def test_an_endless_answer_is_cut_off() -> None:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            pass

    with serving(answer) as port, pytest.raises(CameraApiError, match="more than the 1000000"):
        service(port).exchange("GET", "/", limit=1_000_000)


def test_a_compressed_answer_is_not_unpacked() -> None:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        reply(handler, b"\x1f\x8b", Content_Encoding="gzip")

    with serving(answer) as port, pytest.raises(CameraApiError, match="did not ask for"):
        service(port).exchange("GET", "/")


def test_an_answer_that_ends_too_soon_is_an_error() -> None:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    with serving(answer) as port, pytest.raises(InterruptedExchangeError, match="was lost"):
        service(port).exchange("GET", "/")


def test_a_body_that_drips_is_given_up() -> None:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        try:
            for _i in range(100):
                handler.wfile.write(b"x")
                time.sleep(0.1)
        except OSError:
            pass

    with serving(answer) as port, pytest.raises(InterruptedExchangeError, match=r"0\.5 s"):
        service(port, timeout=0.5).exchange("GET", "/")


def test_what_is_no_http_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        import threading

        def talk() -> None:
            link, _ = listener.accept()
            with link:
                link.sendall(b"SSH-2.0-OpenSSH_9.0\r\n")

        threading.Thread(target=talk, daemon=True).start()
        with pytest.raises(ConnectionFailedError):
            service(listener.getsockname()[1]).exchange("GET", "/")


def test_a_closed_port_and_an_unknown_name_were_never_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionFailedError, match="refused") as caught:
        service(port).exchange("GET", "/")
    assert not isinstance(caught.value, InterruptedExchangeError)
    assert caught.value.hint == "Look."
    for host in ("no-such-host.invalid", "a b", "x" * 300, "ü\u0000"):
        unknown = HttpService(host, 80, "it", timeout=5, hint="Look.")
        with pytest.raises(ConnectionFailedError):
            unknown.exchange("GET", "/")


def test_neither_proxies_nor_netrc_are_consulted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A camera must not be sent the passwords of whoever runs this."""
    entry = f"machine 127.0.0.1 login me password {secret('a password in .netrc')}\n"
    keep(tmp_path / ".netrc", entry)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    seen: list[str | None] = []

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        seen.append(handler.headers.get("Authorization"))
        reply(handler, b"")

    with serving(answer) as port:
        service(port).exchange("GET", "/")
    assert seen == [None]
