"""Play the save node. Source: ``solutions/sscma-node/main/node/save.cpp``.

Pictures are written as on the camera. A node that saves videos is created, started and
answered, and writes nothing: there is no encoder.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from typing import TYPE_CHECKING

from .camera import CameraNode, camera_of
from .messages import Code, Json, NodeError, is_number
from .node import Node

if TYPE_CHECKING:
    from .node import Surroundings

log = logging.getLogger("virtual")

FOLDERS = {
    ("image", "local"): "/userdata/Images/",
    ("image", "external"): "/mnt/sd/Images/",
    ("video", "local"): "/userdata/Videos/",
    ("video", "external"): "/mnt/sd/Videos/",
}
KEPT_FREE = 128 << 20


class SaveNode(Node):
    """Writes a picture every ``slice`` seconds, or when asked to, for ``duration`` seconds.

    A duration of -1 means for ever, of 0 only when asked to.
    """

    kind = "save"

    def __init__(self, id_: str, around: Surroundings) -> None:
        super().__init__(id_, around)
        self._working: asyncio.Task[None] | None = None
        self._asked = False
        self._saved = 0

    async def create(self, config: dict[str, Json]) -> None:
        storage, seconds = config.get("storage"), config.get("slice")
        if not isinstance(storage, str) or not is_number(seconds):
            raise NodeError(Code.INVALID, "Invalid config")
        mode = config.get("saveMode")
        self._mode = mode if mode in ("video", "image") else "video"
        duration = config.get("duration")
        self._duration = int(duration) if is_number(duration) else -1
        if isinstance(config.get("enabled"), bool):
            self.enabled = config["enabled"]
        folder = FOLDERS.get((self._mode, storage))
        if folder is None:
            raise NodeError(Code.INVALID, "Invalid storage type")
        self._slice = int(seconds)
        self._folder = self.around.host_path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise NodeError(Code.INVALID, "Failed to create storage directory") from error
        # An array of names and values, as the camera sends it.
        self.respond(
            "create",
            [
                *("storage", folder, "saveMode", self._mode, "slice", self._slice),
                *("duration", self._duration, "available", max(0, free - KEPT_FREE) // 1024),
            ],
        )

    async def start(self) -> None:
        if self.started:
            return
        camera = camera_of(self)
        self.started = True
        self.respond("enabled", self.enabled)
        self._working = asyncio.ensure_future(self._work(camera))

    async def stop(self) -> None:
        self.started = False
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait({self._working})
            self._working = None

    async def control(self, name: str, data: Json) -> None:
        if name != "capture" or self._mode != "image":
            await super().control(name, data)
        elif self.enabled:
            self._asked = True
            self.respond(name, "Capture triggered")
        else:
            self.respond(name, "Save node not enabled", Code.BUSY)

    async def _work(self, camera: CameraNode) -> None:
        if self._mode == "video":
            log.info("save node %s: the virtual camera records no videos", self.id)
            return
        began = written = time.monotonic()
        last = -1
        while True:
            frame = await camera.next_frame(last)
            last = frame.number
            now = time.monotonic()
            if not self.enabled:
                began = written = now
                continue
            if self._duration > 0 and now - began > self._duration:
                self.enabled = False
                self.respond("enabled", self.enabled)
            elif self._due(now - written):
                self._asked = False
                written = now
                self._write(await asyncio.to_thread(frame.jpeg, *camera.jpeg_size))

    def _due(self, seconds: float) -> bool:
        if self._duration == 0:
            return self._asked
        return self._slice > 0 and seconds > self._slice

    def _write(self, jpeg: bytes) -> None:
        name = f"{time.strftime('%Y%m%d_%H%M%S')}_{self._saved:04d}.jpg"
        try:
            (self._folder / name).write_bytes(jpeg)
        except OSError as error:
            log.warning("save node %s: %s", self.id, error)
            return
        self._saved += 1
        if self._duration == 0:
            self.respond("enabled", self.enabled)
