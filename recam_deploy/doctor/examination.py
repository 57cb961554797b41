"""Examine all areas in order: gather facts, then judge them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from ..camera.facts import CameraFacts, gather_facts, look_at_ion
from ..camera.paths import CameraPaths
from ..errors import CameraError
from ..progress import Progress
from ..settings import Settings
from ..ssh.auth import PasswordAnswer
from ..ssh.connection import Connection
from . import camera as cameras
from . import machine, model, network, node_red, ssh
from .check import Check, Status, fail
from .record import Record


@dataclass(frozen=True)
class Report:
    """All checks, in an order in which each builds on those before it."""

    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing failed; warnings are allowed."""
        return not self.count(Status.fail)

    def count(self, status: Status) -> int:
        """Count the checks with this status."""
        return sum(check.status is status for check in self.checks)

    def as_json(self) -> dict[str, list[dict[str, str]]]:
        """Return the document of `doctor --json`."""
        return {"checks": [check.as_json() for check in self.checks]}


def examine(
    settings: Settings,
    progress: Progress,
    password: PasswordAnswer,
    *,
    accept_host_key: bool = False,
    record: Record | None = None,
) -> Report:
    """Examine this machine and, if the settings name one, the camera.

    Changes nothing on the camera. `password` is called at most once, when a password is needed,
    and its answer is used once. `record` collects further facts about the camera. Raises
    SettingsError for invalid paths.
    """
    with progress.step("Examining this machine"):
        facts = machine.look(settings.cache_dir, settings.general.toolchain)
    checks = machine.judge(facts)
    if settings.camera.host:
        checks += _camera(settings, progress, password, accept_host_key, record)
    return Report(tuple(checks))


def _camera(
    settings: Settings,
    progress: Progress,
    password: PasswordAnswer,
    accept: bool,
    record: Record | None,
) -> Iterator[Check]:
    camera = settings.camera
    paths = CameraPaths.from_settings(camera)
    with progress.step("Looking for the camera"):
        net = network.look(camera)
    yield from network.judge(net)
    if record:
        record.ports = {name: state.value for name, (_, state) in net.ports.items()}
    if not net.addresses:
        return
    with ExitStack() as stack:
        connection, login = None, None
        if net.open("ssh"):
            with progress.step("Logging in"):
                login, connection = ssh.look(camera, password, accept_host_key=accept)
            if connection:
                stack.enter_context(connection)
        yield from ssh.judge(login)
        yield from _device(settings, progress, paths, net, connection, login, record)


def _device(
    settings: Settings,
    progress: Progress,
    paths: CameraPaths,
    net: network.NetworkFacts,
    connection: Connection | None,
    login: ssh.SshFacts | None,
    record: Record | None,
) -> Iterator[Check]:
    camera = settings.camera
    facts: CameraFacts | CameraError | None = None
    ion: int | None = None
    unrecorded: CameraError | None = None
    with progress.step("Examining the camera") as step:
        web = cameras.look(camera) if net.open("http") else cameras.WebFacts(None, {})
        if connection:
            try:
                facts = gather_facts(connection, paths)
                ion = facts.ion_bytes
                if login and login.sudo_error is None:
                    ion = look_at_ion(connection, paths) or ion
            except CameraError as error:
                facts = error
        flow = node_red.look(camera) if net.open("node_red") else node_red.FlowFacts()
        if connection and isinstance(facts, CameraFacts):
            active = model.look_over_ssh(connection, paths, facts, step)
        elif net.open("http"):
            active = model.look_over_http(camera)
        else:
            active = None
        if record:
            record.web, record.services, record.node_red = web.device, web.services, flow.server
            if connection:
                may_sudo = bool(login and login.sudo_error is None)
                try:
                    record.look_inside(connection, paths, may_sudo=may_sudo)
                except CameraError as error:
                    unrecorded = error
    yield from cameras.judge(web, facts, ion, camera, int(time.time()))
    version = cameras.version_of(web, facts if isinstance(facts, CameraFacts) else None)
    yield from model.judge(active, flow.nodes, version)
    yield from node_red.judge(flow, reachable=net.open("node_red"))
    if unrecorded:
        yield fail("camera.record", unrecorded.message, unrecorded.hint)
