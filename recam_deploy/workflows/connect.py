"""Log in to the camera that the settings name."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ..errors import ConnectionFailedError, PortClosedError
    from ..interaction import Interaction
    from ..settings import CameraSettings, Settings
    from ..ssh.connection import Connection


_LEAST_SECONDS = 0.5
NODE_RED_SECRETS = ("node_red_password", "node_red_token", "node_red_basic_password")
SECRETS = ("password", *NODE_RED_SECRETS)


def password_source(
    camera: CameraSettings, interaction: Interaction
) -> Callable[[], SecretStr | None]:
    """Return a function that gets the password from the settings, the keyring, or a prompt.

    The SSH library calls it only when a password is needed.
    """

    def password() -> SecretStr | None:
        from ..settings.keyring import stored_password
        from ..ssh.auth import SourcedPassword

        known, source = camera.password, "the system's keyring"
        if known is not None:
            source = _variables(known) or "a settings file"
        elif camera.keyring:
            known = stored_password(camera.user, str(camera.host))
        if known:
            return SourcedPassword(known.get_secret_value(), source)
        if not interaction.may_ask:
            return known
        return interaction.ask_secret(f"Password of {camera.user}@{camera.host}: ")

    return password


def _variables(password: SecretStr) -> str:
    """Name the environment variable that holds the password, or those; "" where none does."""
    held = [
        name
        for name, value in os.environ.items()
        if re.fullmatch("RECAM_PASSWORD(_[A-Z0-9_]+)?", name)
        and value == password.get_secret_value()
    ]
    return " or ".join(sorted(held))


def confirm_local_file(
    camera: CameraSettings, interaction: Interaction, secrets: tuple[str, ...] = ("password",)
) -> None:
    """Ask once whether the working folder's recam.toml may say where `secrets` are sent.

    Nothing is asked when the user has named the host, or no password could be sent. Raises
    UntrustedSettingsError when the answer is no, or nobody can answer.
    """
    from ..errors import UntrustedSettingsError

    file = camera.local
    over_ssh = "password" in secrets
    by_certificate = bool(file and file.certificate and set(secrets) & set(NODE_RED_SECRETS))
    by_key = bool(file and file.known_hosts and over_ssh)
    if file is None or not (file.host or by_key or by_certificate) or file.trusted:
        return
    sent = secrets if file.host or by_key else NODE_RED_SECRETS
    stored = [name for name in sent if getattr(camera, name) and name not in file.own]
    # A password that is typed goes to the host that the prompt names, if its key is right.
    typed = file.known_hosts and interaction.may_ask
    if not (stored or (over_ssh and (camera.keyring or typed))):
        return
    names = [f"the host {camera.user}@{camera.host}"] if file.host else []
    names += [f"the known host keys in {camera.known_hosts}"] if file.known_hosts else []
    names += ["the certificate that Node-RED must have"] if by_certificate else []
    fact = f"{file.path} names {' and '.join(names)}, and a password would be sent there"
    if interaction.confirm(f"{fact}.\nTrust this file?"):
        file.trust()
        return
    name_it = "--host, RECAM_HOST" if file.host else "RECAM_KNOWN_HOSTS"
    if by_certificate and not (file.host or by_key):
        name_it = "--node-red-ca or --node-red-fingerprint"
    raise UntrustedSettingsError(
        f"{fact}; you have not named that yourself",
        f"Run `recam trust` once in this folder if it is right. Else name it yourself: {name_it}, "
        "or the whole file by RECAM_SETTINGS.",
    )


def with_ssh_config(settings: Settings) -> Settings:
    """Return the settings with what the user's `~/.ssh/config` says of the camera's host.

    Raises SettingsError when that file cannot be used.
    """
    from ..ssh.config import with_ssh_config as resolve

    return settings.model_copy(update={"camera": resolve(settings.camera)})


def open_connection(
    settings: Settings, interaction: Interaction, *, accept_host_key: bool
) -> Connection:
    """Log in over SSH; ask whether to trust an unknown host key, if questions are allowed.

    When the port does not answer, ask the camera's web API whether SSH is switched on.
    Raises CameraError, SettingsError.
    """
    from ..errors import PortClosedError
    from ..ssh.connection import connect

    def confirm(host: str, key_type: str, fingerprint: str) -> bool:
        return interaction.confirm(
            f"{host} presents an unknown {key_type} key:\n  {fingerprint}\nTrust it?"
        )

    confirm_local_file(settings.camera, interaction)
    question = _SshQuestion(settings.camera)
    try:
        return connect(
            settings.camera,
            password=password_source(settings.camera, interaction),
            accept_host_key=accept_host_key,
            confirm=confirm,
            on_silence=question.ask,
        )
    except PortClosedError as error:
        raise _ssh_error(settings.camera, error, question.answer()) from error


class _SshQuestion:
    """Asks the camera's web API whether SSH is on, while the wait for SSH's port goes on.

    Both together take no longer than `camera.timeout`.
    """

    def __init__(self, camera: CameraSettings) -> None:
        self._camera = camera
        self._until = time.monotonic() + camera.timeout
        self._enabled: bool | None = None
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Ask, if that was not done yet, and do not wait for the answer."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._ask, daemon=True)
            self._thread.start()

    def answer(self) -> bool | None:
        """Return the answer; None without one."""
        self.ask()
        if self._thread:
            self._thread.join(max(_LEAST_SECONDS, self._until - time.monotonic()))
        return self._enabled

    def _ask(self) -> None:
        from ..camera.web_api import ssh_enabled

        self._enabled = ssh_enabled(self._camera)


def _ssh_error(
    camera: CameraSettings, error: PortClosedError, enabled: bool | None
) -> ConnectionFailedError:
    """Return an error that says why SSH does not answer, if the camera's web API knows."""
    from ..errors import ConnectionFailedError

    if enabled is None:
        return error
    if enabled:
        return ConnectionFailedError(
            f"{error.message}, though SSH is switched on at the camera",
            f"Check the port ({camera.port}, the setting camera.port), and any firewall or tunnel "
            "on the way. `recam deploy --via http` needs no SSH.",
        )
    return ConnectionFailedError(
        f"SSH is switched off on the camera at {camera.host}",
        f"Switch it on: {camera.web_page}/#/security (Settings > Security). "
        "`recam deploy --via http` needs no SSH.",
    )
