"""A real Node-RED on loopback, with stub nodes that do nothing but exist."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planted import issued, keep, lawful, secret
from virtual.nodered import installation, nodejs

from recam_deploy.flows.client import NodeRed, NodeRedLogin
from recam_deploy.flows.document import Node
from recam_deploy.settings import load_settings

CAMERA_TYPES = ("sscma", "camera", "model", "preview", "stream", "save", "capture")
FACTORY_TYPES = (
    *("ui-base", "ui-page", "ui-group", "ui-theme", "ui-text", "ui-template", "ui-gauge"),
    *("ui-chart", "ui-slider", "ui-dropdown", "OS", "Uptime", "CPUs", "Memory", "light"),
)
NO_LOGIN = NodeRedLogin()
USER = "admin"
PASSWORD, TOKEN = secret("the password of Node-RED"), secret("the token of Node-RED")

_STUB = """
module.exports = function (RED) {
    function Stub(config) { RED.nodes.createNode(this, config); }
    for (const type of %s) RED.nodes.registerType(type, Stub);
};
"""
_LOGIN = """
adminAuth: {
    type: "credentials",
    users: async (name) => allowed(name === %(user)s),
    authenticate: async (name, word) => allowed(name === %(user)s && word === %(password)s),
    tokens: async (token) => allowed(token === %(token)s),
},
"""


def program() -> tuple[Path, Path]:
    """Node.js and Node-RED's main file, as the virtual camera installs them, once, in the cache."""
    cache = load_settings().cache_dir

    async def ensure() -> tuple[Path, Path]:
        node = await nodejs.ensure(cache, print)
        return node.program, (await installation.ensure(cache, node, print)).program

    return asyncio.run(ensure())


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Runtime:
    """A running Node-RED."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    def client(
        self, login: NodeRedLogin = NO_LOGIN, timeout: float = 15.0, **options: Any
    ) -> NodeRed:
        return NodeRed("127.0.0.1", self.port, login, timeout=timeout, **options)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def set(self, nodes: Iterable[Node]) -> None:
        """Make these its flows, whatever they were."""
        with self.client() as client:
            client.write(tuple(nodes), client.read().rev)

    def alive(self) -> bool:
        return self.process.poll() is None


@contextmanager
def node_red(
    folder: Path,
    *,
    types: Iterable[str] = (*CAMERA_TYPES, *FACTORY_TYPES),
    login: bool = False,
    settings: str = "",
    started: str = "Started flows",
) -> Iterator[Runtime]:
    """Start a Node-RED in `folder`, with stubs for `types`; ends it in the end.

    `settings` are more lines of its settings.js; its log says `started` when it is up.
    """
    (node, main), port = program(), free_port()
    nodes = folder / "stubs"
    nodes.mkdir(parents=True)
    (nodes / "stubs.js").write_text(_STUB % json.dumps(list(types)))
    html = "".join(f'<script data-template-name="{kind}"></script>\n' for kind in types)
    (nodes / "stubs.html").write_text(html)
    words = {"user": USER, "password": PASSWORD, "token": TOKEN}
    secured = _LOGIN % {name: json.dumps(word) for name, word in words.items()} if login else ""
    keep(
        folder / "settings.js",
        f"""const allowed = (is) => (is ? {{ username: "{USER}", permissions: "*" }} : null);
        module.exports = {{
            uiHost: "127.0.0.1", uiPort: {port}, flowFile: "flows.json",
            nodesDir: {json.dumps([str(nodes)])}, {secured} {settings}
            runtimeState: {{ enabled: true }}, telemetry: {{ enabled: false }},
            externalModules: {{ autoInstall: false, palette: {{ allowInstall: false }} }},
        }};""",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(node), str(main), "-u", str(folder), "-s", str(folder / "settings.js")],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            start_new_session=True,
        )
    runtime = Runtime(process, port, folder)
    try:
        _wait_for(lambda: started in runtime.log() or not runtime.alive())
        assert runtime.alive(), runtime.log()
        yield runtime
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        _note_tokens(lawful(folder / ".sessions.json"))


def _note_tokens(sessions: Path) -> None:
    """The tokens that Node-RED gave for a password are secrets of the tests too."""
    if sessions.exists():
        for token in json.loads(sessions.read_text()):
            issued(token, "a token that Node-RED gave")


def _wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.05)


class Proxy:
    """A TCP proxy that can cut the connection once, after a request with `trigger` went through.

    With `before`, it is cut before the request reaches the other side. A context manager.
    """

    def __init__(self, port: int, trigger: bytes, *, before: bool = False) -> None:
        self._target, self._trigger, self._before = port, trigger, before
        self._armed = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                inside, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(inside,), daemon=True).start()

    def _pass_on(self, inside: socket.socket) -> None:
        with inside, socket.create_connection(("127.0.0.1", self._target)) as outside:
            answers = threading.Thread(target=_copy, args=(outside, inside), daemon=True)
            cut = False
            while data := _received(inside):
                cut = cut or (self._armed and data.startswith(self._trigger))
                if cut and self._armed:
                    self._armed = False
                    if self._before:
                        return
                    inside.shutdown(socket.SHUT_WR)
                    outside.sendall(data)
                    self._swallow(inside, outside)
                    return
                outside.sendall(data)
                if not answers.is_alive() and answers.ident is None:
                    answers.start()

    @staticmethod
    def _swallow(inside: socket.socket, outside: socket.socket) -> None:
        """Let the request end and be dealt with; none of the answer goes back."""
        inside.settimeout(0.3)
        while data := _received(inside):
            outside.sendall(data)
        time.sleep(0.5)


def _received(link: socket.socket) -> bytes:
    try:
        return link.recv(1 << 16)
    except OSError:
        return b""


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := _received(source):
            target.sendall(data)
    except OSError:
        pass


def document(path: Path) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return nodes
