"""Connect to the addresses where a camera may be, and list those that answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ..camera.firmware import PRO, is_pro
from ..camera.web_api import CameraApi
from ..errors import CameraError
from ..ports import Port, probe_ports
from ..settings import CameraSettings, DiscoverSettings
from .mdns import Announced, clean_name

MDNS, USB, ACCESS_POINT = "mdns", "usb", "access-point"
_AT_ONCE = 8


@dataclass(frozen=True)
class Candidate:
    """An address where a camera may be, how it was found, and the ports to probe."""

    host: str
    via: str
    name: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundCamera:
    """A camera that answers; `services` maps each open service to its port."""

    name: str
    host: str
    via: str
    services: Mapping[str, int]

    @property
    def unsupported(self) -> str:
        """Why recam cannot work with it; "" for a camera that it knows."""
        return PRO[0] if is_pro(self.name) else ""

    def as_json(self) -> dict[str, Any]:
        """Return its object in `discover --json`; `unsupported` only where there is a reason."""
        document = {
            "name": self.name,
            "host": self.host,
            "via": self.via,
            "services": dict(self.services),
        }
        return document | {"unsupported": self.unsupported} if self.unsupported else document


def candidates(
    announced: Iterable[Announced], discover: DiscoverSettings, camera: CameraSettings
) -> tuple[Candidate, ...]:
    """Combine the fixed addresses of the settings with the announced cameras.

    A fixed address that is announced gets that name. Several candidates may have one address and
    different ports (virtual cameras).
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
    unannounced = [
        Candidate(host, via, ports=usual)
        for host, via in fixed.items()
        if host and host not in known
    ]
    return (*unannounced, *named)


def look(
    candidates: Iterable[Candidate], camera: CameraSettings, timeout: float
) -> list[FoundCamera]:
    """Return the cameras that answer, in the given order; `timeout` is in seconds a connection."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda one: _look(one, camera, timeout), candidates))
    return [found for found in answers if found]


def _look(candidate: Candidate, camera: CameraSettings, timeout: float) -> FoundCamera | None:
    probed = probe_ports(candidate.host, candidate.ports, timeout)
    services = {name: candidate.ports[name] for name, port in probed.items() if port is Port.open}
    if not services:
        return None
    name = candidate.name
    if not name and "http" in services:
        update = {"host": candidate.host, "http_port": services["http"], "timeout": timeout}
        name = _own_name(camera.model_copy(update=update))
    return FoundCamera(name, candidate.host, candidate.via, services)


def _own_name(camera: CameraSettings) -> str:
    """Read the device's name from its web API; "" when it is no camera or has none."""
    try:
        with CameraApi(camera) as api:
            return clean_name(api.device().name)
    except CameraError:
        return ""
