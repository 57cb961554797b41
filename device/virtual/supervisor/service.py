"""Serve HTTP: who is asked, what is read of a request, what is said of what is unknown.

Sources: ``http_server.h``, ``http_interface.h``, ``api_base.h``. Every call takes any method.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web

from . import device
from .login import Login
from .models import Models, Part
from .replies import CallError, reply

if TYPE_CHECKING:
    from ..layout import Layout
    from ..releases import Release

log = logging.getLogger("virtual")

PREFIX = "/api/"
# The web server of the camera closes the connection on anything longer.
RECEIVED_AT_MOST = 20 << 20
STATIC = (".png", ".html", "assets", "js")
ACCESS_POINT = "192.168.16.1"
PAGE = "This is a virtual reCamera. Its API is under /api/, its flows are in Node-RED.\n"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Call:
    """A function that answers a call, and whether that wants a token."""

    handler: Handler
    login: bool = False


class Supervisor:
    """Serves the API on a bound socket.

    ``status`` tells how the other services do, ``ssh`` whether the SSH server is on.
    """

    def __init__(
        self,
        layout: Layout,
        bound: socket.socket,
        status: Callable[[], dict[str, int]],
        release: Release,
        *,
        ssh: bool = True,
    ) -> None:
        self._release = release
        self._bound = bound
        self._runner: web.AppRunner | None = None
        self._login = Login(layout, ssh=ssh)
        self._models = Models(layout)
        self._status = status
        self._calls = {
            "version": Call(self._version),
            "userMgr/login": Call(self._enter),
            "userMgr/queryUserInfo": Call(self._user_info),
            "deviceMgr/getDeviceInfo": Call(self._device_info, login=True),
            "deviceMgr/queryDeviceInfo": Call(self._query_device_info),
            "deviceMgr/getSystemStatus": Call(self._system_status, login=True),
            "deviceMgr/queryServiceStatus": Call(self._service_status),
            "deviceMgr/queryBatteryInfo": Call(self._battery_info),
            "deviceMgr/getModelFile": Call(self._model_file),
            "deviceMgr/getModelInfo": Call(self._model_info),
            "deviceMgr/getModelList": Call(self._model_list),
            "deviceMgr/uploadModel": Call(self._upload_model),
        }

    @property
    def port(self) -> int:
        port: int = self._bound.getsockname()[1]
        return port

    async def start(self) -> None:
        app = web.Application(client_max_size=RECEIVED_AT_MOST)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, self._bound).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if (request.content_length or 0) >= RECEIVED_AT_MOST:
            return _hang_up(request)
        _, api, name = request.path.partition(PREFIX)
        call = self._calls.get(name)
        if call is None:
            # The camera takes what begins with a call's name for it, and asks for no token then.
            known = (Call(c.handler) for key, c in self._calls.items() if name.startswith(key))
            call = next(known, None)
        if not api or call is None:
            return _unknown(request)
        if call.login and not self._login.accepts(_parameter(request, "Authorization")):
            return web.Response(status=401, text="Unauthorized")
        log.info("http %s %s", request.method, request.path)
        try:
            return await call.handler(request)
        except CallError as error:
            return reply(error.data, -1, error.message)
        except web.HTTPRequestEntityTooLarge:
            return _hang_up(request)

    async def _version(self, _request: web.Request) -> web.Response:
        return reply(device.SUPERVISOR_VERSION, more=device.times())

    async def _enter(self, request: web.Request) -> web.Response:
        return reply(self._login.enter(await _body(request)))

    async def _user_info(self, _request: web.Request) -> web.Response:
        return reply(self._login.user_info())

    async def _battery_info(self, _request: web.Request) -> web.Response:
        raise CallError("Battery not available")

    async def _device_info(self, request: web.Request) -> web.Response:
        return reply(device.info(request.host))

    async def _query_device_info(self, request: web.Request) -> web.Response:
        return reply(device.queried(request.host, self._release))

    async def _system_status(self, _request: web.Request) -> web.Response:
        return reply("System is running normally.")

    async def _service_status(self, _request: web.Request) -> web.Response:
        return reply({**self._status(), "system": 0, **device.times()})

    async def _model_file(self, _request: web.Request) -> web.StreamResponse:
        if not self._models.model.is_file():
            return web.Response(status=404, text="Not found\n")
        return web.FileResponse(self._models.model)

    async def _model_info(self, _request: web.Request) -> web.Response:
        return reply(self._models.card())

    async def _model_list(self, _request: web.Request) -> web.Response:
        return reply(self._models.presets())

    async def _upload_model(self, request: web.Request) -> web.Response:
        parts = await _parts(request)
        return reply(await asyncio.to_thread(self._models.upload, parts))


def _parameter(request: web.Request, name: str) -> str:
    """Read a parameter from the query, else from the headers."""
    return str(request.query.get(name) or request.headers.get(name, ""))


async def _body(request: web.Request) -> dict[str, Any]:
    """Read a JSON body; empty when it says not to be one, or is none."""
    if "application/json" in request.headers.get("Content-Type", ""):
        with contextlib.suppress(ValueError, RecursionError):
            document = json.loads(await request.read())
            if isinstance(document, dict):
                return document
    return {}


async def _parts(request: web.Request) -> list[Part]:
    """Read the parts of a form in their order.

    They are as many as can be read, and none of anything else.
    """
    parts: list[Part] = []
    if "multipart/form-data" not in request.headers.get("Content-Type", ""):
        return parts
    size = 0
    with contextlib.suppress(ValueError, AssertionError):
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, BodyPartReader):
                data = bytes(await part.read())
                size += len(data)
                if size >= RECEIVED_AT_MOST:
                    raise web.HTTPRequestEntityTooLarge(RECEIVED_AT_MOST, size)
                parts.append(Part(part.name or "", data))
    return parts


def _hang_up(request: web.Request) -> web.Response:
    """Close the connection; the client gets no answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=413)


def _unknown(request: web.Request) -> web.Response:
    """Answer a line of text for a file of the web page; send anything else to the page."""
    if request.path == "/":
        return web.Response(text=PAGE)
    if any(mark in request.path for mark in STATIC):
        return web.Response(status=404, text="Not found\n")
    names = [part for part in request.host.split(".") if part and ":" not in part]
    host = request.host if all(name.isdigit() for name in names) else ACCESS_POINT
    return web.Response(status=307, headers={"Location": f"http://{host}/"})
