"""All of the doctor's work in its order: look, then judge, area by area."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from ..camera.paths import CameraPaths
from ..errors import CameraError
from ..progress import Progress
from ..settings import Settings
from ..ssh.connection import Connection
from ..ssh.session import PasswordAnswer
from . import camera as cameras
from . import camera_facts, machine, model, network, node_red, ssh
from .check import Check, Status, fail


@dataclass(frozen=True)
class Report:
    """What was found, in the order in which it is best read: each rests on those before it."""

    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing failed; warnings are allowed."""
        return not self.count(Status.fail)

    def count(self, status: Status) -> int:
        """How many checks came out so."""
        return sum(check.status is status for check in self.checks)

    def as_json(self) -> dict[str, list[dict[str, str]]]:
        """As `doctor --json` shows it."""
        return {"checks": [check.as_json() for check in self.checks]}


def examine(
    settings: Settings,
    progress: Progress,
    password: PasswordAnswer,
    *,
    accept_host_key: bool = False,
) -> Report:
    """Look at this machine and, where the settings name one, at the camera.

    Nothing on the camera is changed. `password` is called at most once, when a password is
    really needed, and what it gives is tried once. Raises SettingsError for paths that are none.
    """
    with progress.step("Looking at this machine"):
        facts = machine.look(settings.cache_dir, settings.general.toolchain)
    checks = machine.judge(facts)
    if settings.camera.host:
        checks += _camera(settings, progress, password, accept_host_key)
    return Report(tuple(checks))


def _camera(
    settings: Settings, progress: Progress, password: PasswordAnswer, accept: bool
) -> Iterator[Check]:
    camera = settings.camera
    paths = CameraPaths.from_settings(camera)
    with progress.step("Looking for the camera"):
        way = network.look(camera)
    yield from network.judge(way)
    if not way.addresses:
        return
    with ExitStack() as stack:
        connection, login = None, None
        if way.open("ssh"):
            with progress.step("Logging in"):
                login, connection = ssh.look(camera, password, accept_host_key=accept)
            if connection:
                stack.enter_context(connection)
        yield from ssh.judge(login)
        yield from _inside(settings, progress, paths, way, connection, login)


def _inside(
    settings: Settings,
    progress: Progress,
    paths: CameraPaths,
    way: network.NetworkFacts,
    connection: Connection | None,
    login: ssh.SshFacts | None,
) -> Iterator[Check]:
    camera = settings.camera
    found: camera_facts.CameraFacts | None = None
    ion: int | None = None
    with progress.step("Looking at the camera") as step:
        web = cameras.look(camera) if way.open("http") else cameras.WebFacts(None, {})
        if connection:
            try:
                found = camera_facts.look(connection, paths)
                if login and login.sudo_error is None:
                    ion = camera_facts.look_at_ion(connection)
            except CameraError as error:
                yield fail("camera.facts", error.message, error.hint)
        flow = node_red.look(camera) if way.open("node_red") else node_red.FlowFacts()
        if connection and found:
            active = model.look_over_ssh(connection, paths, found, step)
        elif way.open("http"):
            active = model.look_over_http(camera)
        else:
            active = None
    yield from cameras.judge(web, found, ion, int(time.time()))
    yield from model.judge(active, flow.nodes)
    yield from node_red.judge(flow, reachable=way.open("node_red"))
