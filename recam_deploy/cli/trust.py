"""Run `recam trust`: allow this folder's recam.toml to say where passwords are sent."""

from __future__ import annotations

from typing import Annotated

import typer

from .error_handler import bounded
from .options.camera import Profile
from .options.common import AsJson


@bounded
def trust(
    profile: Profile = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Take the permission back: ask again next time.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Allow the recam.toml in this folder to say where passwords are sent.

    Where such a file names the camera, and you do not, a password of RECAM_PASSWORD, of the keyring
    or for Node-RED is only sent there once you have allowed it. A command that needs it asks you;
    where nobody can answer, this one allows it. What the file says of the camera is remembered by
    its hash: after a change you are asked again.

    Example: recam trust
    """
    from ..errors import SettingsError
    from ..settings import load_settings
    from ..terminal import Terminal

    terminal = Terminal(as_json=as_json)
    camera = load_settings(camera=profile).camera
    file = camera.local
    if file is None:
        raise SettingsError(
            "there is no recam.toml in this folder that needs to be trusted",
            "A file that RECAM_SETTINGS names is trusted anyway; so is that in ~/.config/recam.",
        )
    if forget:
        file.forget()
    else:
        file.trust()
    word = "is no longer trusted" if forget else "is trusted"
    where = f": it names {camera.user}@{camera.host}" if file.host else ""
    terminal.result(
        {"file": str(file.path), "host": camera.host, "trusted": not forget},
        [f"{file.path} {word}{where}"],
    )
