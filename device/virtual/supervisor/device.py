"""Tell what the camera says of itself. Sources: ``api_device.cpp`` and ``main.sh``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..releases import Release

SUPERVISOR_VERSION = "1.0.0"
OS_NAME = "reCamera"
SERIAL = "0000000000virtual"

_began = time.monotonic()


def times() -> dict[str, int]:
    """Return milliseconds since the start and seconds since 1970."""
    return {"uptime": int((time.monotonic() - _began) * 1000), "timestamp": int(time.time())}


def _place(host_header: str) -> tuple[str, str]:
    """Return host and port of the ``Host`` header; the port is empty where it names none."""
    host, _, port = host_header.partition(":")
    return host, port


def info(host_header: str) -> dict[str, Any]:
    """Answer ``getDeviceInfo``.

    The camera asks itself for names that it does not keep, so most are empty.
    """
    ip, port = _place(host_header)
    return {
        "ip": ip,
        "port": port,
        "sn": SERIAL,
        "deviceName": "",
        "status": 1,
        "osName": "",
        "osVersion": "",
    }


def queried(host_header: str, release: Release) -> dict[str, Any]:
    """Answer ``queryDeviceInfo``."""
    ip, port = _place(host_header)
    return {
        "appName": "supervisor",
        "channel": "0",
        "cpu": "sg2002",
        "deviceName": "recamera",
        "dns": "",
        "ethIp": ip,
        "gateway": "",
        "ip": ip,
        "mac": "",
        "mask": "",
        "needRestart": 0,
        "npu": "1",
        "officialUrl": "https://github.com/Seeed-Studio/reCamera-OS/releases/latest",
        "osName": OS_NAME,
        "osVersion": release.version,
        "port": port,
        "ram": "256",
        "serverUrl": "",
        "sn": SERIAL,
        "terminalPort": "9090",
        "type": "Basic WiFi 64G (OV5647)",
        "wlanIp": "",
    }
