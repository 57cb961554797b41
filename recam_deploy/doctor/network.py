"""Check the network to the camera: its name, the route, and its ports."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from ..address import for_url
from ..camera.web_api import ssh_enabled
from ..discovery.mdns import clean_name
from ..ports import Port, probe_ports
from ..settings import CameraSettings
from .check import Check, fail, ok, warn

_MOST_ADDRESSES = 4
_USB = "192.168.42."


@dataclass(frozen=True)
class NetworkFacts:
    """The name's `addresses`, the route, and the state of each service's port.

    `source` is the address that this machine would send from, None without a route. `ports` holds
    number and state by service. `preview` says that live results can be read without the broker.
    `ssh_enabled` is what the camera says of its SSH server, None where it was not asked or does
    not say. `way` names the jump host, if there is one; only SSH is tried then.
    """

    host: str
    addresses: tuple[str, ...]
    source: str | None
    ports: Mapping[str, tuple[int, Port]]
    preview: bool = False
    ssh_enabled: bool | None = None
    way: str = ""

    def open(self, service: str) -> bool:
        """Return whether the port of a service is open."""
        return service in self.ports and self.ports[service][1] is Port.open


def look(camera: CameraSettings) -> NetworkFacts:
    """Resolve the name, and connect briefly to each port."""
    host = str(camera.host)
    if camera.ssh.way:
        ssh = {"ssh": (camera.port, Port.open)}
        return NetworkFacts(host, (host,), None, ssh, way=camera.ssh.way)
    addresses = _addresses(host)
    ports = {
        "ssh": camera.port,
        "http": camera.http_port,
        "node_red": camera.node_red_port,
        "mqtt": camera.mqtt_port,
    }
    probed = {**ports, "preview": camera.preview_port}
    found = probe_ports(host, probed, min(camera.timeout, 5.0)) if addresses else {}
    closed = found.get("ssh") not in (None, Port.open)
    return NetworkFacts(
        host,
        addresses,
        _source(addresses[0]) if addresses else None,
        {name: (port, found[name]) for name, port in ports.items() if name in found},
        found.get("preview") is Port.open,
        ssh_enabled(camera) if closed and found.get("http") is Port.open else None,
    )


def _addresses(host: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError):
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))[:_MOST_ADDRESSES]


def _source(address: str) -> str | None:
    """Return the address that this machine would send from; None without a route.

    Connecting a datagram socket makes the kernel choose the route, and sends nothing.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def judge(facts: NetworkFacts) -> list[Check]:
    """Judge name, route and ports; route and ports only when the name has an address."""
    if facts.way:
        return [
            warn(
                "network.route",
                f"{facts.host} is reached through {facts.way}: only SSH is checked",
                "Node-RED, the web API and live results need a direct way, or a tunnel: any "
                "`recam flow` command shows the `ssh -L` for it.",
            )
        ]
    if not facts.addresses:
        return [
            fail(
                "network.name",
                f"the name {clean_name(facts.host)!r} cannot be resolved",
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
    fact = f"this machine sends from {facts.source}"
    if facts.addresses[0].startswith(_USB) and not facts.source.startswith(_USB):
        return warn(
            "network.route",
            f"{fact}, which is not the camera's USB network",
            "Plug the USB cable in and wait two minutes, until a network interface with an address "
            f"{_USB}x appears.",
        )
    return ok("network.route", fact)


_SERVICES = {
    "ssh": "SSH",
    "http": "the web API",
    "node_red": "Node-RED",
    "mqtt": "the MQTT broker",
}
_REMEDIES = {
    "ssh": "SSH may be switched off: firmware 0.2.1 and newer have a switch on the camera's web "
    "page, Settings > Security. `recam deploy --via http` needs no SSH. The port is the setting "
    "camera.port.",
    "http": "Restart the camera. The port is the setting camera.http_port.",
    "node_red": "Wait two minutes after its start, then restart the camera. The port is the "
    "setting camera.node_red_port.",
    "mqtt": "The broker may listen for the camera's own programs only. `recam watch` reads the "
    "preview then, which is there while a flow runs a model: recam flow push. The port is the "
    "setting camera.mqtt_port.",
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
    if service == "mqtt" and facts.preview:
        seen = "closed from outside, as on many cameras; live results come from the preview"
        return ok(name, f"{what}: {words[state]}: {seen}")
    remedy = _REMEDIES[service]
    if service == "ssh" and facts.ssh_enabled is not None:
        words[state], remedy = _ssh_words(facts, words[state])
    if state is not Port.refused and _all_closed(facts):
        remedy = f"Check the cable, the address and that the camera is on. {remedy}"
    bad = fail if service in _NEEDED else warn
    return bad(name, f"{what}: {words[state]}", remedy)


def _ssh_words(facts: NetworkFacts, seen: str) -> tuple[str, str]:
    """Return what the camera says of its SSH server, and what to do about it."""
    if facts.ssh_enabled:
        return (
            f"{seen}, though the camera says that it is switched on",
            "Check the port (the setting camera.port), and whatever stands between: a firewall, or "
            "a tunnel.",
        )
    return (
        "switched off on the camera",
        f"Switch it on: http://{for_url(facts.host)}/#/security (Settings > Security). "
        "`recam deploy --via http` needs no SSH.",
    )


def _all_closed(facts: NetworkFacts) -> bool:
    """Return whether no port is open."""
    return not any(facts.open(service) for service in facts.ports)
