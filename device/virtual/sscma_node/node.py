"""Define what all nodes share. Source: ``solutions/sscma-node/main/node/node.h``."""

from __future__ import annotations

import itertools
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ..releases import CURRENT, Release
from .messages import Code, Json, Kind, encode

if TYPE_CHECKING:
    from ..pictures import Pictures
    from ..sscma.engine import Engine
    from .preview import Preview


@dataclass(frozen=True)
class Surroundings:
    """The parts of the camera that nodes use."""

    publish: Callable[[str, bytes], None]
    """Sends a message from the node with this id; never waits."""
    host_path: Callable[[str], Path]
    """The host's path of a file that the camera names so."""
    pictures: Pictures
    engine: Engine
    preview: Preview
    video: Preview
    mended: bool
    """Whether the firmware's known decoding faults are mended."""
    release: Release = CURRENT
    """The firmware that is played."""
    track_numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    """Numbers of tracked objects: one count for as long as the service runs."""
    end_service: Callable[[str], None] = logging.getLogger("virtual").error
    """Ends the whole service for this reason, as a crash does on the camera; returns at once."""


class ServiceEndedError(Exception):
    """The service's process ended on the camera, and all nodes with it; the message says why."""


class Node(ABC):
    """A node of the service, by the id of its node in Node-RED.

    ``dependencies`` and ``dependents`` hold None for nodes that are not there yet.
    """

    kind: ClassVar[str]
    singleton: ClassVar[bool] = False

    def __init__(self, id_: str, around: Surroundings) -> None:
        self.id = id_
        self.around = around
        self.started = False
        self.enabled = True
        self.dependencies: dict[str, Node | None] = {}
        self.dependents: dict[str, Node | None] = {}

    def respond(self, name: str, data: Json, code: Code = Code.OK) -> None:
        self.around.publish(self.id, encode(Kind.RESPONSE, name, data, code))

    @abstractmethod
    async def create(self, config: dict[str, Json]) -> None:
        """Take the settings and answer ``create``. Raises NodeError; then nothing is left."""

    @abstractmethod
    async def start(self) -> None:
        """Begin to work; all dependencies and dependents are there. Raises NodeError."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop working. Safe when not started."""

    async def destroy(self) -> None:
        """Give everything back; called once, stopped or not."""
        await self.stop()

    async def control(self, name: str, data: Json) -> None:
        """Carry out and answer any other request. Raises NodeError."""
        if name == "enabled" and isinstance(data, bool):
            self.enabled = data
            self.respond(name, self.enabled)
        else:
            self.respond(name, "Not supported", Code.NOT_SUPPORTED)
