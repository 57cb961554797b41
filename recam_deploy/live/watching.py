"""Wait until the camera has created its nodes; collect live events by number or time."""

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
from .events import LiveEvent, LiveTimings, Message, NodeReply
from .mqtt import MqttSource
from .preview import PreviewSource

_KEPT = 1000
# The service has a node of that id, or of a kind that it can hold once, already: ma_err_t of
# SSCMA-Micro. So it answers while flows are started anew that it still has nodes of.
_EXISTS = 11
_RESTART_SECONDS = 20.0

RATE_LIMIT = 10
"""Results a second at most while the model node's websocket is open, which Node-RED never closes:
each picture then takes 100 ms or longer (sscma-example-sg200x, solutions/sscma-node/main/node/
model.cpp, `threadEntry`)."""
_NEAR_LIMIT = 0.9


class LiveSource(Protocol):
    """A source of the service's messages: MQTT or the preview socket."""

    def next(self, until: float) -> Message | None:
        """Wait for the next message until `time.monotonic()` is `until`; then return None."""

    def drain(self) -> None:
        """Discard the messages received so far."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True)
class LiveReport:
    """The last events, their total number, and the seconds between the first and the last."""

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
    def timings(self) -> LiveTimings | None:
        """The mean of each stage in milliseconds; None without timings."""
        known = [event.timings for event in self.events if event.timings]
        if not known:
            return None
        return LiveTimings(
            sum(t.preprocess for t in known) / len(known),
            sum(t.inference for t in known) / len(known),
            sum(t.postprocess for t in known) / len(known),
        )

    @property
    def unlimited_fps(self) -> float | None:
        """Pictures a second that the stages would allow; None unless RATE_LIMIT applies."""
        fps, timings = self.fps, self.timings
        if fps is None or timings is None or fps < RATE_LIMIT * _NEAR_LIMIT:
            return None
        return 1000 / timings.total if 0 < timings.total < 1000 / RATE_LIMIT else None

    @property
    def first(self) -> tuple[Detection, ...]:
        """The detections of the first picture that has any."""
        return next((event.detections for event in self.events if event.detections), ())

    def summary(self) -> dict[str, Any]:
        """Return its object in `up --json`."""
        return {
            "events": self.count,
            "fps": None if self.fps is None else round(self.fps, 2),
            "timings_ms": self.timings.as_json() if self.timings else None,
            "resolution": list(self.events[0].resolution) if self.events else None,
            "detections": [detection.as_json() for detection in self.first],
        }

    def as_json(self) -> dict[str, Any]:
        """Return the document of `watch --json`: the summary, with all events."""
        events = [event.as_json() for event in self.events]
        return {**self.summary(), "events": events, "count": self.count}


class Collector:
    """Counts events, and keeps the last 1000."""

    def __init__(self) -> None:
        self._events: deque[LiveEvent] = deque(maxlen=_KEPT)
        self._first = self._last = 0.0
        self.count = 0

    def add(self, event: LiveEvent) -> None:
        """Add an event that was just received."""
        self._last = time.monotonic()
        if not self.count:
            self._first = self._last
        self.count += 1
        self._events.append(event)

    def report(self) -> LiveReport:
        """Return the events so far."""
        return LiveReport(tuple(self._events), self.count, self._last - self._first)


def open_source(camera: CameraSettings, *, runs: bool = False) -> LiveSource:
    """Open the MQTT broker, or else the preview socket, which is connected at the first read.

    With `runs`, a model node should run already: raises ConnectionFailedError when neither can be
    reached, or the camera is behind a jump host.
    """
    host = camera.direct_host
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


def wait_until_created(
    source: LiveSource, nodes: Collection[str], seconds: float, progress: Progress
) -> bool:
    """Wait until the camera's service has created all `nodes`; False after `seconds`.

    The camera's watchdog may restart the service and the flows meanwhile (serviced.h of the
    supervisor, every six seconds): a node that exists already counts as failed only when it is not
    created soon after. Raises LiveError with the service's message when it could not create one.
    """
    missing = set(nodes)
    refused: dict[str, NodeReply] = {}
    end = until = time.monotonic() + seconds
    with progress.step("Waiting for the camera to load the model"):
        while missing:
            message = source.next(until)
            if message is None and refused:
                raise node_failed(next(iter(refused.values())))
            if message is None:
                return False
            reply = message.content
            if not isinstance(reply, NodeReply) or message.node not in nodes:
                continue
            if reply.code not in (0, _EXISTS):
                raise node_failed(reply)
            if reply.code == _EXISTS:
                refused.setdefault(message.node, reply)
                until = min(end, time.monotonic() + _RESTART_SECONDS)
            elif reply.name == "create":
                missing.discard(message.node)
                refused.pop(message.node, None)
                until = until if refused else end
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
    """Collect events until there are `count`, or `seconds` have passed since the first.

    The first `at_least` events are waited for in any case, each for `first_within` seconds. Without
    `count` and `seconds`, collect until no event comes for `first_within` seconds. `show` is called
    after each event. A given `collector` holds them even after an interrupt. Raises LiveError when
    one of the first `at_least` events does not come in time, or a node reports an error before.
    """
    collector = collector or Collector()
    until = enough = time.monotonic() + first_within
    while count is None or collector.count < count:
        message = source.next(until)
        if message is None:
            if collector.count < at_least:
                raise _no_events(first_within, collector.count)
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
    """Return the error for a node that the camera's service could not create or start."""
    return LiveError(
        f"the camera could not {reply.name} a node of the flow: "
        f"{reply.text or f'code {reply.code}'}",
        "Look at the nodes in Node-RED's editor. Restart the camera if another program uses its "
        "camera or TPU.",
    )


def _no_events(seconds: float, count: int) -> LiveError:
    found = f"only {count} of the first live results" if count else "no live results"
    return LiveError(
        f"{found} came from the camera within {seconds:g} s",
        "Look at the flow in Node-RED's editor: the camera and model nodes should be green.",
    )
