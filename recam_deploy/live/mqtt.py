"""Receive live results from the camera's MQTT broker; the only module that imports paho.

Topics are `sscma/v0/<client id>/node/out/<node id>` (sscma-example-sg200x,
docs/sscma-node-protocol.md).
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from ..errors import ConnectionFailedError
from .events import MESSAGE_LIMIT, Message, parse_message

logger = logging.getLogger(__name__)

_TOPIC = "sscma/v0/+/node/out/+"  # the flow's `sscma` node chooses the client id
_QUEUE_LENGTH = 1000


class MqttSource:
    """Messages of the camera's service, from construction on; a context manager.

    Raises ConnectionFailedError when the broker cannot be reached, refuses the connection, or ends
    it. `timeout` is in seconds.
    """

    def __init__(self, host: str, port: int, *, timeout: float) -> None:
        self._where = f"the camera's MQTT broker ({host} port {port})"
        self._queue: queue.Queue[Message | str] = queue.Queue(_QUEUE_LENGTH)
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.connect_timeout = timeout
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._received
        self._client.on_disconnect = self._disconnected
        self._ready: queue.Queue[str] = queue.Queue()
        self._count = 0
        self._began = time.monotonic()
        logger.info("connecting to %s", self._where)
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
        """Close the connection."""
        spent = time.monotonic() - self._began
        logger.info("disconnected after %.3f s and %d messages", spent, self._count)
        self._client.on_disconnect = None
        self._client.disconnect()
        self._client.loop_stop()

    def drain(self) -> None:
        """Discard the messages received so far."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()

    def next(self, until: float) -> Message | None:
        """Wait for the next message until `time.monotonic()` is `until`; then return None."""
        left = until - time.monotonic()
        try:
            found = self._queue.get(timeout=left) if left > 0 else None
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
            logger.info("connected; subscribing to %s", _TOPIC)
            client.subscribe(_TOPIC)

    def _subscribed(self, _: paho.Client, __: Any, ___: int, reasons: Any, ____: Any) -> None:
        refused = any(reason.is_failure for reason in reasons)
        logger.info("the subscription is %s", "refused" if refused else "accepted")
        self._ready.put("refused the subscription" if refused else "")

    def _received(self, _: paho.Client, __: Any, message: paho.MQTTMessage) -> None:
        self._count += 1
        if len(message.payload) > MESSAGE_LIMIT:
            logger.debug("a message of %d bytes is ignored", len(message.payload))
            return
        try:
            node = message.topic.rpartition("/")[2]
        except UnicodeDecodeError:
            return
        if self._count == 1:
            logger.info("first message: %s, %d bytes", message.topic, len(message.payload))
        content = parse_message(bytes(message.payload), node)
        if content:
            self._put(content)

    def _disconnected(self, _: paho.Client, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        logger.info("%s ended the connection: %s", self._where, reason)
        self._ready.put(f"ended the connection: {reason}")
        self._put(f"ended the connection: {reason}")

    def _put(self, content: Message | str) -> None:
        """Queue a message; drop the oldest when the queue is full."""
        if self._queue.full():
            with contextlib.suppress(queue.Empty):
                self._queue.get_nowait()
        self._queue.put_nowait(content)

    def _failed(self, what: str) -> ConnectionFailedError:
        logger.info("%s %s", self._where, what)
        return ConnectionFailedError(
            f"{self._where} {what}",
            "Check the address. The port is the setting camera.mqtt_port.",
        )
