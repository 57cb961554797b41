"""Logging in to the camera that the settings name, asking a person where one is there."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ..settings import CameraSettings, Settings
    from ..ssh.connection import Connection
    from ..terminal import Terminal


def password_of(camera: CameraSettings, terminal: Terminal) -> Callable[[], SecretStr | None]:
    """Where the camera's password comes from, once one is needed: the settings, the keyring, or a
    person, where one can be asked."""

    def password() -> SecretStr | None:
        from ..settings.keyring import stored_password

        known = camera.password
        if known is None and camera.keyring:
            known = stored_password(camera.user, str(camera.host))
        if known or not terminal.may_ask:
            return known
        with terminal.asking():
            return ask_secret(f"Password of {camera.user}@{camera.host}: ")

    return password


def open_connection(settings: Settings, terminal: Terminal, *, accept_host_key: bool) -> Connection:
    """Log in. What must be known is asked where there is a person."""
    from ..ssh.connection import connect

    def confirm(host: str, key_type: str, fingerprint: str) -> bool:
        return terminal.may_ask and typer.confirm(
            f"{host} shows a {key_type} key that is not known yet:\n  {fingerprint}\nTrust it?",
            err=True,
        )

    return connect(
        settings.camera,
        password=password_of(settings.camera, terminal),
        accept_host_key=accept_host_key,
        confirm=confirm,
    )


def ask_secret(question: str) -> SecretStr:
    """Ask a person at the terminal for something that is not shown. Raises typer.Abort."""
    from pydantic import SecretStr

    try:
        return SecretStr(getpass.getpass(question))
    except EOFError:
        raise typer.Abort from None
