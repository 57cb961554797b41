"""Check the camera itself: firmware, clock, space, memory, services, and the test binary."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..camera.checks import folder_errors, needs_root, product_errors, space_errors, tool_errors
from ..camera.deployment_plan import bytes_to_keep
from ..camera.facts import CameraFacts
from ..camera.firmware import PRO, is_pro, numbers_of, version_in
from ..camera.paths import CameraPaths
from ..camera.web_api import CameraApi, DeviceInfo
from ..errors import CameraError
from ..settings import CameraSettings
from .check import Check, fail, ok, warn

# 0.1.5 is the oldest that Seeed recommends, see its reCamera-OS change log.
_OLDEST = (0, 1, 5)
_LITTLE_BYTES = 200_000_000
_LITTLE_MEMORY = 16_000_000
_LEAST_ION = 50 << 20  # the smallest that any firmware has (0.0.7)
_CLOCK_SECONDS = 24 * 3600
_WELL = 0
_AGAIN_SECONDS = 8.0


@dataclass(frozen=True)
class WebFacts:
    """The web API's answers; `device` is None and `services` is empty when it does not answer."""

    device: DeviceInfo | None
    services: Mapping[str, int]


def look(camera: CameraSettings) -> WebFacts:
    """Ask the web API for the firmware and the services."""
    try:
        with CameraApi(camera) as api:
            services = api.services()
            if any(state != _WELL for state in services.values()):
                # The camera's watchdog may just be restarting them; it looks every six seconds.
                time.sleep(_AGAIN_SECONDS)
                services = api.services()
            return WebFacts(api.device(), services)
    except CameraError:
        return WebFacts(None, {})


def judge(
    web: WebFacts,
    facts: CameraFacts | CameraError | None,
    ion: int | None,
    camera: CameraSettings,
    now: int,
) -> list[Check]:
    """Check the camera as a deployment does, and more.

    `facts` is None without a login, an error when they could not be read. `ion` is in bytes, `now`
    in seconds since 1970. Raises SettingsError for invalid paths.
    """
    known = facts if isinstance(facts, CameraFacts) else None
    checks = [_firmware(web, known), _services(web)]
    if isinstance(facts, CameraError):
        return [*checks, _failed("camera.facts", facts)]
    if facts is None:
        return [
            *checks,
            warn(
                "camera.facts",
                "not checked: clock, space, memory and the test binary need a login",
                "Fix the SSH login first.",
            ),
        ]
    paths = CameraPaths.from_settings(camera)
    return [
        *checks,
        _clock(facts, now),
        _folders(facts, paths),
        _space(facts, camera.history),
        _memory(facts),
        _ion(ion),
        _tools(facts),
        _runner(facts),
        _libraries(facts),
    ]


def _failed(name: str, error: CameraError, remedy: str = "") -> Check:
    return fail(name, error.message, remedy or error.hint)


def _first(errors: Iterable[CameraError]) -> CameraError | None:
    """Return the error that a deployment would raise, if any."""
    return next(iter(errors), None)


def version_of(web: WebFacts, facts: CameraFacts | None) -> str:
    """Return the firmware's version; "" where it is unknown."""
    told = web.device.version if web.device else ""
    return told or (version_in(facts.firmware) if facts else "")


def _firmware(web: WebFacts, facts: CameraFacts | None) -> Check:
    name = "camera.firmware"
    product = _first(product_errors(facts)) if facts else None
    if product or (web.device and is_pro(web.device.name)):
        return fail(name, *PRO)
    version = version_of(web, facts)
    numbers = numbers_of(version)
    if not numbers:
        return warn(
            name,
            "its version is unknown",
            "Check that this is a reCamera; its web page shows the version in Settings > System.",
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
            "the web API does not report the services",
            "Fix network.http first, or restart the camera, which starts all services.",
        )
    down = [_NAMES[key] for key, state in web.services.items() if state != _WELL]
    if down:
        return fail(
            name,
            f"not running: {', '.join(down)}",
            "Wait two minutes after a start. Then restart the camera, or read its log: "
            "sudo tail -n 100 /var/log/messages.",
        )
    return ok(name, "running: " + ", ".join(_NAMES[key] for key in web.services))


def _clock(facts: CameraFacts, now: int) -> Check:
    name = "camera.clock"
    if facts.clock is None:
        return warn(name, "the camera does not report its time", "Run `date` there.")
    when = datetime.datetime.fromtimestamp(
        min(facts.clock, 253402300799), datetime.timezone.utc
    ).strftime("%Y-%m-%d %H:%M UTC")
    difference = abs(facts.clock - now)
    if difference > _CLOCK_SECONDS:
        return warn(
            name,
            f"it is {when} there, {difference / 86400:.0f} days from this machine's clock",
            "Connect it to a network with a time server, or set it there: "
            f"sudo date -s @{now}. Deploying works without, but files and logs get wrong dates.",
        )
    return ok(name, f"{when}, {difference} s from this machine's clock")


def _folders(facts: CameraFacts, paths: CameraPaths) -> Check:
    name = "camera.folders"
    error = _first(folder_errors(facts, paths))
    if error:
        return _failed(name, error)
    how = "as root" if needs_root(facts) else f"as user {facts.uid}"
    return ok(name, f"{paths.models} and {paths.work} are written to {how}")


def _space(facts: CameraFacts, history: int) -> Check:
    """Check for the space that a deployment of the smallest model needs."""
    name = "camera.space"
    disk = facts.models
    fact = f"{disk.free / 1e6:.0f} MB are free on {disk.mount or 'its disk'}"
    fact += f", of {disk.size / 1e6:.0f}" if disk.size else ""
    remedy = (
        "Remove recordings and old models there: du -k /userdata | sort -n | tail. A full "
        "/userdata keeps the camera from starting."
    )
    error = _first(space_errors(facts, new=0, old=bytes_to_keep(facts, history)))
    if error:
        return _failed(name, error, remedy)
    if disk.free < _LITTLE_BYTES:
        return warn(name, fact, remedy)
    return ok(name, fact)


def _memory(facts: CameraFacts) -> Check:
    name = "camera.memory"
    fact = f"{facts.ram_bytes / 1e6:.0f} MB of RAM are available"
    if facts.ram_bytes < _LITTLE_MEMORY:
        return warn(name, fact, "Stop flows that are not needed, or restart the camera.")
    return ok(name, fact)


def _ion(ion: int | None) -> Check:
    name = "camera.ion"
    if ion is None:
        return ok(name, f"its size is unknown; {_LEAST_ION >> 20} MiB are assumed")
    if ion < _LEAST_ION:
        return warn(
            name,
            f"{ion >> 20} MiB of memory for models",
            "Update the firmware: 0.2.1 and newer have 60 MiB.",
        )
    return ok(name, f"{ion >> 20} MiB of memory for models")


def _tools(facts: CameraFacts) -> Check:
    error = _first(tool_errors(facts))
    if error:
        hint = f"{error.hint} Or use `recam deploy --via http`, which needs no programs there."
        return _failed("camera.tools", error, hint)
    return ok("camera.tools", "the programs that deploying needs are installed")


def _runner(facts: CameraFacts) -> Check:
    name = "camera.runner"
    if facts.runner_runs:
        return ok(name, "the test binary sscma-model is installed")
    state = "is missing" if facts.runner_sha256 is None else "is not executable"
    return warn(
        name,
        f"the test binary sscma-model {state}",
        "Run `recam runner fetch`, so that `recam test` uploads it, or give one with --runner. Its "
        "path on the camera is the setting camera.runner.",
    )


def _libraries(facts: CameraFacts) -> Check:
    if facts.has_runtime:
        return ok("camera.libraries", "libcviruntime.so is in camera.library_path")
    return fail(
        "camera.libraries",
        "libcviruntime.so, which runs models, is in no folder of camera.library_path",
        "Correct camera.library_path (the camera's /etc/profile has the folders), or update the "
        "firmware.",
    )
