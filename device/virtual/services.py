"""Everything of the camera beside SSH: what starts after what, and where it can be reached.

A further service is added in ``running``: make it after what it needs, enter it into the
stack with ``_begin``, and give its address to ``Addresses``.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import broker as brokers
from .layout import HOST
from .pictures import Pictures
from .sscma.engine import Engine
from .sscma_node.preview import Preview
from .sscma_node.service import NodeService
from .supervisor.service import Supervisor

if TYPE_CHECKING:
    from .layout import Layout
    from .ports import Ports
    from .server import Options

NORMAL, FAILED = 0, 2
"""How the supervisor says that a service does."""


@dataclass(frozen=True)
class Addresses:
    """Where the services can be reached, on the loopback."""

    http_port: int
    mqtt_port: int
    preview_port: int

    def state(self) -> dict[str, object]:
        """As ``state.json`` tells it."""
        return {
            "http_url": f"http://{HOST}:{self.http_port}",
            "mqtt_port": self.mqtt_port,
            "preview_ws": f"ws://{HOST}:{self.preview_port}",
        }

    def settings(self) -> dict[str, int]:
        """As ``recam.toml`` names it."""
        return {
            "http_port": self.http_port,
            "mqtt_port": self.mqtt_port,
            "preview_port": self.preview_port,
        }


async def _begin(
    stack: contextlib.AsyncExitStack, start: Awaitable[None], stop: Callable[[], Awaitable[None]]
) -> None:
    """Start a service that the stack stops, even when it starts only half."""
    stack.push_async_callback(stop)
    await start


@contextlib.asynccontextmanager
async def running(layout: Layout, options: Options, ports: Ports) -> AsyncIterator[Addresses]:
    """All services, started one after the other and stopped the other way round.

    Raises SetupError when one cannot start.
    """
    pictures = Pictures(options.pictures, options.hold)
    engine = Engine(layout.library_path, layout.simulator_log, layout.scratch)
    async with contextlib.AsyncExitStack() as stack:
        broker = brokers.choose(layout, options.broker)
        mqtt_port = ports.choose("mqtt", options.mqtt_port)
        await _begin(stack, broker.start(mqtt_port), broker.stop)

        preview_socket = ports.bind("preview", options.preview_port)
        stack.callback(preview_socket.close)
        preview = Preview(preview_socket)
        mended = options.firmware == "mended"
        nodes = NodeService(layout, engine, pictures, preview, mended)
        await _begin(stack, nodes.start(mqtt_port), nodes.stop)

        def status() -> dict[str, int]:
            return {"sscmaNode": NORMAL if nodes.connected else FAILED, "nodeRed": FAILED}

        supervisor = Supervisor(layout, ports.bind("http", options.http_port), status)
        await _begin(stack, supervisor.start(), supervisor.stop)
        yield Addresses(supervisor.port, mqtt_port, preview.port)
