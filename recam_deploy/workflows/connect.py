"""Log in to the camera that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ..errors import ConnectionFailedError, PortClosedError
    from ..interaction import Interaction
    from ..settings import CameraSettings, Settings
    from ..ssh.connection import Connection


def password_source(
    camera: CameraSettings, interaction: Interaction
) -> Callable[[], SecretStr | None]:
    """Return a function that gets the password from the settings, the keyring, or a prompt.

    The SSH library calls it only when a password is needed.
    """

    def password() -> SecretStr | None:
        from ..settings.keyring import stored_password

        known = camera.password
        if known is None and camera.keyring:
            known = stored_password(camera.user, str(camera.host))
        if known or not interaction.may_ask:
            return known
        return interaction.ask_secret(f"Password of {camera.user}@{camera.host}: ")

    return password


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

    try:
        return connect(
            settings.camera,
            password=password_source(settings.camera, interaction),
            accept_host_key=accept_host_key,
            confirm=confirm,
        )
    except PortClosedError as error:
        raise _ssh_error(settings.camera, error) from error


def _ssh_error(camera: CameraSettings, error: PortClosedError) -> ConnectionFailedError:
    """Return an error that says why SSH does not answer, if the camera's web API knows."""
    from ..camera.web_api import ssh_enabled
    from ..errors import ConnectionFailedError

    enabled = ssh_enabled(camera)
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
        f"Switch it on: http://{camera.host}/#/security (Settings > Security). "
        "`recam deploy --via http` needs no SSH.",
    )
