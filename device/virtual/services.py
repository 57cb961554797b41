"""Everything of the camera beside SSH: what starts after what, and where it can be reached.

Node-RED may fail, as on a real camera: the rest goes on without it.

A further service is added in ``running``: make it after what it needs, enter it into the
stack with ``_begin``, and give its address to ``Addresses``.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import broker as brokers
from .announcement import Announcement
from .layout import SetupError
from .nodered.runtime import NodeRed
from .nodered.settings import nodes_packages
from .pictures import Pictures
from .releases import RELEASES
from .sscma.engine import Engine
from .sscma_node.preview import Preview
from .sscma_node.service import NodeService
from .supervisor.service import Supervisor

if TYPE_CHECKING:
    from .layout import Layout
    from .options import Options
    from .ports import Ports

log = logging.getLogger("virtual")

NAME = "recamera-virtual"
"""How it is announced, with its HTTP port behind, or its address where it has one of its own:
several may run on one machine."""

NORMAL, FAILED = 0, 2
"""How the supervisor says that a service does."""


@dataclass(frozen=True)
class Addresses:
    """The addresses of the services at ``host``, which is one of the loopback.

    Where no Node-RED runs, ``node_red_port`` is one at which nobody listens: clients would else
    try its usual one, where a Node-RED of this machine's may be. ``node_red_problem`` says why one
    that was asked for does not run.
    """

    host: str
    http_port: int
    mqtt_port: int
    video_port: int
    preview_port: int
    node_red_port: int
    node_red_runs: bool
    node_red_problem: str | None = None

    def state(self) -> dict[str, object]:
        """Return the addresses as ``state.json`` tells them."""
        return {
            "http_url": f"http://{self.host}:{self.http_port}",
            "mqtt_port": self.mqtt_port,
            "video_ws": f"ws://{self.host}:{self.video_port}",
            "preview_ws": f"ws://{self.host}:{self.preview_port}",
            "node_red_url": f"http://{self.host}:{self.node_red_port}"
            if self.node_red_runs
            else None,
            "node_red_problem": self.node_red_problem,
        }

    def settings(self) -> dict[str, int]:
        """Return the addresses as ``recam.toml`` names them."""
        return {
            "http_port": self.http_port,
            "mqtt_port": self.mqtt_port,
            "preview_port": self.preview_port,
            "node_red_port": self.node_red_port,
        }


async def _begin(
    stack: contextlib.AsyncExitStack, start: Awaitable[None], stop: Callable[[], Awaitable[None]]
) -> None:
    """Start a service that the stack stops, even when it starts only half."""
    stack.push_async_callback(stop)
    await start


@contextlib.asynccontextmanager
async def running(layout: Layout, options: Options, ports: Ports) -> AsyncIterator[Addresses]:
    """Start all services, one after the other, and stop them the other way round.

    Raises SetupError when one other than Node-RED cannot start.
    """
    pictures = Pictures(options.pictures, options.hold)
    engine = Engine(layout.library_path, layout.simulator_log, layout.scratch, options.emulated)
    async with contextlib.AsyncExitStack() as stack:
        broker = brokers.choose(layout, options.broker)
        mqtt_port = ports.choose("mqtt", options.mqtt_port)
        await _begin(stack, broker.start(ports.host, mqtt_port), broker.stop)

        preview_socket = ports.bind("preview", options.preview_port)
        stack.callback(preview_socket.close)
        preview = Preview(preview_socket)
        video_socket = ports.bind("video", options.video_port)
        stack.callback(video_socket.close)
        video = Preview(video_socket)
        release, mended = RELEASES[options.release], options.firmware == "mended"
        nodes = NodeService(layout, engine, pictures, preview, video, mended, release)
        await _begin(stack, nodes.start(ports.host, mqtt_port), nodes.stop)

        http_socket = ports.bind("http", options.http_port)
        http_port = int(http_socket.getsockname()[1])
        websockets = (video.port, preview.port)
        node_red = _node_red(layout, options, ports, mqtt_port, http_port, websockets)

        def status() -> dict[str, int]:
            flows_run = node_red is not None and node_red.pid and not node_red.failure
            return {
                "sscmaNode": NORMAL if nodes.connected else FAILED,
                "nodeRed": NORMAL if flows_run else FAILED,
            }

        supervisor = Supervisor(layout, http_socket, status, release, ssh=options.ssh)
        await _begin(stack, supervisor.start(), supervisor.stop)
        node_red_port = 0
        if node_red:
            stack.push_async_callback(node_red.stop)
            node_red_port = await _started(node_red)
        if options.announce:
            own = ports.host.replace(".", "-") if options.address else http_port
            name = f"{NAME}-{own}"
            named = {"http": http_port, "mqtt": mqtt_port}
            announcement = Announcement(name, ports.host, named)
            await _begin(stack, announcement.start(), announcement.stop)
        yield Addresses(
            ports.host,
            http_port,
            mqtt_port,
            video.port,
            preview.port,
            node_red_port or ports.choose("no-node-red"),
            node_red_runs=node_red_port != 0,
            node_red_problem=node_red.failure if node_red else None,
        )


async def _started(node_red: NodeRed) -> int:
    """Return its port; 0 when it did not start, and its ``failure`` then says why."""
    try:
        return urlsplit(await node_red.start()).port or 0
    except SetupError as error:
        node_red.failure = str(error)
        log.error("%s", error)
        return 0


def _node_red(
    layout: Layout,
    options: Options,
    ports: Ports,
    mqtt_port: int,
    http_port: int,
    websockets: tuple[int, int],
) -> NodeRed | None:
    """Make the camera's Node-RED, where it was asked for.

    Flows find both ports by the camera's own. Raises SetupError when the folder for its nodes holds
    none, or the camera's own port is taken.
    """
    if options.node_red_cache is None:
        return None
    nodes_packages(options.nodes)
    return NodeRed(
        folder=layout.base,
        mqtt_port=mqtt_port,
        http_port=http_port,
        cache_dir=options.node_red_cache,
        host=ports.host,
        port=options.node_red_port or (ports.choose("node-red") if ports.fixed("node-red") else 0),
        video_port=websockets[0],
        preview_port=websockets[1],
        nodes=options.nodes,
        nodes_version=options.nodes_version,
        dashboard=options.dashboard,
    )
