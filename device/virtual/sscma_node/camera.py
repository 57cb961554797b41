"""Play the camera node. Source: ``solutions/sscma-node/main/node/camera.cpp``."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING

import numpy as np

from ..pictures import Frame
from . import video
from .messages import Code, Json, Kind, NodeError, encode, is_number
from .node import Node

if TYPE_CHECKING:
    from .node import Surroundings

SIZES = ((1920, 1080), (1280, 720), (640, 480))
OPTION_NAMES = ("1080p", "720p", "360p")
SAMPLE_SECONDS = 0.1


def option_of(value: Json) -> int:
    """Return an index into ``SIZES``, by number or by a text that names one.

    1080p is taken for anything else.
    """
    if isinstance(value, str):
        return next((i for i, name in enumerate(OPTION_NAMES) if name in value), 0)
    if is_number(value) and 0 <= value < len(SIZES):
        return int(value)
    return 0


class CameraNode(Node):
    """Hands out frames while it is started and enabled.

    ``jpeg_size`` is that of the one JPEG channel, which the model node sets to its preview's.
    """

    kind = "camera"
    singleton = True

    def __init__(self, id_: str, around: Surroundings) -> None:
        super().__init__(id_, around)
        self.jpeg_size = SIZES[0]
        self._fps = 30
        self._preview = False
        self._mirror = self._flip = False
        self._running = asyncio.Event()
        self._sampling: asyncio.Task[None] | None = None
        self._websocket = False
        self._filming: asyncio.Task[None] | None = None
        self._samples = 0

    async def create(self, config: dict[str, Json]) -> None:
        self.jpeg_size = SIZES[option_of(config.get("option"))]
        if is_number(fps := config.get("fps")):
            self._fps = max(1, min(30, int(fps)))
        self._preview = config.get("preview") is True
        self._mirror = config.get("mirror") is True
        self._flip = config.get("flip") is True
        self._websocket = config.get("websocket") is not False and video.available()
        if self._websocket:
            await self.around.video.open()
        self._size = width, height = self.jpeg_size
        # An array of names and values, as the camera sends it.
        self.respond("create", ["width", width, "height", height, "fps", self._fps])

    async def start(self) -> None:
        if self.started:
            return
        self.started = True
        if self.enabled:
            self._running.set()
        if self._preview:
            self._sampling = asyncio.ensure_future(self._sample())
        if self._websocket:
            self._filming = asyncio.ensure_future(self._film())
        self.respond("enabled", self.enabled)

    async def stop(self) -> None:
        if not self.started:
            return
        self.started = False
        self._running.clear()
        if self._sampling is not None:
            self._sampling.cancel()
            self._sampling = None
        if self._filming is not None:
            self._filming.cancel()
            self._filming = None
        self.respond("enabled", self.enabled)

    async def destroy(self) -> None:
        await self.stop()
        if self._websocket:
            await self.around.video.close()

    async def control(self, name: str, data: Json) -> None:
        if name == "preview" and isinstance(data, bool):
            self._show(data)
            self.respond(name, ["preview", data])
        elif name == "light" and is_number(data):
            self.respond(name, ["light", int(data)])
        elif name == "enabled" and isinstance(data, bool):
            # No answer when nothing changes: the camera's way.
            if data != self.enabled:
                self.enabled = data
                if data and self.started:
                    self._running.set()
                else:
                    self._running.clear()
                self.respond(name, data)
        else:
            self.respond(name, "", Code.NOT_SUPPORTED)

    async def next_frame(self, last: int) -> Frame:
        """Return the next frame after number ``last``; wait while there are none."""
        while True:
            await self._running.wait()
            now = time.monotonic() * self._fps
            if int(now) > last:
                return Frame(int(now), await asyncio.to_thread(self._look))
            await asyncio.sleep((int(now) + 1 - now) / self._fps)

    def _look(self) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        pixels = self.around.pictures.now()
        if self._mirror:
            pixels = pixels[:, ::-1]
        return pixels[::-1] if self._flip else pixels

    def _show(self, preview: bool) -> None:
        if self._sampling is not None and not preview:
            self._sampling.cancel()
            self._sampling = None
        elif self._sampling is None and preview and self.started:
            self._sampling = asyncio.ensure_future(self._sample())
        self._preview = preview

    async def _film(self) -> None:
        """Send the video to whoever reads it; nothing is encoded for nobody."""
        encoder = video.Encoder(*self._size, self._fps)
        last = -1
        while True:
            if not self.around.video.watched:
                await asyncio.sleep(SAMPLE_SECONDS)
                continue
            frame = await self.next_frame(last)
            last = frame.number
            self.around.video.send(await asyncio.to_thread(encoder.encode, frame))

    async def _sample(self) -> None:
        """Send ten pictures a second at most, for a preview wired to the camera itself."""
        last = -1
        while True:
            frame = await self.next_frame(last)
            last = frame.number
            jpeg = await asyncio.to_thread(frame.jpeg, *self.jpeg_size)
            self._samples += 1
            data = {"count": self._samples, "image": base64.b64encode(jpeg).decode("ascii")}
            self.around.publish(self.id, encode(Kind.EVENT, "sample", data))
            await asyncio.sleep(SAMPLE_SECONDS)


def camera_of(node: Node) -> CameraNode:
    """Find the camera among a node's dependencies. Raises NodeError when there is none."""
    for dependency in node.dependencies.values():
        if isinstance(dependency, CameraNode):
            return dependency
    raise NodeError(Code.NOT_SUPPORTED, "No camera node found")
