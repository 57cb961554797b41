"""Listening to the camera: until it is ready, for a number of events, or for a while."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from ..detection.types import Detection
from ..errors import ConnectionFailedError, LiveError
from ..progress import Progress
from ..settings import CameraSettings
from .events import LiveEvent, Message, NodeReply, Timings
from .mqtt import MqttSource
from .preview import PreviewSource

_KEPT = 1000


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
    """What was seen: the last events, how many there were in all, and the seconds between the
    first and the last."""

    events: tuple[LiveEvent, ...]
    count: int
    seconds: float

    @property
    def fps(self) -> float | None:
        """Events a second; None for fewer than two."""
        if self.count < 2 or self.seconds <= 0:
            return None
        return (self.count - 1) / self.seconds

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
            "events": self.count,
            "fps": None if self.fps is None else round(self.fps, 2),
            "timings_ms": self.timings.as_json() if self.timings else None,
            "resolution": list(self.events[0].resolution) if self.events else None,
            "detections": [detection.as_json() for detection in self.first],
        }

    def as_json(self) -> dict[str, Any]:
        """As `watch --json` shows it: the summary, with all events."""
        events = [event.as_json() for event in self.events]
        return {**self.summary(), "events": events, "count": self.count}


class Collector:
    """Gathers events as they come; however long that takes, it keeps only the last ones."""

    def __init__(self) -> None:
        self._events: deque[LiveEvent] = deque(maxlen=_KEPT)
        self._first = self._last = 0.0
        self.count = 0

    def add(self, event: LiveEvent) -> None:
        """Take an event that has just come."""
        self._last = time.monotonic()
        if not self.count:
            self._first = self._last
        self.count += 1
        self._events.append(event)

    def report(self) -> LiveReport:
        """What has come so far."""
        return LiveReport(tuple(self._events), self.count, self._last - self._first)


def open_source(camera: CameraSettings, *, runs: bool = False) -> LiveSource:
    """The broker where it lets us in, else the preview socket, which is opened when it is read.

    With `runs`, a model node should have its socket open by now: raises ConnectionFailedError
    when neither of the two can be reached.
    """
    host = str(camera.host)
    try:
        return MqttSource(host, camera.mqtt_port, timeout=camera.timeout)
    except ConnectionFailedError as error:
        broker = error
    source = PreviewSource(host, camera.preview_port, timeout=camera.timeout)
    if runs:
        try:
            source.open()
        except ConnectionFailedError as error:
            raise ConnectionFailedError(
                f"{broker.message}; {error.message}",
                "Check the address, and that a flow runs on the camera: `recam flow push` starts "
                "one. The ports are the settings camera.mqtt_port and camera.preview_port.",
            ) from error
    return source


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
    at_least: int = 1,
    show: Callable[[Collector, LiveEvent], None] = lambda _, __: None,
    collector: Collector | None = None,
) -> LiveReport:
    """Events, until there are `count` of them or `seconds` have passed since the first.

    However many seconds pass, `at_least` so many are waited for, `first_within` seconds for each.
    `show` is called after each, and a `collector` that is given has them even when this is
    interrupted. With neither limit, this goes on until that, or until none comes for
    `first_within` seconds. Raises LiveError when one of the first `at_least` does not
    come in that time, or a node of the camera's reports an error before.
    """
    collector = collector or Collector()
    until = enough = time.monotonic() + first_within
    while count is None or collector.count < count:
        message = source.next(until)
        if message is None:
            if collector.count < at_least:
                raise _silent(first_within, collector.count)
            break
        if isinstance(message.content, NodeReply):
            if message.content.code != 0 and collector.count < at_least:
                raise node_failed(message.content)
            continue
        collector.add(message.content)
        show(collector, message.content)
        if collector.count == 1:
            enough = time.monotonic() + (seconds or 0.0)
        waits = seconds is None or collector.count < at_least
        until = time.monotonic() + first_within if waits else enough
    return collector.report()


def node_failed(reply: NodeReply) -> LiveError:
    """The error for a node that the camera's service could not make or start."""
    return LiveError(
        f"the camera could not {reply.name} a node of the flow: "
        f"{reply.text or f'code {reply.code}'}",
        "Look at the nodes in Node-RED's editor; a restart of the camera frees what another "
        "program holds.",
    )


def _silent(seconds: float, count: int) -> LiveError:
    found = f"only {count} of the first live results" if count else "no live results"
    return LiveError(
        f"{found} came from the camera within {seconds:g} s",
        "Look at the flow in Node-RED's editor: the camera and model nodes should be green.",
    )
