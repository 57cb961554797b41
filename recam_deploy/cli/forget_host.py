"""Run `recam forget-host`: forget a camera's host key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .error_handler import bounded
from .options.camera import PlaceFlags, Port, Profile
from .options.common import AsJson

if TYPE_CHECKING:
    from ..workflows.forget_host import ForgetResult


@bounded
def forget_host(
    host: Annotated[
        str | None,
        typer.Argument(
            metavar="HOST",
            help="The camera, written as for --host. (default: that of --camera, RECAM_HOST or "
            "recam.toml)",
            show_default=False,
        ),
    ] = None,
    camera: Profile = None,
    port: Port = None,
    known_hosts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The file to remove the key from. (default: the one that logging in uses)",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the keys, and remove none.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Forget the host key of a camera that was reset, updated or exchanged.

    The next login shows the new key and asks whether to trust it.

    Example: recam forget-host 192.168.42.1
    """
    from ..terminal import Terminal
    from ..workflows.forget_host import forget_host as workflow

    terminal = Terminal(as_json=as_json)
    place = PlaceFlags(host, camera).settings(more={"port": port, "known_hosts": known_hosts})
    found = workflow(place.camera, dry_run=dry_run)
    terminal.result(found.as_json(), _lines(found))


def _lines(found: ForgetResult) -> list[str]:
    lines = []
    for file in found.files:
        for number, key in file.keys:
            verb = "would be removed" if found.dry_run else "removed"
            lines.append(
                f"{verb}: {key.fingerprint} ({key.key_type}), line {number} of {file.path}"
            )
    if not found.count:
        lines.append(f"no key of {found.host} is known")
        others = [name for file in found.files for name in file.elsewhere]
        if others:
            lines.append(f"keys are known at other ports: {', '.join(others[:8])}")
    elif not found.dry_run:
        lines.append("The next login asks whether to trust the new key.")
    for path in found.users_own:
        lines.append(f"ssh uses {path} too.")
    return lines
