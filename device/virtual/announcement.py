"""Announce the camera by mDNS, on the loopback and nowhere else.

As the camera's avahi does: sscma-example-sg200x,
solutions/supervisor/rootfs/etc/avahi/services/sscma.service.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from zeroconf import Error, IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from .layout import HOST, SetupError

TYPES = {"http": "_http._tcp", "mqtt": "_sscma._tcp"}


class Announcement:
    """The camera's services under one name, at ``host``.

    ``ports`` are by the keys of TYPES, 0 for none.
    """

    def __init__(self, name: str, host: str, ports: Mapping[str, int]) -> None:
        self._infos = [
            AsyncServiceInfo(
                f"{TYPES[key]}.local.",
                f"{name}.{TYPES[key]}.local.",
                port=port,
                addresses=[socket.inet_aton(host)],
                server=f"{name}.local.",
            )
            for key, port in ports.items()
            if port
        ]
        self._network: AsyncZeroconf | None = None

    async def start(self) -> None:
        """Start to announce. Raises SetupError when that cannot be done."""
        try:
            self._network = AsyncZeroconf(interfaces=[HOST], ip_version=IPVersion.V4Only)
            for info in self._infos:
                await (await self._network.async_register_service(info))
        except (OSError, Error) as error:
            raise SetupError(f"the camera cannot be announced by mDNS: {error}") from error

    async def stop(self) -> None:
        network, self._network = self._network, None
        if network is not None:
            await network.async_unregister_all_services()
            await network.async_close()
