"""Play the service on MQTT. Source: ``solutions/sscma-node/main/node/server.cpp``.

Requests come on ``sscma/v0/recamera/node/in/<id>`` and are carried out one after the other;
answers and events go to ``.../out/<id>``, quality of service 0, not retained.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import logging
from typing import TYPE_CHECKING, Any

import aiomqtt

from ..layout import SetupError
from .factory import Nodes
from .messages import Code, Json, Kind, NodeError, decode, encode
from .node import ServiceEndedError, Surroundings
from .preview import Preview

if TYPE_CHECKING:
    from pathlib import Path

    from ..layout import Layout
    from ..pictures import Pictures
    from ..releases import Release
    from ..sscma.engine import Engine

log = logging.getLogger("virtual")

CLIENT_ID = "recamera"
TOPIC_IN = f"sscma/v0/{CLIENT_ID}/node/in"
TOPIC_OUT = f"sscma/v0/{CLIENT_ID}/node/out"
RECONNECT_SECONDS = 2.0
START_SECONDS = 15.0
WAITING_MESSAGES = 64
RESTART_SECONDS = 6.0
"""The supervisor looks that often whether the service is there, and starts it anew where it is not
(``solutions/supervisor/main/include/serviced.h``)."""


class NodeService:
    """Connects to the camera's broker and plays its nodes."""

    def __init__(
        self,
        layout: Layout,
        engine: Engine,
        pictures: Pictures,
        preview: Preview,
        video: Preview,
        mended: bool,
        release: Release,
    ) -> None:
        self._layout = layout
        self._requests: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        # Slow to send means old pictures, so the oldest messages make room for new ones.
        self._answers: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(WAITING_MESSAGES)
        self._connected = asyncio.Event()
        self._ends: asyncio.Queue[str] = asyncio.Queue()
        self._living: asyncio.Task[None] | None = None
        self._websockets = (preview, video)
        self._around = Surroundings(
            self._publish,
            self._host_path,
            pictures,
            engine,
            preview,
            video,
            mended,
            release=release,
            end_service=self._ends.put_nowait,
        )
        self._nodes = Nodes(self._around)

    @property
    def connected(self) -> bool:
        return self._connected.is_set()

    async def start(self, host: str, port: int) -> None:
        """Connect to the broker; requests are carried out from then on. Raises SetupError."""
        self._living = asyncio.ensure_future(self._live(host, port))
        self._living.add_done_callback(_log_bug)
        try:
            await asyncio.wait_for(self._connected.wait(), START_SECONDS)
        except asyncio.TimeoutError as error:
            raise SetupError("the node service cannot reach the MQTT broker") from error

    async def stop(self) -> None:
        """End every node, then the connection."""
        if self._living is not None:
            self._living.cancel()
            await asyncio.wait({self._living})
        await self._nodes.clear()
        for websocket in self._websockets:
            await websocket.close()

    async def _live(self, host: str, port: int) -> None:
        """Be the service's process; after a crash, the next one that the supervisor starts."""
        while True:
            tasks = [
                asyncio.ensure_future(self._stay_connected(host, port)),
                asyncio.ensure_future(self._carry_out()),
            ]
            for task in tasks:
                task.add_done_callback(_log_bug)
            try:
                reason = await self._ends.get()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            log.error("the node service crashed: %s", reason)
            await self._nodes.clear()
            # The next process counts from 1 again.
            fresh = dataclasses.replace(self._around, track_numbers=itertools.count(1))
            self._nodes = Nodes(fresh)
            for queue in (self._requests, self._answers, self._ends):
                while not queue.empty():
                    queue.get_nowait()
            await asyncio.sleep(RESTART_SECONDS)

    def _publish(self, id_: str, message: bytes) -> None:
        if not self._connected.is_set():
            return
        if self._answers.full():
            self._answers.get_nowait()
        self._answers.put_nowait((f"{TOPIC_OUT}/{id_}", message))

    def _host_path(self, name: str) -> Path:
        """Map a path as the camera names it, or as its clients do.

        It is never outside the camera.
        """
        root = self._layout.root
        inside = name[len(str(root)) :] if name.startswith(f"{root}/") else name
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # no path at all, or a circle
            path = (root / inside.lstrip("/")).resolve()
            if path.is_relative_to(root):
                return path
        raise NodeError(Code.NO_ENTITY, f"Model file not found {name}")

    async def _stay_connected(self, host: str, port: int) -> None:
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(host, port, identifier=CLIENT_ID) as client:
                    await client.subscribe(TOPIC_IN)
                    await client.subscribe(f"{TOPIC_IN}/+")
                    self._connected.set()
                    self._publish("", encode(Kind.RESPONSE, "node", ""))
                    sending = asyncio.ensure_future(self._send(client))
                    try:
                        async for message in client.messages:
                            self._requests.put_nowait(_request(message))
                    finally:
                        self._connected.clear()
                        sending.cancel()
            log.warning("the node service lost the MQTT broker")
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _send(self, client: aiomqtt.Client) -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            while True:
                topic, message = await self._answers.get()
                await client.publish(topic, message, qos=0)

    async def _carry_out(self) -> None:
        while True:
            topic, payload = await self._requests.get()
            id_ = topic[len(TOPIC_IN) + 1 :]
            name = "request"
            try:
                request = _parse(payload)
                name = request["name"].lower()
                await self._do(id_, name, request)
            except NodeError as error:
                log.info("node %s: %s failed: %s", id_, name, error.text)
                self._publish(id_, encode(Kind.RESPONSE, name, error.text, error.code))
            except ServiceEndedError as error:
                self._ends.put_nowait(str(error))
                return

    async def _do(self, id_: str, name: str, request: dict[str, Json]) -> None:
        """Carry out one request. Raises NodeError."""
        data = request["data"]
        if name == "create":
            settings = data if isinstance(data, dict) else {}
            log.info("node %s: create %s", id_, settings.get("type"))
            await self._nodes.create(id_, settings)
        elif name in ("destroy", "clear", "health"):
            if name == "destroy":
                await self._nodes.destroy(id_)
            elif name == "clear":
                await self._nodes.clear()
            self._publish(id_, encode(Kind.RESPONSE, name, ""))
        elif node := self._nodes.find(id_):
            await node.control(request["name"], data)


def _log_bug(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception():
        log.error("the node service ended", exc_info=task.exception())


def _request(message: aiomqtt.Message) -> tuple[str, bytes]:
    payload: Any = message.payload
    return message.topic.value, bytes(payload) if isinstance(payload, (bytes, bytearray)) else b""


def _parse(payload: bytes) -> dict[str, Json]:
    """Parse a request. Raises NodeError when it has no name or no data."""
    try:
        request = decode(payload)
    except (ValueError, RecursionError) as error:
        raise NodeError(Code.INVALID, "Invalid payload") from error
    if not isinstance(request, dict) or "name" not in request or "data" not in request:
        raise NodeError(Code.INVALID, "Invalid payload")
    if not isinstance(request["name"], str):
        raise NodeError(Code.INVALID, "Invalid payload")
    return request
