"""Play the stream node. Source: ``solutions/sscma-node/main/node/stream.cpp``.

It is created, started and answered as on the camera; nothing listens on its RTSP port,
since there is no H.264 to send.
"""

from __future__ import annotations

import socket

from .camera import camera_of
from .messages import Code, Json, NodeError, number, text
from .node import Node


class StreamNode(Node):
    """Tells the address at which the camera would serve RTSP."""

    kind = "stream"

    async def create(self, config: dict[str, Json]) -> None:
        session = text(config, "session", "live")
        if not session:
            raise NodeError(Code.INVALID, "Session is empty")
        user, password = text(config, "username", "admin"), text(config, "password", "admin")
        port = int(number(config, "port", 554))
        url = f"rtsp://{user}:{password}@{socket.gethostname()}:{port}/{session}"
        # An array of name and value, as the camera sends it.
        self.respond("create", ["url", url])

    async def start(self) -> None:
        if self.started:
            return
        camera_of(self)
        self.started = True
        self.respond("enabled", self.enabled)

    async def stop(self) -> None:
        self.started = False
