"""The way to the camera: its name, the route, and the ports that should be open."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from ..discovery.mdns import printable
from ..ports import Port, knock_all
from ..settings import CameraSettings
from .check import Check, fail, ok, warn

_MOST_ADDRESSES = 4
_USB = "192.168.42."


@dataclass(frozen=True)
class NetworkFacts:
    """`addresses` are those of the name, none where it has none; `source` is the address that
    this machine would send from, None where no route leads there; `ports` by service."""

    host: str
    addresses: tuple[str, ...]
    source: str | None
    ports: Mapping[str, tuple[int, Port]]

    def open(self, service: str) -> bool:
        """Whether the port of a service is open."""
        return service in self.ports and self.ports[service][1] is Port.open


def look(camera: CameraSettings) -> NetworkFacts:
    """Gather the facts: a look-up, and a short connection to each port."""
    host = str(camera.host)
    addresses = _addresses(host)
    ports = {
        "ssh": camera.port,
        "http": camera.http_port,
        "node_red": camera.node_red_port,
        "mqtt": camera.mqtt_port,
    }
    found = knock_all(host, ports, min(camera.timeout, 5.0)) if addresses else {}
    return NetworkFacts(
        host,
        addresses,
        _source(addresses[0]) if addresses else None,
        {name: (ports[name], result) for name, result in found.items()},
    )


def _addresses(host: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))[:_MOST_ADDRESSES]


def _source(address: str) -> str | None:
    """Connecting a datagram socket sends nothing, and lets the kernel choose the way."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def judge(facts: NetworkFacts) -> list[Check]:
    """What to say of the way to the camera; the ports only where there is a way."""
    if not facts.addresses:
        return [
            fail(
                "network.name",
                f"the name {printable(facts.host)!r} cannot be resolved",
                "Check the spelling (--host), or give the address: 192.168.42.1 over USB; "
                "`recam discover` finds cameras.",
            )
        ]
    named = ok("network.name", f"{facts.host} is {', '.join(facts.addresses)}")
    return [named, _route(facts), *(_port(facts, service) for service in facts.ports)]


def _route(facts: NetworkFacts) -> Check:
    if facts.source is None:
        return fail(
            "network.route",
            f"no route leads to {facts.addresses[0]}",
            "Connect this machine to the camera's network, or the camera over USB.",
        )
    seen = f"this machine sends from {facts.source}"
    if facts.addresses[0].startswith(_USB) and not facts.source.startswith(_USB):
        return warn(
            "network.route",
            f"{seen}, which is not the camera's USB network",
            "Plug the USB cable in and wait two minutes: a network interface with an address "
            f"{_USB}x must appear.",
        )
    return ok("network.route", seen)


_SERVICES = {
    "ssh": "SSH",
    "http": "the web API",
    "node_red": "Node-RED",
    "mqtt": "the MQTT broker",
}
_REMEDIES = {
    "ssh": "SSH may be switched off: firmware 0.2.1 and newer have a switch on the camera's web "
    "page, Settings > Security; `recam deploy --via http` needs none. The port is the setting "
    "camera.port.",
    "http": "Restart the camera; the port is the setting camera.http_port.",
    "node_red": "After switching on, a camera needs about two minutes for Node-RED; then restart "
    "the camera. The port is the setting camera.node_red_port.",
    "mqtt": "`recam watch` reads the preview instead. Restart the camera if no results come; the "
    "port is the setting camera.mqtt_port.",
}
_NEEDED = ("ssh", "node_red")


def _port(facts: NetworkFacts, service: str) -> Check:
    number, state = facts.ports[service]
    name = f"network.{service}"
    what = f"{_SERVICES[service]}, port {number}"
    if state is Port.open:
        return ok(name, f"{what}: open")
    words = {
        Port.refused: "the connection is refused",
        Port.silent: "no answer",
        Port.unreachable: "cannot be reached",
    }
    remedy = _REMEDIES[service]
    if state is not Port.refused and _alone(facts):
        remedy = f"Check the cable, the address and that the camera is on. {remedy}"
    bad = fail if service in _NEEDED else warn
    return bad(name, f"{what}: {words[state]}", remedy)


def _alone(facts: NetworkFacts) -> bool:
    """Whether nothing at all answers there."""
    return not any(facts.open(service) for service in facts.ports)
