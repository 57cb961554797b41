"""A real broker and a real Node-RED on loopback, and what the tests ask of them."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "Node-RED-API-Version": "v2",
}
LIVE_BOXES = Path(__file__).with_name("live_boxes.json")
SECONDS = 30.0

TAB, CLIENT, CAMERA, MODEL, PREVIEW = (16 * letter for letter in "ecabd")


def mosquitto() -> str | None:
    return shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[int]:
    """A mosquitto on a free port."""
    port = free_port()
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    process = subprocess.Popen([mosquitto() or "", "-c", settings], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: reachable(port), "mosquitto listens")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def reachable(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_for(condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)
    return value


@dataclass(frozen=True)
class Request:
    """What a node asked of the inference service."""

    node: str
    name: str
    data: Any


class Service:
    """Stands in the place of the camera's inference service on the broker."""

    def __init__(self, port: int) -> None:
        self.requests: queue.Queue[Request] = queue.Queue()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._hear
        ready: queue.Queue[bool] = queue.Queue()
        self._client.on_subscribe = lambda *_: ready.put(True)
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("sscma/v0/recamera/node/in/#")
        self._client.loop_start()
        ready.get(timeout=SECONDS)

    def _hear(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        content = json.loads(message.payload)
        assert content["type"] == 3
        node = message.topic.removeprefix("sscma/v0/recamera/node/in/")
        self.requests.put(Request(node, content["name"], content["data"]))

    def asked(self, name: str, node: str | None = None) -> Request:
        """The next request of that name, those before it skipped."""
        while True:
            request = self.requests.get(timeout=SECONDS)
            if request.name == name and node in (None, request.node):
                return request

    def forget(self) -> None:
        while not self.requests.empty():
            self.requests.get_nowait()

    def report(self, node: str, name: str, data: Any, code: int = 0, kind: int = 1) -> None:
        content = {"type": kind, "name": name, "code": code, "data": data}
        self._client.publish(f"sscma/v0/recamera/node/out/{node}", json.dumps(content))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Socket:
    """Stands in the place of one of the camera's websockets, at a port of its own."""

    def __init__(self, port: int) -> None:
        self._open: set[ServerConnection] = set()
        self._server = serve(self._serve, "127.0.0.1", port, compression=None)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _serve(self, connection: ServerConnection) -> None:
        self._open.add(connection)
        try:
            for _ in connection:
                pass
        finally:
            self._open.discard(connection)

    @property
    def readers(self) -> int:
        """How many browsers read it now."""
        return len(self._open)

    def send(self, message: bytes) -> None:
        for connection in list(self._open):
            with contextlib.suppress(ConnectionClosed):
                connection.send(message)

    def close(self) -> None:
        self._server.shutdown()
        for connection in list(self._open):
            connection.close()


class RefusedError(Exception):
    """Node-RED answered, and not with success."""


class Admin:
    """Node-RED's Admin API, with a login's token where there is one."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._address = url.removeprefix("http://")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, path: str, body: Any = None, **headers: str) -> Any:
        """GET, or POST with a body; the JSON or text of the reply. Raises RefusedError."""
        connection = http.client.HTTPConnection(self._address, timeout=SECONDS)
        with contextlib.closing(connection):
            sent = None if body is None else json.dumps(body)
            method = "GET" if body is None else "POST"
            connection.request(method, path, sent, {**HEADERS, **self._headers, **headers})
            reply = connection.getresponse()
            text = reply.read().decode()
        if reply.status >= 300:
            raise RefusedError(f"{reply.status} {text}")
        return json.loads(text) if text[:1] in ("{", "[") else text

    def login(self, user: str, password: str) -> str:
        """A token for all that can be done."""
        form = {"client_id": "node-red-admin", "grant_type": "password", "scope": "*"}
        answer = self.ask("/auth/token", {**form, "username": user, "password": password})
        return str(answer["access_token"])

    def push(self, flows: list[dict[str, Any]], deployment: str = "full") -> str:
        before = self.ask("/flows")["rev"]
        body = {"flows": flows, "rev": before}
        return str(self.ask("/flows", body, **{"Node-RED-Deployment-Type": deployment})["rev"])

    def types(self) -> dict[str, dict[str, Any]]:
        """Every installed node type, and the node set that it belongs to."""
        return {kind: entry for entry in self.ask("/nodes") for kind in entry["types"]}


def live_boxes(**model: Any) -> list[dict[str, Any]]:
    """camera → model → preview with the ports of a real camera; `model` changes that node."""
    flows: list[dict[str, Any]] = json.loads(LIVE_BOXES.read_text(encoding="utf-8"))
    return [{**node, **model} if node["id"] == MODEL else node for node in flows]


def invoke(picture: str) -> dict[str, Any]:
    """An event's data: two boxes in a picture of 320 × 240."""
    return {
        "count": 2,
        "resolution": [320, 240],
        "perf": [[5, 60, 3]],
        "image": picture,
        "labels": ["circle", "square"],
        "boxes": [[80, 100, 60, 40, 93, 0], [220, 150, 80, 90, 71, 1]],
    }
