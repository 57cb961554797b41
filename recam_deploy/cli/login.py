"""Connecting to the camera that the settings and flags name, asking a person where one is there."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..errors import SettingsError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ..camera.remote import Remote
    from ..settings import Settings


def camera_settings(
    host: str | None, port: int | None, user: str | None, key: Path | None
) -> Settings:
    """The settings, with the camera's flags over them.

    Raises SettingsError when no camera is named at all.
    """
    from ..settings import load_settings

    settings = load_settings().with_flags(
        camera={"host": host, "port": port, "user": user, "key": key}
    )
    if not settings.camera.host:
        raise SettingsError(
            "no camera is named",
            "Give --host (192.168.42.1 over USB), set RECAM_HOST, or try `recam virtual up`.",
        )
    return settings


def open_remote(settings: Settings, *, accept_host_key: bool, as_json: bool) -> Remote:
    """Log in. Questions are asked only on a terminal, and never with --json."""
    from ..camera.remote import connect

    may_ask = sys.stdin.isatty() and not as_json

    def password() -> SecretStr | None:
        camera = settings.camera
        if camera.password or not may_ask:
            return camera.password
        return ask_secret(f"Password of {camera.user}@{camera.host}: ")

    def confirm(host: str, key_type: str, fingerprint: str) -> bool:
        return may_ask and typer.confirm(
            f"{host} shows a {key_type} key that is not known yet:\n  {fingerprint}\nTrust it?",
            err=True,
        )

    return connect(
        settings.camera, password=password, accept_host_key=accept_host_key, confirm=confirm
    )


def ask_secret(question: str) -> SecretStr:
    """Ask a person at the terminal for something that is not shown. Raises typer.Abort."""
    from pydantic import SecretStr

    try:
        return SecretStr(getpass.getpass(question))
    except EOFError:
        raise typer.Abort from None
