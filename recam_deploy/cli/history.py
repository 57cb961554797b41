"""`recam history` and `recam rollback`: the models a camera had, and bringing one back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .error_handler import bounded
from .options.camera import WAIT_SECONDS, CameraFlags, Wait
from .options.common import AsJson, DryRun
from .options.groups import grouped

if TYPE_CHECKING:
    from ..camera.history import History


@bounded
@grouped
def history(
    camera: CameraFlags,
    as_json: AsJson = False,
) -> None:
    """Show the model that is active on the camera, and those kept from before.

    The setting `camera.history` says how many are kept (3).

    Example: recam history --host 192.168.42.1
    """
    from ..camera.history import read_history
    from ..camera.paths import CameraPaths
    from ..terminal import Terminal
    from .login import open_connection

    terminal = Terminal(as_json=as_json)
    settings = camera.settings()
    paths = CameraPaths.from_settings(settings.camera)
    with open_connection(settings, terminal, accept_host_key=camera.accept_host_key) as connection:
        found = read_history(connection, paths)
    if found.entries:
        terminal.table("", ("id", "sha256", "name", "labels", ""), _rows(found))
    terminal.result(found.as_json(), [] if found.entries else ["no model is on the camera"])


@bounded
@grouped
def rollback(
    camera: CameraFlags,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="ID",
            help="Which model: the beginning of its id, or of its sha256. (default: the last one "
            "before the active one)",
        ),
    ] = None,
    dry_run: DryRun = False,
    wait: Wait = WAIT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Bring a model back that was active before, with its class names.

    Nothing is uploaded: the camera keeps the last models. Its sha256 is checked before the switch.
    Rolling back twice brings the newer model back again.

    Example: recam rollback --host 192.168.42.1
    """
    from ..camera.deployment import apply
    from ..camera.history import plan_return, read_history
    from ..camera.paths import CameraPaths
    from ..terminal import Terminal
    from .camera_actions import at_work
    from .deploy import print_plan
    from .login import open_connection

    terminal = Terminal(as_json=as_json)
    settings = camera.settings()
    paths = CameraPaths.from_settings(settings.camera)
    keep = settings.camera.history
    with open_connection(settings, terminal, accept_host_key=camera.accept_host_key) as connection:
        if dry_run:
            found = read_history(connection, paths)
            print_plan(terminal, plan_return(found, found.choose(to), paths, keep))
            return
        with at_work(connection, settings, "rolling back", terminal, wait) as lock:
            found = read_history(connection, paths)
            entry = found.choose(to)
            done = apply(plan_return(found, entry, paths, keep), connection, terminal, lock)
    said = f"{entry.name or 'the model'} ({entry.id}) is active again: {done.active}"
    terminal.result(done.as_json(), [said, "The running flow loads it when it is next deployed."])


def _rows(found: History) -> list[tuple[str, str, str, str, str]]:
    rows = []
    for entry in found.entries:
        labels = ", ".join(entry.labels[:6]) + (" …" if len(entry.labels) > 6 else "")
        note = ""
        if entry.id == found.active:
            note = f"active, put there by {found.by}" if found.by else "active"
        rows.append((entry.id, entry.sha256[:12], entry.name, labels, note))
    return rows
