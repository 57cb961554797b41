"""From addresses where a camera may be to the cameras that answer there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ..camera.web_api import CameraApi
from ..errors import CameraError
from ..ports import Port, knock_all
from ..settings import CameraSettings, DiscoverSettings
from .mdns import Announced, printable

MDNS, USB, ACCESS_POINT = "mdns", "usb", "access-point"
_AT_ONCE = 8


@dataclass(frozen=True)
class Candidate:
    """An address where a camera may be, how it was found, and the ports to knock at."""

    host: str
    via: str
    name: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundCamera:
    """A camera that answers; `services` are the ports that are open, by service."""

    name: str
    host: str
    via: str
    services: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """As `discover --json` shows it."""
        return {
            "name": self.name,
            "host": self.host,
            "via": self.via,
            "services": dict(self.services),
        }


def candidates(
    announced: Iterable[Announced], discover: DiscoverSettings, camera: CameraSettings
) -> tuple[Candidate, ...]:
    """Where to look: the fixed addresses, under the name that is announced there, and what else
    is announced. One address may be that of several cameras, on other ports (virtual ones).
    """
    usual = {
        "ssh": camera.port,
        "http": camera.http_port,
        "mqtt": camera.mqtt_port,
        "node_red": camera.node_red_port,
    }
    fixed = {discover.usb: USB, discover.access_point: ACCESS_POINT}
    named = [
        Candidate(one.host, fixed.get(one.host, MDNS), one.name, {**usual, **one.ports})
        for one in announced
    ]
    known = {candidate.host for candidate in named}
    silent = [
        Candidate(host, via, ports=usual)
        for host, via in fixed.items()
        if host and host not in known
    ]
    return (*silent, *named)


def look(places: Iterable[Candidate], camera: CameraSettings, timeout: float) -> list[FoundCamera]:
    """The cameras that answer, in the order of the places; each has `timeout` seconds a step."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda place: _look(place, camera, timeout), places))
    return [found for found in answers if found]


def _look(place: Candidate, camera: CameraSettings, timeout: float) -> FoundCamera | None:
    knocked = knock_all(place.host, place.ports, timeout)
    services = {name: place.ports[name] for name, port in knocked.items() if port is Port.open}
    if not services:
        return None
    name = place.name
    if not name and "http" in services:
        update = {"host": place.host, "http_port": services["http"], "timeout": timeout}
        name = _own_name(camera.model_copy(update=update))
    return FoundCamera(name, place.host, place.via, services)


def _own_name(camera: CameraSettings) -> str:
    """What the device there calls itself; "" when it is no camera, or does not say."""
    try:
        with CameraApi(camera) as api:
            return printable(api.device().name)
    except CameraError:
        return ""
