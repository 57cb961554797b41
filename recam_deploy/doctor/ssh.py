"""Check the SSH login: the host key, the methods that the camera accepts, the user, and sudo."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import SecretStr

from ..errors import CameraError, HostKeyError, RecamError, SudoError
from ..settings import CameraSettings
from ..ssh.auth import PasswordAnswer
from ..ssh.command import RemoteCommand
from ..ssh.connection import Connection, connect
from ..ssh.known_hosts import known_hosts_files, known_hosts_of
from .check import Check, fail, ok, warn

_FACTORY_USER = "recamera"


@dataclass(frozen=True)
class SshFacts:
    """The result of logging in.

    `known_keys` are the trusted fingerprints for this address, `auth_methods` those that the server
    accepts. `error` says why there is no login, `sudo_error` why there is no sudo; else None.
    """

    user: str
    known_hosts: str
    known_keys: tuple[str, ...]
    used_password: bool
    auth_methods: tuple[str, ...] = ()
    error: RecamError | None = None
    sudo_error: RecamError | None = None

    @property
    def logged_in(self) -> bool:
        """Whether there is a login."""
        return self.error is None


def look(
    camera: CameraSettings, password: PasswordAnswer, *, accept_host_key: bool
) -> tuple[SshFacts, Connection | None]:
    """Log in, and run a command under sudo; return the facts and the open connection.

    A password is used once.
    """
    path = known_hosts_files(camera)[0]
    ask = _RecordingPassword(password)
    keys: tuple[str, ...] = ()
    try:
        known, name, port = known_hosts_of(camera)
        keys = tuple(f"{key.key_type} {key.fingerprint}" for key in known.keys_for(name, port))
        connection = connect(camera, password=ask, accept_host_key=accept_host_key)
    except RecamError as error:
        return SshFacts(camera.user, str(path), keys, ask.was_asked, error=error), None
    facts = SshFacts(camera.user, str(path), keys, ask.was_asked, connection.auth_methods)
    return replace(facts, sudo_error=_sudo(connection)), connection


class _RecordingPassword:
    """Returns the password, and records that it was needed."""

    def __init__(self, password: PasswordAnswer) -> None:
        self._password = password
        self.was_asked = False

    def __call__(self) -> SecretStr | None:
        self.was_asked = True
        return self._password()


def _sudo(connection: Connection) -> RecamError | None:
    try:
        connection.sudo(RemoteCommand.of("true"))
    except CameraError as error:
        return error
    return None


def judge(facts: SshFacts | None) -> list[Check]:
    """Judge the login; `facts` is None when SSH's port does not answer."""
    if facts is None:
        return [
            warn("ssh.login", "not checked: SSH's port does not answer", "Fix network.ssh first.")
        ]
    checks = [_host_key(facts)]
    if not isinstance(facts.error, HostKeyError):
        checks.append(_login(facts))
    if facts.logged_in:
        offered = (
            ", ".join(method[:40] for method in facts.auth_methods[:8])
            or "any login without authentication"
        )
        checks += [ok("ssh.methods", f"the camera accepts {offered}"), _sudo_check(facts)]
    return checks


def _host_key(facts: SshFacts) -> Check:
    if isinstance(facts.error, HostKeyError):
        remedy = facts.error.hint
        if not facts.known_keys and "not known" in facts.error.message:
            remedy = (
                "If you expect this camera there, run the command again with --accept-host-key, "
                f"which stores the key in {facts.known_hosts}."
            )
        return fail("ssh.host_key", facts.error.message, remedy)
    if not facts.known_keys:
        return ok("ssh.host_key", f"accepted now, and stored in {facts.known_hosts}")
    return ok("ssh.host_key", f"{facts.known_keys[0]}, as in {facts.known_hosts}")


def _login(facts: SshFacts) -> Check:
    if facts.error is None:
        method = "a password" if facts.used_password else "a key"
        return ok("ssh.login", f"{facts.user} logs in with {method}")
    remedy = facts.error.hint
    if facts.user != _FACTORY_USER:
        remedy = f"The camera's factory user is {_FACTORY_USER} (--user). {remedy}"
    return fail("ssh.login", facts.error.message, remedy)


def _sudo_check(facts: SshFacts) -> Check:
    if facts.sudo_error is None:
        return ok("ssh.sudo", f"{facts.user} may run programs as root")
    remedy = facts.sudo_error.hint
    if not isinstance(facts.sudo_error, SudoError):
        remedy = "Log in there and check whether `sudo true` works."
    return fail("ssh.sudo", facts.sudo_error.message, remedy)
