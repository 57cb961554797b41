"""The one door to the camera: an SSH connection, commands on it, files over it.

Nothing else imports paramiko. One connection serves a whole command; nothing is tried twice.
Every loss of the connection becomes ConnectionFailedError, whatever was under way.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.auth_handler import AuthOnlyHandler
from paramiko.message import Message
from paramiko.transport import ServiceRequestingTransport
from pydantic import SecretStr

from ..errors import ConnectionFailedError, SettingsError, SudoError
from ..progress import Step
from ..settings import CameraSettings, default_known_hosts
from . import scripts
from .auth import Keys, LockedKeyError, Login, OnePrompt, UnusableKeyError
from .background import BackgroundProcess
from .channel import pump
from .command import RemoteCommand, to_wire
from .download import fetch
from .files import SHORT_SECONDS, RemoteFiles
from .known_hosts import Confirm, HostKey, KnownHosts, preferred_types, verify
from .session import (
    SUDO_SECONDS,
    CommandSession,
    Input,
    PasswordAnswer,
    PasswordOnce,
    ProbeSession,
    Result,
    SudoMarks,
    SudoSession,
    TransferMonitor,
    conclude,
)
from .tcp import STALL_SECONDS, lost, open_socket, reason_of, silence

_GRACE_SECONDS = 6.0  # for the camera's own `timeout` to act before we close the channel
_BROKEN = (paramiko.SSHException, EOFError, OSError)


def connect(
    camera: CameraSettings,
    *,
    password: PasswordAnswer | SecretStr | None = None,
    accept_host_key: bool = False,
    confirm: Confirm | None = None,
) -> Connection:
    """Connect and log in: with the agent's keys and key files first, then the password, once.

    `password` may be a function: it is called at most once, when a password is really needed
    (for logging in or, later, for sudo). `confirm` is asked about an unknown host key.

    Raises ConnectionFailedError, HostKeyError (before anything secret is sent), or
    AuthenticationError; SettingsError when no camera is named or the key file cannot be used.
    """
    if not camera.host:
        raise SettingsError(
            "no camera is named", "Give --host, for example --host 192.168.42.1 over USB."
        )
    silence("paramiko")
    login: Login[paramiko.PKey] = Login(camera.host, camera.user, PasswordOnce(password))
    keys = Keys(camera.key, _load_key, _agent_keys)
    transport = _open(camera, accept_host_key, confirm)
    try:
        if not login.with_keys(_ParamikoBackend(transport, camera.user), keys):
            if not transport.is_active():
                # Each refused key counts as a failure, and servers hang up after a few.
                transport = _open(camera, accept_host_key, confirm)
            login.with_password(_ParamikoBackend(transport, camera.user), keys.notes)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(5)
    return Connection(transport, camera, login)


def _open(camera: CameraSettings, accept: bool, confirm: Confirm | None) -> _Transport:
    """A connection whose host key has been checked, and that nobody has logged in on."""
    host, port = str(camera.host), camera.port
    known = KnownHosts.read((camera.known_hosts or default_known_hosts()).expanduser())
    link = open_socket(host, port, camera.timeout)
    try:
        transport = _Transport(link)
        transport.banner_timeout = transport.handshake_timeout = camera.timeout
        transport.auth_timeout = max(camera.timeout, SHORT_SECONDS)
        options = transport.get_security_options()
        # One pass over each byte instead of two, to encrypt it and to sign it.
        options.ciphers = sorted(options.ciphers, key=lambda name: "-gcm@" not in name)
        options.key_types = preferred_types(options.key_types, known.keys_for(host, port))
        transport.start_client(timeout=camera.timeout)
        offered = transport.get_remote_server_key()
    except _BROKEN as error:
        link.close()
        raise ConnectionFailedError(
            f"{host} port {port} answers, but not as an SSH server should: {reason_of(error)}",
            "Check the address and the port; a camera that is just starting needs a minute.",
        ) from error
    try:
        key = HostKey(offered.get_name(), offered.asbytes())
        verify(known, host, port, key, accept=accept, confirm=confirm)
    except BaseException:
        transport.close()
        raise
    return transport


class _AuthHandler(AuthOnlyHandler):
    """The library's own makes the event that an answer sets only after it has asked: it misses a
    quick answer, and waits in vain (paramiko 3.4 to 5.1). Here it stands ready before."""

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
        """Whatever the library sets comes too late."""


class _Transport(ServiceRequestingTransport):
    def get_auth_handler(self) -> AuthOnlyHandler:
        return _AuthHandler(self)


class _ParamikoBackend:
    """Log in over one connection, as `auth.AuthBackend`.

    The transport is the kind that asks for the login service once: paramiko's plain one asks
    again before each attempt, which asyncssh's server takes for a breach of the protocol.
    """

    def __init__(self, transport: _Transport, user: str) -> None:
        self._transport = transport
        self._user = user

    @property
    def hung_up(self) -> bool:
        return not self._transport.is_active()

    def methods(self) -> tuple[str, ...]:
        with _losing("logging in"):
            self._request_service()
            try:
                return tuple(self._transport.auth_none(self._user))
            except paramiko.BadAuthenticationType as error:
                return tuple(error.allowed_types)
            except paramiko.AuthenticationException:
                return ("publickey", "password")

    def _request_service(self) -> None:
        """Ask for the login service; the library itself would wait for ever for the answer."""

        def ask() -> None:
            with contextlib.suppress(*_BROKEN):  # `hung_up` tells
                self._transport.ensure_session()

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        until = time.monotonic() + SHORT_SECONDS
        while thread.is_alive():
            thread.join(0.01)
            if self.hung_up or time.monotonic() > until:
                raise EOFError("the server does not let anyone log in")

    def try_key(self, key: paramiko.PKey) -> tuple[str, ...] | None:
        try:
            return tuple(self._transport.auth_publickey(self._user, key))
        except _BROKEN:
            return None  # refused, or hung up after too many: `hung_up` tells

    def try_password(self, way: str, password: SecretStr) -> tuple[str, ...] | None:
        try:
            with _losing("logging in"):
                if way == "password":
                    plain = password.get_secret_value()
                    left = self._transport.auth_password(self._user, plain, fallback=False)
                else:
                    left = self._transport.auth_interactive(self._user, OnePrompt(password))
                return tuple(left)
        except (paramiko.AuthenticationException, ValueError) as error:
            if "transport shut down" in str(error):
                # Nothing was said of the password: it may be as right as can be.
                raise lost("logging in", "it hung up while it checked the password") from error
            return None


def _load_key(path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    except (TypeError, paramiko.PasswordRequiredException) as error:
        raise LockedKeyError from error
    except (ValueError, UnsupportedAlgorithm, paramiko.pkey.UnknownKeyType, *_BROKEN) as error:
        raise UnusableKeyError(reason_of(error)) from error


def _agent_keys() -> Iterator[paramiko.PKey]:
    try:
        agent = paramiko.Agent()
    except _BROKEN:
        return  # SSH_AUTH_SOCK names an agent that is gone
    with contextlib.closing(agent):
        yield from agent.get_keys()


class Connection(RemoteFiles):
    """A camera we are logged in to; a context manager that ends the connection.

    Every method raises ConnectionFailedError when the connection is lost, and CameraError when a
    program there fails, does not end in time, or prints without end.
    """

    def __init__(
        self, transport: paramiko.Transport, camera: CameraSettings, login: Login[paramiko.PKey]
    ) -> None:
        self._transport = transport
        self._camera = camera
        self._password = login.password
        self.ways_in = login.offered
        self._known_abilities: tuple[int, tuple[str, ...]] | None = None  # until the first command

    @property
    def host(self) -> str:
        """The camera's address, as messages name it."""
        return str(self._camera.host)

    def close(self) -> None:
        """End the connection; nothing if it is gone."""
        self._transport.close()

    def run(
        self,
        command: RemoteCommand,
        *,
        timeout: float = SHORT_SECONDS,
        stdin: Input = b"",
        check: bool = True,
        monitor: TransferMonitor | None = None,
    ) -> Result:
        """Run a program to its end, with no terminal.

        After `timeout` seconds the camera's own `timeout` ends it, and the channel is closed
        shortly after in any case. With `check`, an exit status other than 0 raises CameraError.
        `monitor` is told how much has gone and come.
        """
        kind = CommandSession if self._known_abilities else ProbeSession
        session = kind(stdin, timeout=timeout + _GRACE_SECONDS, monitor=monitor)
        limit = self._known_abilities[1] if self._known_abilities else ()
        limited = session.limited(command, limit, timeout)
        status = self._converse(limited, session, _doing(command, monitor))
        try:
            return conclude(session, command, status, timeout, check)
        finally:
            self._known_abilities = self._known_abilities or session.abilities

    def sudo(
        self,
        command: RemoteCommand,
        *,
        timeout: float = SHORT_SECONDS,
        stdin: Input = b"",
        check: bool = True,
        monitor: TransferMonitor | None = None,
    ) -> Result:
        """Run a program as root, otherwise as `run` does.

        The password goes to sudo's stdin when sudo asks for it, in one line, once; a sudo that
        asks for none never gets it. Raises SudoError when sudo refuses or does not answer.
        """
        user, limit = self._abilities()
        if user == 0:
            return self.run(command, timeout=timeout, stdin=stdin, check=check, monitor=monitor)
        marks = SudoMarks()
        seconds = timeout + _GRACE_SECONDS
        session = SudoSession(marks, self._password, stdin, timeout=seconds, monitor=monitor)
        wrapped = marks.wrap(command.under(*scripts.limited(limit, timeout)))
        # The outer limit ends a sudo that hangs before it has become root.
        outer = scripts.limited(limit, timeout + SUDO_SECONDS + _GRACE_SECONDS)
        status = self._converse(wrapped.under(*outer), session, _doing(command, monitor))
        if status is None and not session.passed:
            raise SudoError(
                f"sudo on the camera did not finish asking within {SUDO_SECONDS:.0f} s",
                "Log in there and see whether `sudo true` works.",
            )
        refusal = session.refusal(self._camera.user)
        if refusal:
            raise refusal
        return conclude(session, command, status, timeout, check)

    @contextlib.contextmanager
    def attend(self, command: RemoteCommand) -> Iterator[BackgroundProcess]:
        """Run a program for as long as the block runs; its stdin ends with the block.

        It has a few seconds to end by itself then.
        """
        with _losing(f"running {command.name}"):
            channel = self._transport.open_session(timeout=SHORT_SECONDS)
            channel.settimeout(STALL_SECONDS)
            try:
                channel.exec_command(to_wire(command.render()))
            except BaseException:
                channel.close()
                raise
        try:
            yield BackgroundProcess(channel)
        finally:
            with contextlib.suppress(*_BROKEN):
                channel.shutdown_write()
            until = time.monotonic() + _GRACE_SECONDS
            while not channel.exit_status_ready() and time.monotonic() < until:
                time.sleep(0.01)
            channel.close()

    def download(
        self, path: PurePosixPath, local: Path, *, limit: int, step: Step | None = None
    ) -> int:
        """Fetch a file over scp; see `RemoteFiles.download`."""
        with _losing(f"fetching {path.name}"):
            return fetch(self._transport, path, local, limit, step)

    @property
    def uid(self) -> int:
        """Our user id there."""
        return self._abilities()[0]

    def _abilities(self) -> tuple[int, tuple[str, ...]]:
        """Our user id there, and the words that put a time limit on a command."""
        while self._known_abilities is None:
            self.run(RemoteCommand.of("true"))
        return self._known_abilities

    def _converse(self, command: RemoteCommand, session: CommandSession, doing: str) -> int | None:
        """The exit status, -1 for a signal; None when the time was up and we ended it.

        A camera that does not answer at all is lost: nothing more is asked of it.
        """
        try:
            status = self._hear_out(command, session, doing)
            if status is None:
                end = RemoteCommand.script(scripts.END, str(session.pid or ""))
                if self._hear_out(end, CommandSession(timeout=_GRACE_SECONDS), doing) is None:
                    raise lost(doing, "the camera does not answer")
        except ConnectionFailedError:
            self.close()
            raise
        return status

    def _hear_out(self, command: RemoteCommand, session: CommandSession, doing: str) -> int | None:
        """The exit status, -1 for a signal; None when the time was up first."""
        with _losing(doing):
            channel = self._transport.open_session(timeout=min(session.timeout, SHORT_SECONDS))
            try:
                channel.exec_command(to_wire(session.announced(command).render()))
                finished = pump(channel, session)
                status = channel.exit_status
            finally:
                channel.close()
        if finished and status == -1 and not self._transport.is_active():
            raise lost(doing)
        return status if finished else None


def _doing(command: RemoteCommand, monitor: TransferMonitor | None) -> str:
    return (monitor and monitor.doing) or f"running {command.name}"


@contextlib.contextmanager
def _losing(doing: str) -> Iterator[None]:
    """Turn every way in which a connection ends into ConnectionFailedError."""
    try:
        yield
    except paramiko.AuthenticationException:
        raise
    except _BROKEN as error:
        raise lost(doing, reason_of(error)) from error
