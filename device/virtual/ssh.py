"""Decide who may log in, and what a connection can ask for."""

from __future__ import annotations

import hmac
import logging
import socket
from typing import TYPE_CHECKING, Any

import asyncssh

from .commands import Commands
from .files import CameraFiles
from .layout import USER

if TYPE_CHECKING:
    from .layout import Layout

log = logging.getLogger("virtual")


class CameraLogin(asyncssh.SSHServer):
    """Password and key login of the one user. Every attempt is logged, no secret is."""

    def __init__(self, layout: Layout, methods: frozenset[str]) -> None:
        self._layout = layout
        self._methods = methods
        self._peer = "?"

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._peer = "{}:{}".format(*conn.get_extra_info("peername")[:2])
        log.info("connection from %s", self._peer)

    def connection_lost(self, exc: Exception | None) -> None:
        log.info("connection from %s closed%s", self._peer, f": {exc}" if exc else "")

    def begin_auth(self, username: str) -> bool:
        self._user = username
        keys = self._layout.authorized_keys
        if username == USER and "publickey" in self._methods and keys.is_file():
            try:
                self._connection.set_authorized_keys(str(keys))
            except (OSError, ValueError) as error:
                log.warning("authorized_keys not used: %s", error)
        return True

    def auth_completed(self) -> None:
        log.info("login of %s from %s", self._user, self._peer)

    def public_key_auth_supported(self) -> bool:
        return "publickey" in self._methods

    def password_auth_supported(self) -> bool:
        return "password" in self._methods

    def kbdint_auth_supported(self) -> bool:
        return False

    def validate_password(self, username: str, password: str) -> bool:
        expected = self._layout.password.read_bytes().rstrip(b"\n")
        right = hmac.compare_digest(password.encode(), expected)
        accepted = right and username == USER
        log.info("password for %s from %s %s", username, self._peer, "ok" if accepted else "wrong")
        return accepted


async def listen(
    layout: Layout, bound: socket.socket, commands: Commands, methods: frozenset[str]
) -> asyncssh.SSHAcceptor:
    """Start listening on a bound socket. Raises OSError when another one listens there."""

    def files(channel: asyncssh.SSHServerChannel[Any]) -> CameraFiles:
        return CameraFiles(channel, layout)

    return await asyncssh.create_server(
        lambda: CameraLogin(layout, methods),
        sock=bound,
        server_host_keys=[str(layout.host_key)],
        process_factory=commands.handle,
        sftp_factory=files,
        allow_scp=True,
        encoding=None,
        line_editor=False,
        server_version="OpenSSH_8.6 virtual-reCamera",
        login_timeout=60,
    )
