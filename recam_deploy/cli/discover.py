"""`recam discover`: which cameras there are, and how to reach them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .error_handler import bounded
from .options.common import AsJson

if TYPE_CHECKING:
    from ..discovery.cameras import FoundCamera


_NOT_FOUND = (
    "no camera was found",
    "Connect one over USB (192.168.42.1), or to this network, and give it two minutes to start; "
    "some networks keep mDNS from passing. `recam doctor --host ADDRESS` says more.",
)


@bounded
def discover(
    seconds: Annotated[
        float | None,
        typer.Option(min=0.1, max=60, help="How long to listen for announcements. (default: 3)"),
    ] = None,
    interface: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Ask by mDNS only on the network interface that has this address. (default: all)",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find the cameras near this machine.

    Asks the local network by mDNS, and looks at the address that a camera has over USB
    (192.168.42.1) and on its own access point (192.168.16.1). Nothing is sent to any of them but
    a short connection and the question for its name.

    Example: recam discover --json
    """
    from ..discovery.cameras import candidates, look
    from ..discovery.mdns import Announced, browse
    from ..errors import ConnectionFailedError
    from ..settings import load_settings
    from ..terminal import Terminal

    terminal = Terminal(as_json=as_json)
    settings = load_settings().with_flags(discover={"seconds": seconds, "interface": interface})
    where = settings.discover
    announced: tuple[Announced, ...] = ()
    with terminal.step("Listening for cameras", "s") as step:
        try:
            announced = browse(where.seconds, where.interface, step)
        except ConnectionFailedError as error:
            terminal.warn(f"{error.message}. {error.hint}")
        places = candidates(announced, where, settings.camera)
        step.update(note="knocking at their ports")
        found = look(places, settings.camera, where.connect_timeout)
    if found:
        terminal.table("", ("name", "host", "via", "services"), _rows(found))
    terminal.result(
        {"cameras": [camera.as_json() for camera in found]}, [] if found else _NOT_FOUND
    )


def _rows(found: list[FoundCamera]) -> list[tuple[str, str, str, str]]:
    return [
        (
            camera.name or "?",
            camera.host,
            camera.via,
            ", ".join(f"{name} {port}" for name, port in camera.services.items()),
        )
        for camera in found
    ]
