"""Live results from the camera's MQTT broker; the one module that imports paho.

Topics are `sscma/v0/<client id>/node/out/<node id>` (sscma-example-sg200x,
docs/sscma-node-protocol.md).
"""

from __future__ import annotations

import contextlib
import queue
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from ..errors import ConnectionFailedError
from .events import MESSAGE_LIMIT, Message, parse_message

_TOPIC = "sscma/v0/+/node/out/+"  # the client id is whatever the flow's `sscma` node says
_WAITING = 1000


class MqttSource:
    """Messages of the camera's service, from the moment on that this is made.

    A context manager. Raises ConnectionFailedError when the broker cannot be reached, does not
    let us in, or the connection ends.
    """

    def __init__(self, host: str, port: int, *, timeout: float) -> None:
        self._where = f"the camera's MQTT broker ({host} port {port})"
        self._waiting: queue.Queue[Message | str] = queue.Queue(_WAITING)
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.connect_timeout = timeout
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._received
        self._client.on_disconnect = self._disconnected
        self._ready: queue.Queue[str] = queue.Queue()
        try:
            self._client.connect(host, port, keepalive=30)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise self._failed(f"cannot be reached: {reason}") from error
        self._client.loop_start()
        self._await_ready(timeout)

    def __enter__(self) -> MqttSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._client.on_disconnect = None
        self._client.disconnect()
        self._client.loop_stop()

    def drain(self) -> None:
        """Forget what has come and was not asked for."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()

    def next(self, until: float) -> Message | None:
        """The next message; None when `time.monotonic()` gets to `until` before one comes."""
        left = until - time.monotonic()
        try:
            found = self._waiting.get(timeout=left) if left > 0 else None
        except queue.Empty:
            return None
        if isinstance(found, str):
            raise self._failed(found)
        return found

    def _await_ready(self, timeout: float) -> None:
        try:
            problem = self._ready.get(timeout=timeout)
        except queue.Empty:
            problem = f"did not answer within {timeout:g} s"
        if problem:
            self.close()
            raise self._failed(problem)

    def _connected(self, client: paho.Client, _: Any, __: Any, reason: Any, ___: Any) -> None:
        if reason.is_failure:
            self._ready.put(f"refused the connection: {reason}")
        else:
            client.subscribe(_TOPIC)

    def _subscribed(self, _: paho.Client, __: Any, ___: int, reasons: Any, ____: Any) -> None:
        refused = any(reason.is_failure for reason in reasons)
        self._ready.put("does not let us listen" if refused else "")

    def _received(self, _: paho.Client, __: Any, message: paho.MQTTMessage) -> None:
        if len(message.payload) > MESSAGE_LIMIT:
            return
        try:
            node = message.topic.rpartition("/")[2]
        except UnicodeDecodeError:
            return
        content = parse_message(bytes(message.payload), node)
        if content:
            self._put(content)

    def _disconnected(self, _: paho.Client, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        self._ready.put(f"ended the connection: {reason}")
        self._put(f"ended the connection: {reason}")

    def _put(self, content: Message | str) -> None:
        """Keep the newest: who does not keep up misses old ones."""
        if self._waiting.full():
            with contextlib.suppress(queue.Empty):
                self._waiting.get_nowait()
        self._waiting.put_nowait(content)

    def _failed(self, what: str) -> ConnectionFailedError:
        return ConnectionFailedError(
            f"{self._where} {what}",
            "Check the address; the port is the setting camera.mqtt_port.",
        )
