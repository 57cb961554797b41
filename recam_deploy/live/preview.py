"""Live results from the model node's own socket; the one module that imports websockets.

The node opens it when it is made, on port 8090 (sscma-example-sg200x, solutions/sscma-node/main/
node/model.cpp, `onCreate`), and sends each event as one text.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from ..errors import ConnectionFailedError
from .events import MESSAGE_LIMIT, Message, parse_message

_AGAIN_SECONDS = 1.0


class PreviewSource:
    """Events of the model node; a context manager.

    The node closes its socket whenever it is made anew, so a lost connection is made again.
    """

    def __init__(self, host: str, port: int, *, timeout: float) -> None:
        self._uri = f"ws://{f'[{host}]' if ':' in host else host}:{port}/"
        self._where = f"the camera's preview socket ({host} port {port})"
        self._timeout = timeout
        self._link: Connection | None = None
        self._stack = ExitStack()
        self._problem = "does not answer"

    def __enter__(self) -> PreviewSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._link = None
        self._stack.close()

    def drain(self) -> None:
        """Begin anew: what comes on the old connection is of the old model."""
        self.close()

    def open(self) -> None:
        """Connect now. Raises ConnectionFailedError when nobody answers."""
        try:
            self._link = self._stack.enter_context(self._open(self._timeout))
        except (OSError, WebSocketException) as error:
            self._problem = _told(error)
            raise self._failed() from error

    def next(self, until: float) -> Message | None:
        """The next message; None when `time.monotonic()` gets to `until` before one comes.

        Raises ConnectionFailedError when there was no connection until then.
        """
        while (left := until - time.monotonic()) > 0:
            try:
                if self._link is None:
                    self._link = self._stack.enter_context(self._open(min(self._timeout, left)))
                found = parse_message(self._link.recv(timeout=left))
                if found:
                    return found
            except TimeoutError:
                if self._link:
                    return None
            except (OSError, WebSocketException) as error:
                self._problem = _told(error)
                self.close()
                time.sleep(min(_AGAIN_SECONDS, max(0.0, until - time.monotonic())))
        if self._link is None:
            raise self._failed()
        return None

    def _failed(self) -> ConnectionFailedError:
        return ConnectionFailedError(
            f"{self._where} {self._problem}",
            "Check the address; the port is the setting camera.preview_port. The socket is "
            "there while a model node runs.",
        )

    def _open(self, seconds: float) -> AbstractContextManager[Connection]:
        return connect(
            self._uri,
            open_timeout=seconds,
            close_timeout=1,
            max_size=MESSAGE_LIMIT,
            compression=None,
            proxy=None,
        )


def _told(error: Exception) -> str:
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"
