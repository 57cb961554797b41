"""The door to HTTP holds against a server that means no good."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hostile_servers import reply, serving
from planted import keep, secret
from websockets.sync.server import serve

from recam_deploy.errors import CameraApiError, ConnectionFailedError, InterruptedExchangeError
from recam_deploy.http import HttpService, Part, Reply
from recam_deploy.live.preview import PreviewSource


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


def _link_local() -> str:
    """An IPv6 address of this machine that needs a scope, as a camera's on a USB cable does."""
    try:
        lines = Path("/proc/net/if_inet6").read_text().split("\n")
    except OSError:
        lines = []
    found = [line.split() for line in lines if line.startswith("fe80")]
    if not found:
        pytest.skip("no network interface here has a link-local IPv6 address")
    packed, *_, name = found[0]
    return f"{ipaddress.IPv6Address(bytes.fromhex(packed))}%{name}"


class _SixServer(ThreadingHTTPServer):
    address_family = socket.AF_INET6


@pytest.mark.parametrize("scoped", [False, True])
def test_an_ipv6_camera_is_reached_with_its_scope(scoped: bool) -> None:
    """Found on the way to the cases: mDNS gives fe80::…%usb0 for a camera on a USB cable."""
    host = _link_local() if scoped else "::1"
    named: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            named.append(self.headers["Host"])
            reply(self, b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with _SixServer(("::", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        port = server.server_address[1]
        answer = HttpService(host, port, "it", timeout=5, hint="").exchange("GET", "/")
        server.shutdown()
        thread.join(5)
    assert answer == Reply(200, b"{}")
    assert named == [f"[{host.partition('%')[0]}]:{port}"]


def test_the_preview_of_an_ipv6_camera_is_reached_with_its_scope() -> None:
    host = _link_local()
    with socket.create_server(("::", 0), family=socket.AF_INET6) as listening:
        server = serve(lambda link: link.send('{"code": 0}'), sock=listening)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with PreviewSource(host, listening.getsockname()[1], timeout=5) as source:
            source.open()
        server.shutdown()
        thread.join(5)
