"""Open an SSH transport, check its host key, and log in: the only module that imports paramiko.

Whatever paramiko raises for a lost connection becomes ConnectionFailedError.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.auth_handler import AuthOnlyHandler
from paramiko.message import Message
from paramiko.transport import ServiceRequestingTransport
from pydantic import SecretStr

from ..errors import ConnectionFailedError
from ..settings import CameraSettings, default_known_hosts
from .auth import LockedKeyError, OnePrompt, UnusableKeyError
from .files import SHORT_SECONDS
from .known_hosts import Confirm, HostKey, KnownHosts, preferred_types, verify
from .tcp import connection_lost, open_socket, reason_of

logger = logging.getLogger(__name__)

Key = paramiko.PKey
BaseTransport = paramiko.Transport
BROKEN = (paramiko.SSHException, EOFError, OSError)
"""What paramiko raises when a connection has ended."""


def open_transport(camera: CameraSettings, accept: bool, confirm: Confirm | None) -> Transport:
    """Connect and check the host key, without logging in.

    `accept` and `confirm` decide about an unknown key. Raises ConnectionFailedError or
    HostKeyError.
    """
    host, port = str(camera.host), camera.port
    known = KnownHosts.read((camera.known_hosts or default_known_hosts()).expanduser())
    link = open_socket(host, port, camera.timeout)
    try:
        transport = Transport(link)
        transport.banner_timeout = transport.handshake_timeout = camera.timeout
        transport.auth_timeout = max(camera.timeout, SHORT_SECONDS)
        options = transport.get_security_options()
        # GCM encrypts and authenticates in one pass over the data, others take two.
        options.ciphers = sorted(options.ciphers, key=lambda name: "-gcm@" not in name)
        options.key_types = preferred_types(options.key_types, known.keys_for(host, port))
        transport.start_client(timeout=camera.timeout)
        offered = transport.get_remote_server_key()
    except BROKEN as error:
        link.close()
        raise ConnectionFailedError(
            f"{host} port {port} does not answer as an SSH server: {reason_of(error)}",
            "Check the address and the port. A camera that is just starting needs a minute.",
        ) from error
    try:
        key = HostKey(offered.get_name(), offered.asbytes())
        logger.info(
            "connected to %s port %d: server %s, host key %s, cipher %s",
            host,
            port,
            transport.remote_version,
            offered.get_name(),
            transport.local_cipher,
        )
        verify(known, host, port, key, accept=accept, confirm=confirm)
    except BaseException:
        transport.close()
        raise
    return transport


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
    def closed_by_server(self) -> bool:
        return not self._transport.is_active()

    def methods(self) -> tuple[str, ...]:
        with as_connection_failed("logging in"):
            self._request_service()
            try:
                return tuple(self._transport.auth_none(self._user))
            except paramiko.BadAuthenticationType as error:
                return tuple(error.allowed_types)
            except paramiko.AuthenticationException:
                return ("publickey", "password")

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
            with as_connection_failed("logging in"):
                if method == "password":
                    plain = password.get_secret_value()
                    left = self._transport.auth_password(self._user, plain, fallback=False)
                else:
                    left = self._transport.auth_interactive(self._user, OnePrompt(password))
                return tuple(left)
        except (paramiko.AuthenticationException, ValueError) as error:
            if "transport shut down" in str(error):
                # The server gave no verdict on the password.
                raise connection_lost(
                    "logging in", "the server closed it during the password check"
                ) from error
            return None


def load_key(path: Path) -> Key:
    """Read a private key. Raises LockedKeyError or UnusableKeyError."""
    try:
        return paramiko.PKey.from_path(path)
    except (TypeError, paramiko.PasswordRequiredException) as error:
        raise LockedKeyError from error
    except (ValueError, UnsupportedAlgorithm, paramiko.pkey.UnknownKeyType, *BROKEN) as error:
        raise UnusableKeyError(reason_of(error)) from error


def agent_keys() -> Iterator[Key]:
    """Yield the keys of the SSH agent, if one runs."""
    try:
        agent = paramiko.Agent()
    except BROKEN:
        return  # SSH_AUTH_SOCK names an agent that is gone
    with contextlib.closing(agent):
        yield from agent.get_keys()


class _Config(paramiko.SSHConfig):
    """An ssh config whose tokens (`%h`) stay as they are: `ssh.config` replaces them.

    paramiko replaces `~` in the middle of a word too, and looks up our own name in the DNS.
    """

    TOKENS_BY_CONFIG_KEY: ClassVar[dict[str, list[str]]] = {}


def look_up_options(lines: list[str], alias: str) -> dict[str, str | list[str] | None]:
    """Return the options for a host from the lines of an ssh config; the first value counts.

    The keys are in lower case. IdentityFile has a list, `ProxyCommand none` None. Raises ValueError
    with the reason when the config cannot be used.
    """
    try:
        return dict(_Config.from_text("\n".join(lines)).lookup(alias))
    except (paramiko.SSHException, KeyError, OSError, TypeError) as error:
        raise ValueError(reason_of(error)) from error


@contextlib.contextmanager
def as_connection_failed(doing: str) -> Iterator[None]:
    """Raise ConnectionFailedError for what paramiko raises when a connection ends."""
    try:
        yield
    except paramiko.AuthenticationException:
        raise
    except BROKEN as error:
        raise connection_lost(doing, reason_of(error)) from error
