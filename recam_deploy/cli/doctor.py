"""`recam doctor`: what keeps this machine and the camera from working together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from .error_handler import FAILED, bounded
from .options.camera import CameraFlags
from .options.common import AsJson
from .options.groups import grouped

if TYPE_CHECKING:
    from ..doctor.check import Check
    from ..doctor.examination import Report

_WORDS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@bounded
@grouped
def doctor(
    camera: CameraFlags,
    as_json: AsJson = False,
) -> None:
    """Find out what is wrong, and say how to mend it.

    Looks at this machine, the network, the login, the camera, its model and its Node-RED; without
    a camera, at this machine alone. Nothing on the camera is changed, and a password is tried
    once. Exits with 1 when anything failed; warnings do not count.

    Example: recam doctor --host 192.168.42.1
    """
    from ..doctor.examination import examine
    from ..terminal import Terminal
    from .login import password_of

    terminal = Terminal(as_json=as_json)
    settings = camera.settings(needed=False)
    report = examine(
        settings,
        terminal,
        password_of(settings.camera, terminal),
        accept_host_key=camera.accept_host_key,
    )
    terminal.result(
        report.as_json(), [*_lines(report.checks), _summary(report, bool(settings.camera.host))]
    )
    if not report.healthy:
        raise typer.Exit(FAILED)


def _lines(checks: Sequence[Check]) -> list[str]:
    """A line a check, and below it what to do."""
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
    counted = f"{len(report.checks)} checks: {failed} failed, {warned} to look at"
    return counted if saw_camera else f"{counted}; give --host to look at a camera, too"
