"""One running Node-RED: started, watched, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import os
import socket
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path

from ..layout import HOST, SetupError
from . import installation, nodejs
from .installation import DASHBOARD
from .programs import end_group
from .settings import FACTORY_FLOWS, NEWEST, Folder, Login, Place, nodes_packages

log = logging.getLogger("virtual")

PRELOAD = Path(__file__).resolve().parent / "preload.js"
CAMERA_MQTT, CAMERA_HTTP, CAMERA_NODE_RED = 1883, 80, 1880
CAMERA_VIDEO, CAMERA_PREVIEW = 8080, 8090
LISTENS = "Server now running at"

READY_SECONDS = 90.0  # Node-RED takes 2 s on an idle machine, and a busy one is not broken.
STOP_SECONDS = 20.0  # It gives its nodes 15 s to close.
POLL_SECONDS = 0.1
TRIES = 3
LOG_LINES = 3


class NodeRed:
    """The virtual camera's Node-RED, a child process.

    ``folder`` is the camera's own; everything of Node-RED's lies in ``folder/nodered``. It listens
    at ``host``, where the camera's other services are too. A ``port``
    of 0 is the one of the last run or, when that is taken, any free one. Flows name the camera's
    ports 1883 and 80 and reach ``mqtt_port`` and ``http_port``; the browser reads ``video_port``
    and ``preview_port``. The stand-ins are those of ``nodes_version``; ``nodes`` is a folder with
    Seeed's own nodes, to be used in place of them. With ``dashboard``, the nodes of a new camera's
    flows that come from npm are there too.
    """

    def __init__(
        self,
        *,
        folder: Path,
        mqtt_port: int,
        http_port: int,
        cache_dir: Path,
        host: str = HOST,
        port: int = 0,
        video_port: int = CAMERA_VIDEO,
        preview_port: int = CAMERA_PREVIEW,
        nodes: Path | None = None,
        nodes_version: str = NEWEST,
        dashboard: bool = False,
        login: Login | None = None,
        factory_flows: Path = FACTORY_FLOWS,
        say: Callable[[str], None] = log.info,
    ) -> None:
        self.folder = Folder(folder.resolve() / "nodered")
        self.failure: str | None = None
        self._ports = {CAMERA_MQTT: mqtt_port, CAMERA_HTTP: http_port}
        self._cache = cache_dir.expanduser().resolve()
        self._host = host
        self._port = port
        self._shown = (video_port, preview_port)
        self._nodes = nodes
        self._version = nodes_version
        self._dashboard = dashboard
        self._login = login
        self._factory_flows = factory_flows
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Return the number of the running process, which leads a group of its own."""
        return self._process.pid if self._process else None

    async def start(self) -> str:
        """Install what is missing, start, and wait until the flows are there. Returns the URL.

        Raises SetupError when any of it fails; nothing is left running then.
        """
        packages = nodes_packages(self._nodes, self._version)
        try:
            node = await nodejs.ensure(self._cache, self._say)
            installed = await installation.ensure(self._cache, node, self._say)
            if self._dashboard:
                more = await installation.ensure(self._cache, node, self._say, DASHBOARD)
                packages += more.dashboard_packages
            self.folder.prepare(self._factory_flows)
            return await self._start(node.program, installed, packages)
        except OSError as error:
            raise SetupError(f"Node-RED: {error}") from error

    async def _start(
        self, program: Path, installed: installation.Installation, packages: Sequence[Path]
    ) -> str:
        for attempt in range(1, TRIES + 1):
            port = self._port or self._free_port()
            self.folder.write_settings(Place(self._host, port, *self._shown), packages, self._login)
            try:
                await self._launch(program, installed, port)
                await self._ready(port)
                break
            except BaseException as error:
                await self.stop()
                # Between our look and its start, another program may have taken a free port.
                taken = isinstance(error, SetupError) and "in use" in str(error)
                if self._port or not taken or attempt == TRIES:
                    raise
        self.folder.port.write_text(f"{port}\n", encoding="utf-8")
        url = f"http://{self._host}:{port}"
        log.info("Node-RED is ready on %s", url)
        self._watching = asyncio.create_task(self._watch())
        return url

    def _free_port(self) -> int:
        for wanted in (self.folder.remembered_port(), 0):
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    listener.bind((self._host, wanted))
                except OSError:
                    continue
                return int(listener.getsockname()[1])
        raise SetupError(f"no free port on {self._host}")

    async def _launch(self, program: Path, installed: installation.Installation, port: int) -> None:
        hidden = {"NODE_OPTIONS", "RECAM_PASSWORD"}
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        environment |= {
            # Where the nodes find mqtt: the stand-ins and a clone bring no modules of their own.
            "NODE_PATH": str(installed.modules),
            "VIRTUAL_CAMERA": json.dumps(
                {"host": self._host, "ports": {**self._ports, CAMERA_NODE_RED: port}}
            ),
        }
        with self.folder.log.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(str(program), "--require", str(PRELOAD), str(installed.program)),
                *("--settings", str(self.folder.settings), "--userDir", str(self.folder.path)),
                cwd=self.folder.path,
                env=environment,
                # Held open, never written to: it closes when this process is gone, see PRELOAD.
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )

    async def _ready(self, port: int) -> None:
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        while not (
            self._listens() and await asyncio.to_thread(has_flows, self._host, port, self._login)
        ):
            if self._process is None or self._process.returncode is not None:
                raise SetupError(f"Node-RED did not start: {self._last_lines()}")
            if asyncio.get_running_loop().time() > deadline:
                raise SetupError(
                    f"Node-RED was not ready after {READY_SECONDS:.0f} s; see {self.folder.log}"
                )
            await asyncio.sleep(POLL_SECONDS)

    def _listens(self) -> bool:
        """Tell whether this very process got the port: another Node-RED may answer there."""
        return LISTENS in self._output()

    def _output(self) -> str:
        return self.folder.log.read_text(encoding="utf-8", errors="backslashreplace")

    def _last_lines(self) -> str:
        lines = [line.strip() for line in self._output().splitlines() if line.strip()]
        return f"{'; '.join(lines[-LOG_LINES:]) or 'it said nothing'} (see {self.folder.log})"

    async def _watch(self) -> None:
        """Say so when it ends by itself: the camera goes on without, as a real one would."""
        if self._process:
            code = await self._process.wait()
            self.failure = f"Node-RED ended by itself (exit {code}): {self._last_lines()}"
            log.error("%s", self.failure)

    async def stop(self) -> None:
        """End it and all that it started; nothing happens when it does not run."""
        if self._watching:
            self._watching.cancel()
            self._watching = None
        process, self._process = self._process, None
        if process is None:
            return
        try:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except asyncio.TimeoutError:
            log.warning("Node-RED did not end within %.0f s and was killed", STOP_SECONDS)
        finally:
            end_group(process.pid)
            await process.wait()


def has_flows(host: str, port: int, login: Login | None) -> bool:
    """Return whether a Node-RED answers there and has read its flows."""
    try:
        headers = {"Node-RED-API-Version": "v2"}
        if login:
            form = {"client_id": "node-red-admin", "grant_type": "password", "scope": "read"}
            form |= {"username": login.user, "password": login.password}
            token = _ask(host, port, "POST", "/auth/token", {}, urllib.parse.urlencode(form))
            headers["Authorization"] = f"Bearer {token['access_token']}"
        return isinstance(_ask(host, port, "GET", "/flows", headers).get("flows"), list)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return False


def _ask(
    host: str,
    port: int,
    method: str,
    path: str,
    headers: dict[str, str],
    body: str | None = None,
) -> dict[str, str]:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        if body is not None:
            headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, body, headers)
        document: dict[str, str] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return document
