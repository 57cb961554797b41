"""Run `recam history` and `recam rollback`: list a camera's models, and restore an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..workflows import WAIT_SECONDS
from .error_handler import bounded
from .options.camera import CameraFlags, Wait
from .options.common import AsJson, DryRun, Force
from .options.groups import grouped

if TYPE_CHECKING:
    from ..camera.history import History


@bounded
@grouped
def history(
    camera: CameraFlags,
    as_json: AsJson = False,
) -> None:
    """Show the model that is active on the camera, and the earlier ones that it keeps.

    The setting `camera.history` is how many earlier models are kept. (default: 3)

    Example: recam history --host 192.168.42.1
    """
    from ..camera.history import read_history
    from ..terminal import Terminal
    from ..workflows.deploy import open_camera

    terminal = Terminal(as_json=as_json)
    settings = camera.settings()
    with open_camera(settings, terminal, accept_host_key=camera.accept_host_key) as context:
        found = read_history(context.connection, context.paths)
    if found.entries:
        terminal.table("", ("id", "sha256", "name", "labels", ""), _rows(found))
    terminal.result(found.as_json(), [] if found.entries else ["the camera has no model"])


@bounded
@grouped
def rollback(
    camera: CameraFlags,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="ID",
            help="The model: the first characters of its id or sha256. (default: the one before "
            "the active one)",
        ),
    ] = None,
    force: Force = False,
    dry_run: DryRun = False,
    wait: Wait = WAIT_SECONDS,
    as_json: AsJson = False,
) -> None:
    """Make an earlier model, with its class names, the active one again.

    Nothing is uploaded: the camera keeps the last models. The model's sha256 is checked first.
    Rolling back twice restores the newer model.

    Example: recam rollback --host 192.168.42.1
    """
    from ..terminal import Terminal
    from ..workflows.deploy import open_camera, plan_rollback, roll_back
    from .deploy import print_plan

    terminal = Terminal(as_json=as_json)
    settings = camera.settings()
    with open_camera(settings, terminal, accept_host_key=camera.accept_host_key) as context:
        if dry_run:
            print_plan(terminal, plan_rollback(context, to, force=force))
            return
        done, title = roll_back(context, to, wait=wait, force=force)
    lines = [
        f"{title} is active again: {done.active}",
        "The running flow loads it when it is next deployed: `recam flow push` does that.",
    ]
    terminal.result(done.as_json(), lines)


def _rows(found: History) -> list[tuple[str, str, str, str, str]]:
    rows = []
    for entry in found.entries:
        labels = ", ".join(entry.labels[:6]) + (" …" if len(entry.labels) > 6 else "")
        note = ""
        if entry.id == found.active:
            note = f"active, deployed by {found.by}" if found.by else "active"
        if entry.rejected:
            note = ", ".join(filter(None, (note, "failed recam's check")))
        if entry.accuracy:
            note = ", ".join(filter(None, (note, entry.accuracy.words())))
        rows.append((entry.id, entry.sha256[:12], entry.name, labels, note))
    return rows
