"""Probe whether something listens on a TCP port: connect, send nothing, close."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum

_AT_ONCE = 16


class Port(str, Enum):
    """The result of probing a port; `silent` means no answer in time."""

    open = "open"
    refused = "refused"
    silent = "silent"
    unreachable = "unreachable"


def probe_port(host: str, port: int, timeout: float) -> Port:
    """Connect to a port, at most `timeout` seconds, and close the connection."""
    try:
        socket.create_connection((host, port), timeout).close()
    except ConnectionRefusedError:
        return Port.refused
    except TimeoutError:
        return Port.silent
    except (OSError, UnicodeError, OverflowError):
        return Port.unreachable
    return Port.open


def probe_ports(host: str, ports: Mapping[str, int], timeout: float) -> dict[str, Port]:
    """Probe several ports at once; `ports` and the result are by the service's name."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda port: probe_port(host, port, timeout), ports.values())
        return dict(zip(ports, found, strict=True))
