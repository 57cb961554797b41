"""Case 26: servers over TLS, trusted by their authority or by their fingerprint, or named."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from certificates import Made, make_certificate, serving_tls
from hostile_servers import reply, serving
from planted import secret

from recam_deploy.errors import CertificateError, ConnectionFailedError, SettingsError
from recam_deploy.http import HttpService
from recam_deploy.tls import Trust

SECRET = secret("a password on its way to a server")
_SEEN: list[str] = []


def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    _SEEN.append(handler.headers.get("Authorization", ""))
    reply(handler, b"{}")


def service(port: int, trust: Trust | None) -> HttpService:
    return HttpService(
        "127.0.0.1", port, "it", timeout=5, hint="Look.", trust=trust, settings="camera.node_red_"
    )


def get(port: int, trust: Trust | None) -> int:
    _SEEN.clear()
    headers = {"Authorization": SECRET}
    return service(port, trust).exchange("GET", "/", headers=headers).status


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Made:
    return make_certificate(folder, "authority", authority=True)


@pytest.fixture(scope="module")
def own(folder: Path) -> Made:
    return make_certificate(folder, "own")


@pytest.fixture(scope="module")
def own_port(own: Made) -> Iterator[int]:
    with serving_tls(answer, own) as port:
        yield port


def test_a_self_signed_certificate_is_refused_with_what_pins_it(own: Made, own_port: int) -> None:
    with pytest.raises(CertificateError, match="self-signed") as caught:
        get(own_port, Trust())
    assert f"RECAM_NODE_RED_FINGERPRINT={own.fingerprint}" in caught.value.hint
    assert "camera.node_red_ca" in caught.value.hint
    assert _SEEN == []


def test_the_pinned_certificate_is_taken_and_no_other(own: Made, own_port: int) -> None:
    assert get(own_port, Trust(fingerprint=own.fingerprint)) == 200
    other = f"{int(own.fingerprint, 16) ^ 1:064x}"
    with pytest.raises(CertificateError, match="not the pinned one") as caught:
        get(own_port, Trust(fingerprint=other))
    assert own.fingerprint in caught.value.hint
    assert _SEEN == []


def test_the_servers_own_certificate_can_be_named_as_its_authority(
    own: Made, own_port: int
) -> None:
    assert get(own_port, Trust(ca=own.file)) == 200


def test_an_authority_of_ones_own_vouches_for_its_servers_alone(
    folder: Path, authority: Made, own_port: int
) -> None:
    signed = make_certificate(folder, "signed", issuer=authority)
    with serving_tls(answer, signed) as port:
        assert get(port, Trust(ca=authority.file)) == 200
        with pytest.raises(CertificateError, match="authority that this machine does not know"):
            get(port, Trust())
    with pytest.raises(CertificateError, match="self-signed"):
        get(own_port, Trust(ca=authority.file))


@pytest.mark.parametrize("trusts", ["nobody", "its authority"])
@pytest.mark.parametrize(
    ("given", "problem"),
    [({"days": -3}, "has expired"), ({"host": "other.local"}, "another name than 127.0.0.1")],
)
def test_each_reason_is_named(
    tmp_path: Path, authority: Made, given: dict[str, int], problem: str, trusts: str
) -> None:
    signed = make_certificate(tmp_path, "signed", issuer=authority, **given)  # type: ignore[arg-type]
    trust = Trust(ca=authority.file) if trusts == "its authority" else Trust()
    with serving_tls(answer, signed) as port:
        with pytest.raises(CertificateError, match=problem):
            get(port, trust)
        assert get(port, Trust(fingerprint=signed.fingerprint)) == 200


def test_plain_http_on_a_port_with_tls_is_named(own_port: int) -> None:
    with pytest.raises(ConnectionFailedError, match="speaks TLS") as caught:
        get(own_port, None)
    assert "RECAM_NODE_RED_HTTPS=true" in caught.value.hint


def test_a_server_that_says_itself_that_it_wants_tls_is_believed(own: Made) -> None:
    """As nginx, Apache and Go do: 400 on a port that speaks TLS too; an API's 400 stays one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.file, own.key_file)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                    with link:
                        if link.recv(1, socket.MSG_PEEK) == b"G":
                            link.recv(1 << 16)
                            body = b"The plain HTTP request was sent to HTTPS port"
                            head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n"
                            link.sendall(head % len(body) + body)
                        else:
                            context.wrap_socket(link, server_side=True).close()
                except OSError:
                    if listener.fileno() < 0:
                        return

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(ConnectionFailedError, match="speaks TLS"):
            get(listener.getsockname()[1], None)

    def refuse(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        reply(handler, b'{"message": "https is no topic"}', 400)

    with serving(refuse) as port:
        assert get(port, None) == 400


def test_tls_on_a_port_with_plain_http_is_named(own: Made) -> None:
    for trust in (Trust(), Trust(fingerprint=own.fingerprint), Trust(ca=own.file)):
        with serving(answer) as port, pytest.raises(ConnectionFailedError, match="plain HTTP"):
            get(port, trust)


def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("hello")
    for name in ("none.pem", "empty.pem", "."):
        with pytest.raises(SettingsError, match="no file of certificates"):
            service(1, Trust(ca=tmp_path / name)).exchange("GET", "/")
