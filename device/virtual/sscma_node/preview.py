"""A websocket of the camera's: 8090 for what a model finds, 8080 for the camera's video.

Source: ``components/sscma-micro/porting/sophgo/ma_transport_websocket.cpp``: on any path,
binary messages, each one event as JSON text with its picture, whether the flow wants
pictures or not; or one picture of the video. It is there from its node's creation to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

from aiohttp import WSCloseCode, WSMsgType, web

from .messages import Code, NodeError


class Preview:
    """Sends events to all who listen. ``bound`` keeps the port while nothing listens on it."""

    def __init__(self, bound: socket.socket) -> None:
        self._bound = bound
        self._runner: web.AppRunner | None = None
        self._listeners: set[asyncio.Queue[bytes]] = set()
        self._sockets: set[web.WebSocketResponse] = set()

    @property
    def port(self) -> int:
        port: int = self._bound.getsockname()[1]
        return port

    async def open(self) -> None:
        """Start to listen. Raises NodeError when the port cannot be listened on."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.SockSite(self._runner, self._bound.dup()).start()
        except OSError as error:
            await self.close()
            text = f"websocket port {self.port}: {os.strerror(error.errno or 0)}"
            raise NodeError(Code.IO, text) from error

    async def close(self) -> None:
        """End all connections and stop to listen; the port stays ours."""
        if self._runner is None:
            return
        for connection in list(self._sockets):
            await connection.close(code=WSCloseCode.GOING_AWAY)
        await self._runner.cleanup()
        self._runner = None
        with contextlib.suppress(OSError):
            self._bound.shutdown(socket.SHUT_RDWR)  # no longer listening, still bound

    @property
    def watched(self) -> bool:
        """Tell whether anybody reads it."""
        return bool(self._listeners)

    def send(self, message: bytes) -> None:
        """Send to every listener; each gets the newest message when it is ready for one."""
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(message)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        messages: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._listeners.add(messages)
        self._sockets.add(connection)
        sending = asyncio.ensure_future(_send_all(connection, messages))
        try:
            while (await connection.receive()).type not in (
                WSMsgType.CLOSE,
                WSMsgType.CLOSING,
                WSMsgType.CLOSED,
                WSMsgType.ERROR,
            ):
                pass  # what a client says is not read
        finally:
            sending.cancel()
            self._listeners.discard(messages)
            self._sockets.discard(connection)
        return connection


async def _send_all(connection: web.WebSocketResponse, messages: asyncio.Queue[bytes]) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        while True:
            await connection.send_bytes(await messages.get())
