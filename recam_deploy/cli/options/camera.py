"""Define the flags that choose a camera and say how to log in, grouped in dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from ...errors import SettingsError
from .effects import NODE_RED, refuse_useless
from .numbers import number

if TYPE_CHECKING:
    from ...settings import Settings

_ASK_FLAG = "--nodered-token"
_PANEL = "Camera"

Wait = Annotated[
    float,
    typer.Option(
        **number("wait", "SECONDS"),
        help="How long to wait for another recam that holds the camera's lock.",
        rich_help_panel=_PANEL,
    ),
]

Host = Annotated[
    str | None,
    typer.Option(
        help="The camera's name or address, for instance 192.168.42.1 over USB "
        "or recamera.local; user@host:port and the names in ~/.ssh/config work too. "
        "(or RECAM_HOST)",
        rich_help_panel=_PANEL,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--camera",
        metavar="NAME",
        # The backslash keeps rich from taking the table's name for markup.
        help="A camera in recam.toml: --camera porch is the table \\[camera.porch], with its own "
        "password in RECAM_PASSWORD_PORCH. (or RECAM_CAMERA)",
        rich_help_panel=_PANEL,
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        **number("camera.port", "PORT"),
        help="Its SSH port. (or RECAM_PORT; default: 22)",
        rich_help_panel=_PANEL,
    ),
]
User = Annotated[
    str | None,
    typer.Option(
        help="The user to log in as. (or RECAM_USER; default: recamera)",
        rich_help_panel=_PANEL,
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        help="A private key file, used besides the SSH agent and ~/.ssh/id_*. The password is "
        "never a flag: it comes from RECAM_PASSWORD, the system keyring or a prompt.",
        rich_help_panel=_PANEL,
    ),
]
AcceptHostKey = Annotated[
    bool,
    typer.Option(
        "--accept-host-key",
        help="Trust the host key of a new camera. A changed key is still refused.",
        rich_help_panel=_PANEL,
    ),
]
NoderedUser = Annotated[
    str | None,
    typer.Option(
        "--nodered-user",
        help="The user of Node-RED, where it requires a login. The password is never a flag: it "
        "comes from RECAM_NODERED_PASSWORD or a prompt. (or RECAM_NODERED_USER)",
        rich_help_panel=_PANEL,
    ),
]
NoderedToken = Annotated[
    bool,
    typer.Option(
        _ASK_FLAG,
        help="Ask for an access token to Node-RED; it is never given on the command line. "
        "(or RECAM_NODERED_TOKEN)",
        rich_help_panel=_PANEL,
    ),
]
NodeRedRoot = Annotated[
    str | None,
    typer.Option(
        "--node-red-root",
        metavar="PATH",
        help="The path before Node-RED's own, as its httpAdminRoot or a proxy sets it: /admin. "
        "(or RECAM_NODE_RED_ROOT)",
        rich_help_panel=_PANEL,
    ),
]
NodeRedHttps = Annotated[
    bool | None,
    typer.Option(
        "--node-red-https/--node-red-http",
        help="Speak TLS with Node-RED, or plain HTTP. (or RECAM_NODE_RED_HTTPS; default: HTTP)",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
NodeRedCa = Annotated[
    Path | None,
    typer.Option(
        "--node-red-ca",
        metavar="FILE",
        help="Certificates (PEM) that sign Node-RED's; implies TLS. (or RECAM_NODE_RED_CA)",
        rich_help_panel=_PANEL,
    ),
]
NodeRedFingerprint = Annotated[
    str | None,
    typer.Option(
        "--node-red-fingerprint",
        metavar="SHA256",
        help="The SHA-256 of the one certificate to accept of Node-RED; implies TLS. "
        "(or RECAM_NODE_RED_FINGERPRINT)",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class PlaceFlags:
    """Which camera, as one value; see `groups.grouped`."""

    host: Host = None
    profile: Profile = None

    def settings(
        self,
        login: NodeRedFlags | None = None,
        more: Mapping[str, Any] | None = None,
        *,
        needed: bool = True,
    ) -> Settings:
        """Load the settings of that camera; these flags, those of `login`, and `more` override.

        Raises SettingsError for wrong settings, and when no camera is named although one is
        `needed`; UsageError for a flag of `login` that has no effect.
        """
        from ...settings import CameraSettings, load_settings
        from ...workflows.connect import with_ssh_config

        flags = {name: v for name, v in vars(self).items() if name in CameraSettings.model_fields}
        flags |= more or {}
        if login:
            flags |= login.settings()
        settings = load_settings(camera=self.profile, flags=flags)
        if login:
            token = login.nodered_token or settings.camera.node_red_token is not None
            refuse_useless(NODE_RED, {"token": token})
        if needed and not settings.camera.host:
            raise SettingsError(
                "no camera is named",
                "Give --host (192.168.42.1 over USB) or --camera, or set RECAM_HOST; `recam "
                "discover` finds cameras, and `recam virtual up` starts a virtual one.",
            )
        return with_ssh_config(settings)


@dataclass(frozen=True)
class CameraFlags(PlaceFlags):
    """Which camera, and how to log in to it over SSH."""

    port: Port = None
    user: User = None
    key: Key = None
    accept_host_key: AcceptHostKey = False


@dataclass(frozen=True)
class NodeRedFlags:
    """How to reach the camera's Node-RED, and how to log in where it requires a login."""

    nodered_user: NoderedUser = None
    nodered_token: NoderedToken = False
    node_red_root: NodeRedRoot = None
    node_red_https: NodeRedHttps = None
    node_red_ca: NodeRedCa = None
    node_red_fingerprint: NodeRedFingerprint = None

    def settings(self) -> dict[str, Any]:
        """Return the settings of the camera that these flags override."""
        flags = {name: v for name, v in vars(self).items() if name.startswith("node_red_")}
        return {"node_red_user": self.nodered_user, **flags}


class NodeRedCommand(TyperCommand):
    """A command with `NodeRedFlags`: a token on its command line is refused, and not printed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if any(word == _ASK_FLAG and next_[:1] != "-" for word, next_ in pairwise(args)):
            ctx.fail(
                f"{_ASK_FLAG} takes no value, for other users can see a command line. Put it "
                "last, to be asked for the token, or set RECAM_NODERED_TOKEN."
            )
        return super().parse_args(ctx, args)
