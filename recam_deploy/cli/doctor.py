"""Run `recam doctor`: check this machine and the camera for problems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .error_handler import FAILED, bounded
from .options.camera import CameraFlags
from .options.common import AsJson
from .options.effects import DOCTOR, refuse_useless
from .options.groups import grouped

if TYPE_CHECKING:
    from ..doctor.check import Check
    from ..doctor.examination import Report

_WORDS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@bounded
@grouped
def doctor(
    camera: CameraFlags,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the camera's properties to a JSON file: versions of its system, programs "
            "and nodes, file systems, ports, clocks. It holds no password, address or serial "
            "number, so it can be attached to a bug report.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find problems of this machine and the camera, and say how to fix them.

    Checks this machine, the network, the login, the camera, its model and its Node-RED; without a
    camera, this machine alone. Changes nothing on the camera, and sends a password only once.
    Exits with 1 when a check failed; warnings do not count.

    Examples:

      recam doctor --host 192.168.42.1

      recam doctor --host 192.168.42.1 --record camera.json
    """
    from ..doctor.examination import examine
    from ..doctor.record import Record
    from ..errors import InputError
    from ..terminal import Terminal
    from ..workflows.connect import SECRETS, confirm_local_file, password_source

    terminal = Terminal(as_json=as_json)
    settings = camera.settings(needed=record is not None)
    refuse_useless(DOCTOR, {"host": settings.camera.host is not None})
    if record and not record.absolute().parent.is_dir():
        raise InputError(f"the folder {record.parent} does not exist", "Create it first.")
    if record and record.is_dir():
        raise InputError(f"{record} is a folder", "Name a file for the record.")
    confirm_local_file(settings.camera, terminal, SECRETS)
    found = Record() if record else None
    report = examine(
        settings,
        terminal,
        password_source(settings.camera, terminal),
        accept_host_key=camera.accept_host_key,
        record=found,
    )
    document: dict[str, Any] = dict(report.as_json())
    lines = _lines(report.checks)
    if record and found:
        found.write(record)
        document = {**document, "record": str(record)}
        lines.append(f"{record}: the camera's properties")
    terminal.result(document, [*lines, _summary(report, bool(settings.camera.host))])
    if not report.healthy:
        raise typer.Exit(FAILED)


def _lines(checks: Sequence[Check]) -> list[str]:
    """List each check on a line, with its remedy below."""
    from ..terminal import one_line

    shown = []
    for check in checks:
        shown.append(f"{_WORDS[check.status.value]}  {check.id:<18} {one_line(check.fact)}")
        if check.remedy:
            shown.append(f"{'':<25}-> {one_line(check.remedy)}")
    return shown


def _summary(report: Report, saw_camera: bool) -> str:
    from ..doctor.check import Status

    failed, warned = report.count(Status.fail), report.count(Status.warn)
    warnings = "1 warning" if warned == 1 else f"{warned} warnings"
    counted = f"{len(report.checks)} checks: {failed} failed, {warnings}"
    return counted if saw_camera else f"{counted}; give --host to check a camera, too"
