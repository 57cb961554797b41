"""Run `recam discover`: find cameras, and how to reach them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .error_handler import bounded
from .options.common import AsJson
from .options.numbers import number

if TYPE_CHECKING:
    from ..discovery.cameras import FoundCamera


_NOT_FOUND = (
    "no camera was found",
    "Connect one over USB (192.168.42.1) or to this network, and wait two minutes for it to start. "
    "Some networks block mDNS. `recam doctor --host ADDRESS` says more.",
)


@bounded
def discover(
    seconds: Annotated[
        float | None,
        typer.Option(
            **number("discover.seconds"), help="Seconds to wait for answers by mDNS. (default: 3)"
        ),
    ] = None,
    interface: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Use mDNS only on the network interface that has this address. (default: all)",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find the cameras near this machine.

    Searches the local network by mDNS, and probes the address of a camera over USB (192.168.42.1)
    and on its own access point (192.168.16.1). Only connects to ports and requests the camera's
    name; nothing is changed.

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
    with terminal.step("Searching for cameras", "s") as step:
        try:
            announced = browse(where.seconds, where.interface, step)
        except ConnectionFailedError as error:
            terminal.warn(f"{error.message}. {error.hint}")
        places = candidates(announced, where, settings.camera)
        step.update(note="probing their ports")
        found = look(places, settings.camera, where.connect_timeout)
    if found:
        terminal.table("", ("name", "host", "via", "services"), _rows(found))
    for camera in found:
        if camera.unsupported:
            terminal.warn(f"{camera.host}: {camera.unsupported}")
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
