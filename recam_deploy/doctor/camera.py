"""The camera itself: firmware, clock, room, memory, services, and what a test run takes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from ..camera.web_api import CameraApi, DeviceInfo
from ..errors import CameraError
from ..settings import CameraSettings
from .camera_facts import CameraFacts
from .check import Check, fail, ok, warn

# 0.1.5 is the oldest that Seeed recommends, see its reCamera-OS change log.
_OLDEST = (0, 1, 5)
_RESERVE_BYTES = 50_000_000  # as deploying keeps free
_LITTLE_BYTES = 200_000_000
_LITTLE_MEMORY = 16_000_000
_LEAST_ION = 50 << 20  # the smallest that any firmware has (0.0.7)
_CLOCK_SECONDS = 24 * 3600
_WELL = 0


@dataclass(frozen=True)
class WebFacts:
    """What the web API tells; `device` is None, and `services` are empty, when it does not."""

    device: DeviceInfo | None
    services: Mapping[str, int]


def look(camera: CameraSettings) -> WebFacts:
    """Ask the web API for the firmware and the services."""
    try:
        with CameraApi(camera) as api:
            return WebFacts(api.device(), api.services())
    except CameraError:
        return WebFacts(None, {})


def judge(web: WebFacts, facts: CameraFacts | None, ion: int | None, now: int) -> list[Check]:
    """What to say of the camera; `facts` are None where there is no login, `now` is the time."""
    checks = [_firmware(web, facts), _services(web)]
    if facts is None:
        return [
            *checks,
            warn(
                "camera.facts",
                "not looked at: clock, space, memory and the test binary need a login",
                "Mend the SSH login first.",
            ),
        ]
    more = (_clock(facts, now), _space(facts), _memory(facts), _ion(ion), _tools(facts))
    return [*checks, *more, _runner(facts), _libraries(facts)]


def _firmware(web: WebFacts, facts: CameraFacts | None) -> Check:
    name = "camera.firmware"
    version = (web.device.version if web.device else "") or (facts.firmware if facts else "")
    numbers = tuple(int(part) for part in version.split(".") if part.isdecimal() and len(part) < 5)
    if not numbers:
        return warn(
            name,
            "its version is not told",
            "See whether this is a reCamera, and its web page, Settings > System.",
        )
    if numbers < _OLDEST:
        return warn(
            name,
            f"version {version}, older than {'.'.join(map(str, _OLDEST))}",
            "Update it on the camera's web page, Settings > System.",
        )
    return ok(name, f"version {version}")


_NAMES = {"sscmaNode": "the model service", "nodeRed": "Node-RED"}


def _services(web: WebFacts) -> Check:
    name = "camera.services"
    if not web.services:
        return warn(
            name,
            "the web API does not tell how the services do",
            "Mend network.http first; restarting the camera starts all of them.",
        )
    down = [_NAMES[key] for key, state in web.services.items() if state != _WELL]
    if down:
        return fail(
            name,
            f"not running: {', '.join(down)}",
            "Wait two minutes after a start; then restart the camera, or see its log: "
            "sudo logread.",
        )
    return ok(name, "running: " + ", ".join(_NAMES[key] for key in web.services))


def _clock(facts: CameraFacts, now: int) -> Check:
    name = "camera.clock"
    if facts.clock is None:
        return warn(name, "the camera does not tell the time", "Look at `date` there.")
    when = datetime.datetime.fromtimestamp(
        min(facts.clock, 253402300799), datetime.timezone.utc
    ).strftime("%Y-%m-%d %H:%M UTC")
    away = abs(facts.clock - now)
    if away > _CLOCK_SECONDS:
        return warn(
            name,
            f"it is {when} there, {away / 86400:.0f} days from this machine's clock",
            "Connect it to a network with a time server, or set it there: "
            f"sudo date -s @{now}. Deploying does without, but files and logs get wrong dates.",
        )
    return ok(name, f"{when}, {away} s from this machine's clock")


def _space(facts: CameraFacts) -> Check:
    name = "camera.space"
    if facts.free is None:
        return warn(name, "the camera does not tell its free space", "Look at `df` there.")
    seen = f"{facts.free / 1e6:.0f} MB are free on {facts.mount or 'its disk'}"
    seen += f", of {facts.disk / 1e6:.0f}" if facts.disk else ""
    remedy = (
        "Remove recordings and old models there: du -k /userdata | sort -n | tail. A full "
        "/userdata keeps the camera from starting."
    )
    if facts.free < _RESERVE_BYTES:
        return fail(name, f"{seen}; {_RESERVE_BYTES / 1e6:.0f} MB must stay free", remedy)
    if facts.free < _LITTLE_BYTES:
        return warn(name, seen, remedy)
    return ok(name, seen)


def _memory(facts: CameraFacts) -> Check:
    name = "camera.memory"
    if facts.memory is None:
        return warn(name, "the camera does not tell its free memory", "Look at `free` there.")
    seen = f"{facts.memory / 1e6:.0f} MB of RAM are available"
    if facts.memory < _LITTLE_MEMORY:
        return warn(name, seen, "Stop flows that are not needed, or restart the camera.")
    return ok(name, seen)


def _ion(ion: int | None) -> Check:
    name = "camera.ion"
    if ion is None:
        return ok(name, f"its size is not told; {_LEAST_ION >> 20} MiB are taken for it")
    if ion < _LEAST_ION:
        return warn(
            name,
            f"{ion >> 20} MiB of memory for models",
            "Update the firmware: 0.2.1 and newer have 60 MiB.",
        )
    return ok(name, f"{ion >> 20} MiB of memory for models")


def _tools(facts: CameraFacts) -> Check:
    if facts.missing:
        return fail(
            "camera.tools",
            f"programs are missing: {', '.join(facts.missing)}",
            "Update the camera's firmware; `recam deploy --via http` needs none of them.",
        )
    return ok("camera.tools", "the programs that deploying uses are there")


def _runner(facts: CameraFacts) -> Check:
    name = "camera.runner"
    if facts.runner == "present":
        return ok(name, "the test binary sscma-model is there")
    seen = "is not there" if facts.runner == "absent" else "cannot be run"
    return warn(
        name,
        f"the test binary sscma-model {seen}",
        "Run `recam runner fetch`: `recam test` then brings it along; or give one with --runner. "
        "Its place is the setting camera.runner.",
    )


def _libraries(facts: CameraFacts) -> Check:
    if facts.has_runtime:
        return ok("camera.libraries", "libcviruntime.so is where the settings say")
    return fail(
        "camera.libraries",
        "libcviruntime.so, which runs models, is in none of the folders named",
        "Correct camera.library_path (the camera's /etc/profile has the folders), or update the "
        "firmware.",
    )
