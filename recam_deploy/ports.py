"""Whether something listens on a TCP port: one short connection, and nothing sent over it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum

_AT_ONCE = 16


class Port(str, Enum):
    """What came of knocking at a port."""

    open = "open"
    refused = "refused"
    silent = "silent"
    unreachable = "unreachable"


def knock(host: str, port: int, timeout: float) -> Port:
    """Connect to a port within `timeout` seconds, and hang up."""
    try:
        socket.create_connection((host, port), timeout).close()
    except ConnectionRefusedError:
        return Port.refused
    except TimeoutError:
        return Port.silent
    except (OSError, UnicodeError, OverflowError):
        return Port.unreachable
    return Port.open


def knock_all(host: str, ports: Mapping[str, int], timeout: float) -> dict[str, Port]:
    """`knock` at several ports at once, under the names of what should listen there."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda port: knock(host, port, timeout), ports.values())
        return dict(zip(ports, found, strict=True))
