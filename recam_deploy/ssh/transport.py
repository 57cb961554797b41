"""Open an SSH transport, check its host key, and log in: the only module that imports paramiko.

Whatever paramiko raises for a lost connection (BROKEN) becomes ConnectionFailedError.
"""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from paramiko.auth_handler import AuthOnlyHandler
from paramiko.message import Message
from paramiko.transport import ServiceRequestingTransport
from pydantic import SecretStr

from ..errors import ConnectionFailedError
from ..settings import CameraSettings
from .auth import OnePrompt, OtherQuestionError
from .greeting import GreetedLink, Link
from .keys import LockedKeyError, damaged, read_key_file
from .known_hosts import Confirm, HostKey, known_hosts_of, preferred_types, verify
from .proxy import ProxyLink
from .session import SHORT_SECONDS
from .tcp import connection_lost, open_socket, reason_of, silence

logger = logging.getLogger(__name__)

Key = paramiko.PKey
BaseTransport = paramiko.Transport
BROKEN = (paramiko.SSHException, EOFError, OSError)
"""What paramiko raises when a connection has ended."""


def open_transport(
    camera: CameraSettings,
    accept: bool,
    confirm: Confirm | None,
    link: Link | None = None,
    on_silence: Callable[[], None] | None = None,
) -> Transport:
    """Connect and check the host key, without logging in.

    `accept` and `confirm` decide about an unknown key. `link` is used instead of a connection of
    our own. For `on_silence` see `open_socket`. Raises ConnectionFailedError or HostKeyError.
    """
    where = f"{camera.host} port {camera.port}"
    known, name, port = known_hosts_of(camera)
    silence("paramiko")
    link = link or _own_link(camera, on_silence)
    greeted = GreetedLink(link, camera.timeout)
    try:
        transport = Transport(greeted)  # type: ignore[arg-type]
        # The greeting has a limit of its own, and the exchange of keys as much again.
        seconds = 2 * camera.timeout
        transport.banner_timeout = transport.handshake_timeout = seconds
        transport.auth_timeout = max(camera.timeout, SHORT_SECONDS)
        options = transport.get_security_options()
        # GCM encrypts and authenticates in one pass over the data, others take two.
        options.ciphers = sorted(options.ciphers, key=lambda name: "-gcm@" not in name)
        options.key_types = preferred_types(options.key_types, known.keys_for(name, port))
        transport.start_client(timeout=seconds)
        offered = transport.get_remote_server_key()
    except BROKEN as error:
        greeted.close()
        reason = greeted.problem or reason_of(error)
        if greeted.too_slow or isinstance(error, TimeoutError):
            raise ConnectionFailedError(
                f"{where} answers too slowly: {reason}",
                "Allow more time (RECAM_TIMEOUT, the setting camera.timeout, in seconds), and "
                "check that this is the port of an SSH server.",
            ) from error
        said = link.last_words() if isinstance(link, ProxyLink) else ""
        raise ConnectionFailedError(
            f"{where} does not answer as an SSH server: {said or reason}",
            "Check the address and the port. A camera that is just starting needs a minute.",
        ) from error
    try:
        key = HostKey(offered.get_name(), offered.asbytes())
        logger.info(
            "connected to %s: server %s, host key %s, cipher %s",
            where,
            transport.remote_version,
            offered.get_name(),
            transport.local_cipher,
        )
        policy = camera.ssh.host_key_policy
        verify(known, name, port, key, accept=accept, confirm=confirm, policy=policy)
    except BaseException:
        transport.close()
        raise
    return transport


def _own_link(camera: CameraSettings, on_silence: Callable[[], None] | None) -> Link:
    if camera.ssh.proxy_command:
        return ProxyLink(camera.ssh.proxy_command)
    return open_socket(str(camera.host), camera.port, camera.timeout, on_silence)


def open_tunnel(transport: BaseTransport, camera: CameraSettings) -> Link:
    """Connect from a jump host to a camera. Raises ConnectionFailedError."""
    target = (str(camera.host), camera.port)
    try:
        return transport.open_channel(
            "direct-tcpip", target, ("127.0.0.1", 0), timeout=camera.timeout
        )
    except BROKEN as error:
        raise ConnectionFailedError(
            f"the jump host cannot reach {target[0]} port {target[1]}: {reason_of(error)}",
            "Check HostName and Port in ~/.ssh/config; the jump host resolves the name.",
        ) from error


class _AuthHandler(AuthOnlyHandler):
    """Paramiko's handler, with the event for an answer created before the request is sent.

    Paramiko (3.4 to 5.1) creates it afterwards, so it misses a quick answer and waits in vain.
    """

    _answered: threading.Event | None = None

    def send_auth_request(
        self, username: str, method: str, finish_message: Callable[[Message], None] | None = None
    ) -> list[str]:
        self._answered = threading.Event()
        return super().send_auth_request(username, method, finish_message or (lambda _: None))

    @property
    def auth_event(self) -> threading.Event | None:
        return self._answered

    @auth_event.setter
    def auth_event(self, event: threading.Event | None) -> None:
        """Ignore the event that the library sets: it comes too late."""


class Transport(ServiceRequestingTransport):
    """A transport whose login answers are never missed."""

    def get_auth_handler(self) -> AuthOnlyHandler:
        return _AuthHandler(self)


class ParamikoBackend:
    """`auth.AuthBackend` over one connection.

    The transport requests the login service once: paramiko's plain one requests it again before
    each attempt, which asyncssh's server treats as a protocol error.
    """

    def __init__(self, transport: Transport, user: str) -> None:
        self._transport = transport
        self._user = user

    @property
    def transport(self) -> Transport:
        """The connection."""
        return self._transport

    @property
    def closed_by_server(self) -> bool:
        return not self._transport.is_active()

    def methods(self) -> tuple[str, ...]:
        try:
            self._request_service()
            return tuple(self._transport.auth_none(self._user))
        except paramiko.BadAuthenticationType as error:
            return tuple(error.allowed_types)
        except paramiko.AuthenticationException:
            return ("publickey", "password")
        except BROKEN as error:
            raise connection_lost("logging in", reason_of(error)) from error

    def _request_service(self) -> None:
        """Request the login service, with a time limit, which the library does not have."""

        def ask() -> None:
            with contextlib.suppress(*BROKEN):  # `closed_by_server` shows it
                self._transport.ensure_session()

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        until = time.monotonic() + SHORT_SECONDS
        while thread.is_alive():
            thread.join(0.01)
            if self.closed_by_server or time.monotonic() > until:
                raise EOFError("the server does not let anyone log in")

    def try_key(self, key: Key) -> tuple[str, ...] | None:
        name = f"{key.get_name()} {getattr(key, 'fingerprint', '')}".strip()
        try:
            left = tuple(self._transport.auth_publickey(self._user, key))
            logger.debug("the key %s is accepted", name)
            return left
        except BROKEN as error:
            logger.debug("the key %s is not accepted: %s", name, reason_of(error))
            return None  # refused, or closed after too many: `closed_by_server` shows it

    def try_password(self, method: str, password: SecretStr) -> tuple[str, ...] | None:
        logger.debug("logging in by %s", method)
        try:
            if method == "password":
                plain = password.get_secret_value()
                return tuple(self._transport.auth_password(self._user, plain, fallback=False))
            return tuple(self._transport.auth_interactive(self._user, OnePrompt(password)))
        except OtherQuestionError:
            raise
        except (paramiko.AuthenticationException, ValueError) as error:
            if "transport shut down" in str(error):
                # The server gave no verdict on the password.
                raise connection_lost(
                    "logging in", "the server closed it during the password check"
                ) from error
            return None
        except BROKEN as error:
            if "Illegal info request" in str(error):
                # The server answered the password by asking for a new one (RFC 4252, section 8).
                raise OtherQuestionError("New password:") from error
            raise connection_lost("logging in", reason_of(error)) from error


_KINDS: tuple[tuple[type, type[Key]], ...] = (
    (rsa.RSAPrivateKey, paramiko.RSAKey),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
)


def load_key(path: Path) -> list[Key]:
    """Read a private key, and the same with the certificate beside it first, if there is one.

    Raises LockedKeyError or UnusableKeyError.
    """
    data = read_key_file(path)
    try:
        try:
            loaded: object = serialization.load_ssh_private_key(data, None)
        except ValueError:
            loaded = serialization.load_pem_private_key(data, None)
    except TypeError as error:
        raise LockedKeyError from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise damaged(path) from error
    kind = next((made for known, made in _KINDS if isinstance(loaded, known)), None)
    if kind is None:
        raise damaged(path)
    try:
        # paramiko reads no PKCS#8, and nothing with a BOM or the ends of lines of Windows.
        text = loaded.private_bytes(  # type: ignore[attr-defined]
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ).decode()
        keys = [kind.from_private_key(io.StringIO(text)) for _ in range(2)]
    except (ValueError, UnsupportedAlgorithm, *BROKEN) as error:
        raise damaged(path) from error
    try:
        keys[0].load_certificate(str(path.with_name(path.name + "-cert.pub")))
    except (ValueError, TypeError, *BROKEN):
        return keys[1:]  # none, or none of this key
    return keys


def identity(key: Key) -> bytes:
    """Return what a server knows a key by: its public half, or its certificate."""
    certificate = getattr(key, "public_blob", None)
    return bytes(certificate.key_blob) if certificate else key.asbytes()


def agent_keys(place: str = "") -> Iterator[Key]:
    """Yield the keys of the SSH agent, if one runs; for `place` see `SshOptions.agent`."""
    if place == "none":
        return
    try:
        agent = _AgentAt(place) if place else paramiko.Agent()
    except BROKEN:
        return  # the socket's agent is gone
    with contextlib.closing(agent):
        yield from agent.get_keys()


class _AgentAt(paramiko.Agent):
    """The agent behind a socket; paramiko knows that of SSH_AUTH_SOCK alone."""

    def __init__(self, path: str) -> None:
        paramiko.agent.AgentSSH.__init__(self)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(path)
            self._connect(connection)  # type: ignore[attr-defined]
        except BROKEN:
            connection.close()
            raise


class _Config(paramiko.SSHConfig):
    """An ssh config whose tokens (`%h`) stay as they are: `ssh.config` replaces them.

    paramiko replaces `~` in the middle of a word too, and looks up our own name in the DNS.
    """

    TOKENS_BY_CONFIG_KEY: dict[str, list[str]] = {}  # noqa: RUF012 - as in the base class


def look_up_options(lines: list[str], alias: str) -> dict[str, str | list[str] | None]:
    """Return the options for a host from the lines of an ssh config; the first value counts.

    The keys are in lower case. IdentityFile has a list, `ProxyCommand none` None. Raises ValueError
    with the reason when the config cannot be used.
    """
    try:
        return dict(_Config.from_text("\n".join(lines)).lookup(alias))
    except (paramiko.SSHException, KeyError, OSError, TypeError) as error:
        raise ValueError(reason_of(error)) from error
