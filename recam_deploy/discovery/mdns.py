"""Find cameras that announce themselves by mDNS; the only module that imports zeroconf.

A camera's avahi announces `_sscma._tcp` (its MQTT broker), `_http._tcp` and `_ws._tcp` under its
host name (sscma-example-sg200x, solutions/supervisor/rootfs/etc/avahi/services/sscma.service).
All values from the network are limited here, in number and in length.
"""

from __future__ import annotations

import contextlib
import ipaddress
import time
from collections.abc import Mapping
from dataclasses import dataclass

from zeroconf import Error, InterfaceChoice, IPVersion, ServiceBrowser, ServiceListener, Zeroconf

from ..errors import ConnectionFailedError
from ..progress import Step

CAMERA_TYPE = "_sscma._tcp.local."
TYPES: Mapping[str, str] = {
    CAMERA_TYPE: "mqtt",
    "_http._tcp.local.": "http",
}
_MOST_CAMERAS = 100
_NAME_LIMIT = 80
# For one service and for all; used only where an announcement lacked the address.
_ANSWER_SECONDS, _ANSWERS_SECONDS = 2.0, 10.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Announced:
    """An announced camera: its name, its address, and its ports by service."""

    name: str
    host: str
    ports: Mapping[str, int]


def browse(seconds: float, interface: str | None, step: Step) -> tuple[Announced, ...]:
    """Query for cameras and collect answers for `seconds`.

    `interface` is the address of the network interface to use, None for all. Raises
    ConnectionFailedError when this machine cannot send the query.
    """
    listener = _Names()
    try:
        with contextlib.closing(
            Zeroconf(
                interfaces=[interface] if interface else InterfaceChoice.All,
                ip_version=IPVersion.V4Only,
            )
        ) as network:
            ServiceBrowser(network, list(TYPES), listener)
            _wait(seconds, step)
            instances = sorted(listener.instances(CAMERA_TYPE))[:_MOST_CAMERAS]
            until = time.monotonic() + _ANSWERS_SECONDS
            found = [_resolved(network, instance, listener, until) for instance in instances]
    except (OSError, Error, ValueError, RuntimeError) as error:
        raise ConnectionFailedError(
            f"cameras cannot be searched by mDNS: {error or type(error).__name__}",
            "Check the network connection, and that discover.interface is an address of this "
            "machine.",
        ) from error
    return tuple(one for one in found if one)


def _wait(seconds: float, step: Step) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        step.update(done=seconds - left, total=seconds)
        time.sleep(min(_POLL_SECONDS, left))


class _Names(ServiceListener):
    """The announced services: for each type the names, without the type."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {kind: set() for kind in TYPES}

    def instances(self, kind: str) -> set[str]:
        return set(self._names[kind])

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        known = self._names[type_]
        if name.endswith(f".{type_}") and len(known) < 10 * _MOST_CAMERAS:
            known.add(name.removesuffix(f".{type_}"))

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        """Do nothing: the address is queried later."""

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self._names[type_].discard(name.removesuffix(f".{type_}"))


def _resolved(network: Zeroconf, instance: str, listener: _Names, until: float) -> Announced | None:
    host, ports = None, {}
    for kind, service in TYPES.items():
        if instance not in listener.instances(kind):
            continue
        left = min(_ANSWER_SECONDS, until - time.monotonic())
        if left <= 0:
            return None
        info = network.get_service_info(kind, f"{instance}.{kind}", int(1000 * left))
        if info is None:
            continue
        if info.port and 0 < info.port < 1 << 16:
            ports[service] = info.port
        if kind == CAMERA_TYPE:
            host = next(iter(info.parsed_addresses(IPVersion.V4Only)), None)
    if host is None or not _is_address_of_one(host):
        return None
    return Announced(clean_name(instance), host, ports)


def _is_address_of_one(host: str) -> bool:
    """Return whether an announced address is a single machine's; no other is connected to."""
    address = ipaddress.ip_address(host)
    return not (address.is_multicast or address.is_unspecified or host.endswith(".255"))


def clean_name(name: str) -> str:
    """Replace unprintable characters of a name from the network; limit it to 80 characters."""
    return "".join(c if c.isprintable() else "?" for c in name[:_NAME_LIMIT])
