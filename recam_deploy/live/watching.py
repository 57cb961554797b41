"""Listening to the camera: until it is ready, for a number of events, or for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from ..detection.types import Detection
from ..errors import ConnectionFailedError, LiveError
from ..progress import Progress
from ..settings import CameraSettings
from .events import LiveEvent, Message, NodeReply, Timings
from .mqtt import CLIENT_ID, MqttSource
from .preview import PreviewSource


class LiveSource(Protocol):
    """Where messages come from."""

    def next(self, until: float) -> Message | None:
        """The next message; None when the time is up."""

    def drain(self) -> None:
        """Forget what has come so far."""

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True)
class LiveReport:
    """What was seen. `seconds` are those between the first event and the last."""

    events: tuple[LiveEvent, ...]
    seconds: float

    @property
    def fps(self) -> float | None:
        """Events a second; None for fewer than two."""
        if len(self.events) < 2 or self.seconds <= 0:
            return None
        return (len(self.events) - 1) / self.seconds

    @property
    def timings(self) -> Timings | None:
        """The mean of each stage."""
        known = [event.timings for event in self.events if event.timings]
        if not known:
            return None
        return Timings(
            sum(t.preprocess for t in known) / len(known),
            sum(t.inference for t in known) / len(known),
            sum(t.postprocess for t in known) / len(known),
        )

    @property
    def first(self) -> tuple[Detection, ...]:
        """The detections of the first picture that has any."""
        return next((event.detections for event in self.events if event.detections), ())

    def summary(self) -> dict[str, Any]:
        """As `up --json` shows it."""
        return {
            "events": len(self.events),
            "fps": None if self.fps is None else round(self.fps, 2),
            "timings_ms": self.timings.as_json() if self.timings else None,
            "resolution": list(self.events[0].resolution) if self.events else None,
            "detections": [detection.as_json() for detection in self.first],
        }

    def as_json(self) -> dict[str, Any]:
        """As `watch --json` shows it: the summary, with all events."""
        return {**self.summary(), "events": [event.as_json() for event in self.events]}


def open_source(camera: CameraSettings, client_id: str = CLIENT_ID) -> LiveSource:
    """The broker where it lets us in, else the preview socket, which is opened when it is read."""
    host = str(camera.host)
    try:
        return MqttSource(host, camera.mqtt_port, timeout=camera.timeout, client_id=client_id)
    except ConnectionFailedError:
        return PreviewSource(host, camera.preview_port, timeout=camera.timeout)


def wait_until_made(
    source: LiveSource, nodes: Collection[str], seconds: float, progress: Progress
) -> bool:
    """Whether the camera's service has made all these nodes, after at most `seconds`.

    Raises LiveError, in the service's words, when it could not make one.
    """
    missing = set(nodes)
    until = time.monotonic() + seconds
    with progress.step("Waiting for the camera to load the model"):
        while missing:
            message = source.next(until)
            if message is None:
                return False
            if not isinstance(message.content, NodeReply) or message.node not in nodes:
                continue
            if message.content.code != 0:
                raise node_failed(message.content)
            if message.content.name == "create":
                missing.discard(message.node)
    return True


def collect(
    source: LiveSource,
    *,
    count: int | None,
    seconds: float | None,
    first_within: float,
    show: Callable[[LiveEvent], None] = lambda _: None,
) -> LiveReport:
    """Events, until there are `count` of them or `seconds` have passed since the first.

    With neither, until the caller is interrupted. Raises LiveError when none comes in
    `first_within` seconds, or a node of the camera's reports an error meanwhile.
    """
    events: list[LiveEvent] = []
    until = time.monotonic() + first_within
    began = ended = 0.0
    while count is None or len(events) < count:
        message = source.next(until)
        if message is None:
            if not events:
                raise _silent(first_within)
            if seconds is not None:
                break
            until = time.monotonic() + first_within
            continue
        if isinstance(message.content, NodeReply):
            if message.content.code != 0 and not events:
                raise node_failed(message.content)
            continue
        ended = time.monotonic()
        if not events:
            began = ended
            until = began + (first_within if seconds is None else seconds)
        events.append(message.content)
        show(message.content)
        if seconds is None:
            until = ended + first_within
    return LiveReport(tuple(events), ended - began)


def node_failed(reply: NodeReply) -> LiveError:
    """The error for a node that the camera's service could not make or start."""
    return LiveError(
        f"the camera could not {reply.name} a node of the flow: "
        f"{reply.text or f'code {reply.code}'}",
        "Look at the nodes in Node-RED's editor; a restart of the camera frees what another "
        "program holds.",
    )


def _silent(seconds: float) -> LiveError:
    return LiveError(
        f"no live results came from the camera within {seconds:g} s",
        "Look at the flow in Node-RED's editor: the camera and model nodes should be green.",
    )
