"""Receive live results from the model node's websocket; the only module that imports websockets.

The node opens it when it is created, on port 8090 (sscma-example-sg200x, solutions/sscma-node/main/
node/model.cpp, `onCreate`), and sends each event as one text.
"""

from __future__ import annotations

import logging
import socket
import time
from contextlib import AbstractContextManager, ExitStack

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from ..address import for_url
from ..errors import ConnectionFailedError
from .events import MESSAGE_LIMIT, Message, parse_message

logger = logging.getLogger(__name__)

_RECONNECT_SECONDS = 1.0


class PreviewSource:
    """Events of the model node; a context manager.

    The node closes its socket whenever it is created anew, so this reconnects. `timeout` is in
    seconds, for each connection.
    """

    def __init__(self, host: str, port: int, *, timeout: float) -> None:
        self._uri = f"ws://{for_url(host)}:{port}/"
        self._server = (host, port)
        self.where = f"the camera's preview socket ({host} port {port})"
        self._timeout = timeout
        self._websocket: Connection | None = None
        self._stack = ExitStack()
        self._problem = "does not answer"
        self._count = 0

    def __enter__(self) -> PreviewSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._websocket:
            logger.info("disconnected from %s after %d messages", self._uri, self._count)
        self._websocket = None
        self._stack.close()

    def drain(self) -> None:
        """Close the connection; the next read opens another, which carries no old messages."""
        self.close()

    def open(self) -> None:
        """Connect now. Raises ConnectionFailedError when nothing answers."""
        try:
            self._websocket = self._stack.enter_context(self._open(self._timeout))
        except (OSError, WebSocketException) as error:
            self._problem = _reading_failed(error)
            logger.info("%s %s", self._uri, self._problem)
            raise self._failed() from error

    def next(self, until: float) -> Message | None:
        """Wait for the next message until `time.monotonic()` is `until`; then return None.

        Raises ConnectionFailedError when no connection was possible until then.
        """
        while (left := until - time.monotonic()) > 0:
            try:
                if self._websocket is None:
                    self._websocket = self._stack.enter_context(
                        self._open(min(self._timeout, left))
                    )
                found = parse_message(self._received(self._websocket, left))
                if found:
                    return found
            except TimeoutError:
                if self._websocket:
                    return None
            except (OSError, WebSocketException) as error:
                self._problem = _reading_failed(error)
                logger.info("%s %s", self._uri, self._problem)
                self.close()
                time.sleep(min(_RECONNECT_SECONDS, max(0.0, until - time.monotonic())))
        if self._websocket is None:
            raise self._failed()
        return None

    def _failed(self) -> ConnectionFailedError:
        return ConnectionFailedError(
            f"{self.where} {self._problem}",
            "Check the address, and that a model node runs, which opens the socket. The port is "
            "the setting camera.preview_port.",
        )

    def _received(self, websocket: Connection, seconds: float) -> str | bytes:
        data = websocket.recv(timeout=seconds)
        self._count += 1
        if self._count == 1:
            logger.info("first message from %s, %d bytes", self._uri, len(data))
        return data

    def _open(self, seconds: float) -> AbstractContextManager[Connection]:
        logger.info("connecting to %s", self._uri)
        # Its own way to connect loses an IPv6 address's scope, such as %usb0.
        link = socket.create_connection(self._server, seconds)
        return connect(
            self._uri,
            sock=link,
            open_timeout=seconds,
            close_timeout=1,
            max_size=MESSAGE_LIMIT,
            compression=None,
            proxy=None,
        )


def _reading_failed(error: Exception) -> str:
    """Describe an error of the socket for a message."""
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"
