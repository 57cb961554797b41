"""Connect to a camera over SSH; run commands, with sudo or without, and transfer files.

A command of recam uses one connection. Nothing is retried: every loss of the connection raises
ConnectionFailedError.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from pydantic import SecretStr

from ..errors import AuthenticationError, ConnectionFailedError, SettingsError
from ..progress import Step
from ..settings import CameraSettings
from .auth import PasswordAnswer, PasswordOnce, SshLogin
from .background import BackgroundProcess
from .command import RemoteCommand, to_wire
from .download import fetch
from .greeting import Link
from .keys import Keys
from .known_hosts import Confirm
from .session import (
    GRACE_SECONDS,
    SHORT_SECONDS,
    CommandSession,
    Input,
    ProbeSession,
    Result,
    TransferMonitor,
)
from .sudo import SudoSession
from .tcp import STALL_SECONDS, connection_lost, reason_of
from .transport import (
    BROKEN,
    BaseTransport,
    Key,
    ParamikoBackend,
    Transport,
    agent_keys,
    identity,
    load_key,
    open_transport,
    open_tunnel,
)
from .upload import Chunk, upload

logger = logging.getLogger(__name__)


def connect(
    camera: CameraSettings,
    *,
    password: PasswordAnswer | SecretStr | None = None,
    accept_host_key: bool = False,
    confirm: Confirm | None = None,
    on_silence: Callable[[], None] | None = None,
) -> Connection:
    """Connect and log in: offer the keys of files and agent first, then the password once.

    `password` may be a function: it is called at most once, when a password is needed (to log in
    or, later, for sudo). `confirm` is asked whether to trust an unknown host key. `on_silence` is
    called when the port does not answer for a moment. Jump hosts get keys only.

    Raises ConnectionFailedError, HostKeyError (before anything secret is sent), or
    AuthenticationError; SettingsError when no camera is named or the key file cannot be used.
    """
    if not camera.host:
        raise SettingsError(
            "no camera is named", "Give --host, for example --host 192.168.42.1 over USB."
        )
    began = time.monotonic()
    logger.debug("connecting to %s port %d", camera.host, camera.port)
    with contextlib.ExitStack() as stack:
        jump = _jump(camera, accept_host_key, confirm)
        if jump:
            stack.enter_context(jump)

        def open_one() -> Transport:
            link = jump.tunnel(camera) if jump else None
            transport = open_transport(camera, accept_host_key, confirm, link, on_silence)
            stack.callback(transport.close)
            return transport

        once = PasswordOnce(password)
        login: SshLogin[Key] = SshLogin(camera.host, camera.user, once, camera.port)
        transport = _log_in(camera, login, open_one)
        stack.pop_all()
    transport.set_keepalive(5)
    logger.info("logged in as %s, %.3f s", camera.user, time.monotonic() - began)
    return Connection(transport, camera, login, jump)


def _log_in(
    camera: CameraSettings, login: SshLogin[Key], open_one: Callable[[], Transport]
) -> Transport:
    """Log in over one connection, or several: servers hang up after a few refused keys."""

    def reopen() -> ParamikoBackend:
        try:
            return ParamikoBackend(open_one(), camera.user)
        except ConnectionFailedError as error:
            raise login.shut_out(error) from error

    backend = ParamikoBackend(open_one(), camera.user)
    agent = functools.partial(agent_keys, camera.ssh.agent)
    chosen = Keys(camera, load_key, agent, identity)
    keys = iter(chosen)
    while not login.with_keys(backend, keys):
        if login.may_go_on(backend):
            backend = reopen()
            continue
        if backend.closed_by_server:
            login.left_untried(sum(1 for _ in keys))
            backend = reopen()
        login.with_password(backend, chosen.notes)
        break
    return backend.transport


def _jump(camera: CameraSettings, accept: bool, confirm: Confirm | None) -> Connection | None:
    """Log in to the last jump host before a camera, through those before it; None without one."""
    if not camera.ssh.jumps:
        return None
    *before, last = camera.ssh.jumps
    reached = last.with_ssh(dataclasses.replace(last.ssh, jumps=tuple(before)))
    try:
        return connect(reached, accept_host_key=accept, confirm=confirm)
    except ConnectionFailedError as error:
        raise ConnectionFailedError(
            f"the jump host of {camera.ssh.alias}: {error.message}",
            f"Try it alone: ssh {last.user}@{last.ssh.alias} -p {last.port}",
        ) from error
    except AuthenticationError as error:
        raise AuthenticationError(
            f"the jump host {error.message}",
            "recam logs in to a jump host with a key only: add yours to the SSH agent (ssh-add), "
            "or name it there as IdentityFile in ~/.ssh/config.",
        ) from error


class Connection:
    """An SSH login on a camera; a context manager that closes it.

    Every method raises ConnectionFailedError when the connection is lost, and CameraError when a
    program there fails, does not end in time, or prints too much. `auth_methods` are those that the
    server accepts.
    """

    def __init__(
        self,
        transport: BaseTransport,
        camera: CameraSettings,
        login: SshLogin[Key],
        jump: Connection | None = None,
    ) -> None:
        self._transport = transport
        self._jump = jump
        self._camera = camera
        self._password = login.password
        self.auth_methods = login.offered
        self._known_abilities: tuple[int, tuple[str, ...]] | None = None  # until the first command

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def host(self) -> str:
        """The camera's address, for messages."""
        return str(self._camera.host)

    @property
    def server_version(self) -> str:
        """The SSH server's own name and version, as it sent them."""
        return str(self._transport.remote_version)

    def close(self) -> None:
        """Close the connection; do nothing when it is closed."""
        if self._transport.is_active():
            logger.info("disconnected from %s", self.host)
        self._transport.close()
        if self._jump:
            self._jump.close()

    def tunnel(self, camera: CameraSettings) -> Link:
        """Connect from this host to a camera's SSH server. Raises ConnectionFailedError."""
        return open_tunnel(self._transport, camera)

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

        The camera's own `timeout` ends it after `timeout` seconds; where that fails, the channel
        is closed a few seconds later. With `check`, raises CameraError for an exit status other
        than 0. `monitor` follows the bytes that are sent and received.
        """
        if self._known_abilities:
            limit = self._known_abilities[1]
            session = CommandSession(command, stdin, seconds=timeout, limit=limit, monitor=monitor)
        else:
            session = ProbeSession(command, stdin, seconds=timeout, monitor=monitor)
        try:
            return self._execute(session, check)
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

        The password is written to sudo's stdin once, and only when sudo asks for it. Raises
        SudoError when sudo refuses or does not answer.
        """
        user, limit = self._abilities()
        if user == 0:
            return self.run(command, timeout=timeout, stdin=stdin, check=check, monitor=monitor)
        session = SudoSession(
            command,
            self._camera.user,
            self._password,
            stdin,
            seconds=timeout,
            limit=limit,
            monitor=monitor,
        )
        return self._execute(session, check)

    @contextlib.contextmanager
    def run_in_background(self, command: RemoteCommand) -> Iterator[BackgroundProcess]:
        """Run a program beside the block; close its stdin when the block ends.

        It then has GRACE_SECONDS to end by itself before its channel is closed.
        """
        line, described = to_wire(command.render()), command.described()
        try:
            channel = self._transport.open_session(timeout=SHORT_SECONDS)
            channel.settimeout(STALL_SECONDS)
            try:
                channel.exec_command(line)
            except BaseException:
                channel.close()
                raise
        except BROKEN as error:
            raise connection_lost(f"running {command.name}", reason_of(error)) from error
        logger.info("%s: runs in the background", described)
        began = time.monotonic()
        try:
            yield BackgroundProcess(channel)
        finally:
            with contextlib.suppress(*BROKEN):
                channel.shutdown_write()
            until = time.monotonic() + GRACE_SECONDS
            while not channel.exit_status_ready() and time.monotonic() < until:
                time.sleep(0.01)
            status = channel.recv_exit_status() if channel.exit_status_ready() else "none"
            channel.close()
            spent = time.monotonic() - began
            logger.info("%s: exit code %s, %.3f s", described, status, spent)

    def upload(
        self, data: bytes, path: PurePosixPath, *, mode: int = 0o644, step: Step | None = None
    ) -> int:
        """Write `data` to the file `path`, replacing it; return the number of bytes.

        `step` shows the bytes sent. Raises CameraError with the camera's own message (such as "No
        space left on device") when it cannot store them; the file is removed then. A lost
        connection leaves a part of it, so check its hash afterwards.
        """

        def write(chunk: Chunk) -> Result:
            words = (path, f"{mode:o}", str(chunk.offset), chunk.form)
            return self.run(
                RemoteCommand.script("store", *words),
                stdin=chunk.input,
                timeout=chunk.seconds,
                monitor=chunk.monitor,
            )

        upload(data, 0, write, f"uploading {path.name}", step)
        return len(data)

    def download(
        self, path: PurePosixPath, local: Path, *, limit: int, step: Step | None = None
    ) -> int:
        """Download the file `path` to `local`, replacing it in one step; return its size in bytes.

        Raises CameraError when it does not exist or is larger than `limit` bytes; `local` stays as
        it was then. The caller checks its contents.
        """
        try:
            return fetch(self._transport, path, local, limit, step)
        except BROKEN as error:
            raise connection_lost(f"downloading {path.name}", reason_of(error)) from error

    def sha256(self, path: PurePosixPath) -> str | None:
        """Hash a file on the camera: its sha256 in hex; None where there is no such file."""
        output = self.run(RemoteCommand.script("sha256", path), timeout=60).stdout.strip()
        return None if output == "absent" else output

    def exists(self, path: PurePosixPath) -> bool:
        """Return whether a file or folder of that name exists."""
        return self.run(RemoteCommand.of("test", "-e", path), check=False).ok

    def remove(self, *paths: PurePosixPath) -> None:
        """Remove files and folders, and ignore those that do not exist."""
        if paths:
            self.run(RemoteCommand.of("rm", "-rf", "--", *paths))

    def make_dir(self, path: PurePosixPath) -> None:
        """Make a folder and its parents; do nothing when it exists."""
        self.run(RemoteCommand.of("mkdir", "-p", "--", path))

    @property
    def uid(self) -> int:
        """Our user id there."""
        return self._abilities()[0]

    def _abilities(self) -> tuple[int, tuple[str, ...]]:
        """Return our user id there, and the words that put a time limit on a command."""
        while self._known_abilities is None:
            self.run(RemoteCommand.of("true"))
        return self._known_abilities

    def _execute(self, session: CommandSession, check: bool) -> Result:
        """Run a session to its end, log it, and return its result.

        The connection counts as lost when the camera does not even end a program that overran.
        """
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s started", session.described())
        ended = "failed"
        try:
            status = self._run_once(session)
            ended = "timed out and was ended" if status is None else f"exit code {status}"
            if status is None:
                end = RemoteCommand.script("end_process", str(session.pid or ""))
                ending = CommandSession(end, seconds=0, monitor=TransferMonitor(session.doing))
                if self._run_once(ending) is None:
                    raise connection_lost(session.doing, "the camera does not answer")
        except BaseException as error:
            ended = f"failed: {error or type(error).__name__}"
            if isinstance(error, ConnectionFailedError):
                self.close()
            raise
        finally:
            session.log(ended)
        return session.conclude(status, check=check)

    def _run_once(self, session: CommandSession) -> int | None:
        """Run a session once; return its exit status, -1 for a signal, None for a time-out."""
        try:
            channel = self._transport.open_session(timeout=min(session.timeout, SHORT_SECONDS))
            try:
                channel.exec_command(session.line())
                finished = session.pump(channel)
                status = channel.exit_status
            finally:
                channel.close()
        except BROKEN as error:
            raise connection_lost(session.doing, reason_of(error)) from error
        if finished and status == -1 and not self._transport.is_active():
            raise connection_lost(session.doing)
        return status if finished else None
