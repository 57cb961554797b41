"""The virtual camera's Node-RED: the real program, our nodes, a real broker, a real browser."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, open_page
from PIL import Image
from virtual.layout import SetupError
from virtual.nodered.runtime import NodeRed
from virtual.nodered.settings import Login, nodes_package

from recam_deploy.settings import load_settings

from .conftest import DEVICE
from .nodered_rig import (
    CAMERA,
    CLIENT,
    MODEL,
    PREVIEW,
    TAB,
    Admin,
    RefusedError,
    Service,
    broker,
    free_port,
    live_boxes,
    mosquitto,
    reachable,
    wait_for,
)

pytestmark = pytest.mark.skipif(mosquitto() is None, reason="there is no mosquitto on this machine")

Start = Callable[..., "Running"]


class Running:
    """A Node-RED of the virtual camera's in an event loop of its own."""

    def __init__(self, folder: Path, mqtt_port: int, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        cache = load_settings().general.cache_dir
        options = {"http_port": free_port(), **options}
        self.runtime = NodeRed(folder=folder, mqtt_port=mqtt_port, cache_dir=cache, **options)
        try:
            self.url = self._loop.run_until_complete(self.runtime.start())
        except BaseException:
            self._loop.close()
            raise
        self.admin = Admin(self.url)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def log(self) -> str:
        return self.runtime.folder.log.read_text(encoding="utf-8")

    def let_run(self, seconds: float) -> None:
        """Let its own tasks run: here they do only when they are let."""
        self._loop.run_until_complete(asyncio.sleep(seconds))

    def stop(self) -> None:
        if not self._loop.is_closed():
            self._loop.run_until_complete(self.runtime.stop())
            self._loop.close()


@pytest.fixture(scope="module")
def mqtt_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with broker(tmp_path_factory.mktemp("broker")) as port:
        yield port


@pytest.fixture(scope="module")
def node_red(mqtt_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One Node-RED for this file's tests, in a folder whose name has a space."""
    running = Running(tmp_path_factory.mktemp("virtual camera"), mqtt_port)
    yield running
    running.stop()


@pytest.fixture
def start(mqtt_port: int) -> Iterator[Start]:
    """Start others; every one is stopped at the end."""
    with contextlib.ExitStack() as stack:

        def begin(folder: Path, **options: Any) -> Running:
            running = Running(folder, mqtt_port, **options)
            stack.callback(running.stop)
            return running

        yield begin


@pytest.fixture
def service(mqtt_port: int) -> Iterator[Service]:
    listening = Service(mqtt_port)
    yield listening
    listening.close()


@pytest.fixture(scope="module")
def picture() -> str:
    """A grey 320 × 240 JPEG, as an event carries it."""
    data = io.BytesIO()
    Image.new("RGB", (320, 240), (90, 90, 90)).save(data, "JPEG")
    return base64.b64encode(data.getvalue()).decode()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[int]:
    """An HTTP server of the folder's files."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def invoke(picture: str) -> dict[str, Any]:
    return {
        "count": 2,
        "resolution": [320, 240],
        "perf": [[5, 60, 3]],
        "image": picture,
        "labels": ["circle", "square"],
        "boxes": [[80, 100, 60, 40, 93, 0], [220, 150, 80, 90, 71, 1]],
    }


def test_a_new_camera_holds_a_flow_whose_model_runs_and_no_preview(
    start: Start, service: Service, tmp_path: Path
) -> None:
    running = start(tmp_path)
    document = running.admin.ask("/flows")
    kinds = [node["type"] for node in document["flows"]]
    assert kinds.count("camera") == kinds.count("model") == kinds.count("sscma") == 1
    assert "preview" not in kinds
    assert service.asked("clear").node == ""
    created = service.asked("create")
    assert created.data["type"] == "camera"
    model = service.asked("create")
    assert (model.data["type"], model.data["dependencies"]) == ("model", [created.node])
    assert model.data["config"]["uri"] == ""
    assert model.data["config"]["debug"] is False


def test_the_cameras_node_types_and_its_version_are_there(node_red: Running) -> None:
    types = node_red.admin.types()
    for kind in ("sscma", "camera", "model", "preview", "stream", "save"):
        assert types[kind]["enabled"], kind
        assert "err" not in types[kind], kind
    assert node_red.admin.ask("/settings")["version"].startswith("4.0.")


def test_flows_are_stopped_and_started_as_on_the_camera(node_red: Running) -> None:
    assert node_red.admin.ask("/flows/state", {"state": "stop"})["state"] == "stop"
    assert node_red.admin.ask("/flows/state", {"state": "start"})["state"] == "start"


def test_a_stale_revision_changes_nothing(node_red: Running) -> None:
    before = node_red.admin.ask("/flows")
    with pytest.raises(RefusedError, match="409"):
        node_red.admin.ask("/flows", {"flows": [], "rev": "stale"})
    assert node_red.admin.ask("/flows") == before


def test_a_push_asks_the_service_for_its_nodes_through_the_ports_of_a_real_camera(
    node_red: Running, service: Service
) -> None:
    node_red.admin.push(live_boxes())
    assert service.asked("clear").node == ""
    created = [service.asked("create"), service.asked("create")]
    camera, model = sorted(created, key=lambda request: str(request.data["type"]))
    assert camera.node == CAMERA
    assert camera.data == {
        "type": "camera",
        "config": {"option": "0", "preview": False, "audio": 0},
        "dependencies": [],
        "dependents": [MODEL],
    }
    assert model.node == MODEL
    assert model.data["dependencies"] == [CAMERA]
    assert model.data["dependents"] == []  # a preview is no node of the service's
    assert model.data["config"] == {
        "uri": "",
        "tiou": 0.4,
        "tscore": 0.5,
        "trace": False,
        "counting": False,
        "debug": True,  # by itself, because a preview is wired to it
        "splitter": [0, 0, 0, 0],
        "labels": ["circle", "square"],
    }


def test_a_new_push_ends_the_old_nodes_first(node_red: Running, service: Service) -> None:
    node_red.admin.push(live_boxes())
    service.asked("create", MODEL)
    service.forget()
    node_red.admin.push(live_boxes(tscore="0.7"), "nodes")
    assert service.asked("destroy").node == MODEL
    assert service.asked("create").data["config"]["tscore"] == 0.7
    assert service.requests.empty()  # the camera went on undisturbed


@pytest.mark.parametrize("wrong", [{"splitter": None}, {"classes": ["circle"]}])
def test_a_model_whose_lists_are_no_texts_fails_as_on_the_camera(
    node_red: Running, service: Service, wrong: dict[str, Any]
) -> None:
    node_red.admin.push(live_boxes())
    service.asked("create", MODEL)
    service.forget()
    node_red.admin.push(live_boxes(**wrong))
    assert service.asked("create").node == CAMERA
    assert "TypeError" in node_red.log()
    node_red.admin.push(live_boxes())
    assert service.asked("create", MODEL)


def test_port_80_of_this_machine_leads_to_the_cameras_http(start: Start, tmp_path: Path) -> None:
    web = tmp_path / "web"
    web.mkdir()
    (web / "hello").write_text("the virtual camera's own HTTP service")
    flows: list[dict[str, Any]] = [
        {"id": "10", "type": "tab", "label": "asks"},
        {"id": "11", "type": "http in", "z": "10", "url": "/ask", "method": "get"},
        {"id": "12", "type": "http request", "z": "10", "method": "GET", "ret": "txt"},
        {"id": "13", "type": "http response", "z": "10", "wires": []},
    ]
    flows[1]["wires"] = [["12"]]
    flows[2] |= {"wires": [["13"]], "url": "http://localhost/hello"}
    with serving(web) as port:
        running = start(tmp_path / "camera", http_port=port)
        running.admin.push(flows)
        wait_for(lambda: running.log().count("Started flows") == 2, "the flow is up")
        assert running.admin.ask("/ask") == "the virtual camera's own HTTP service"


@pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine")
def test_an_event_is_drawn_in_the_editor_with_a_labelled_box_each(
    node_red: Running, service: Service, picture: str, tmp_path: Path
) -> None:
    node_red.admin.push(live_boxes())
    service.asked("create", MODEL)
    node = f"document.getElementById('{PREVIEW}')"
    drawn = f"{node}?.querySelector('.virtual-recamera-picture')"
    with open_page(node_red.url) as page:
        page.wait_for(f"{node} && RED.nodes.node('{PREVIEW}')")
        service.report(MODEL, "invoke", invoke(picture))
        page.wait_for(drawn)
        size = f"(({{width, height}}) => [width, height])({drawn}.querySelector('image').getBBox())"
        page.wait_for(f"{size}[0] > 0")
        assert page.evaluate(size) == [320, 240]
        texts = f"[...{drawn}.querySelectorAll('text')].map((text) => text.textContent)"
        assert page.evaluate(texts) == ["circle(93)", "square(71)"]
        corner = f"(({{x, y, width, height}}) => [x, y, width, height])({drawn}.querySelector"
        assert page.evaluate(f"{corner}('rect').getBBox())") == [50, 80, 60, 40]
        status = "document.querySelector('.red-ui-flow-node-status-group:not([style*=none])')"
        assert page.evaluate(f"{status} !== null")
        shown = Image.open(page.screenshot(tmp_path / "editor.png"))
        assert (90, 90, 90) in {color for _, color in shown.convert("RGB").getcolors(1 << 20) or []}
        assert page.failures == []


@pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine")
def test_the_editor_lets_nobody_add_a_second_camera_or_model(node_red: Running) -> None:
    node_red.admin.push(live_boxes())
    count = "RED.nodes.filterNodes({type: '%s'}).length"
    with open_page(node_red.url) as page:
        page.wait_for(f"window.RED?.nodes?.node?.('{MODEL}')")
        for kind in ("camera", "model"):
            assert page.evaluate(count % kind) == 1
            page.evaluate(
                f"RED.nodes.import([{{id: 'second-{kind}', type: '{kind}', z: '{TAB}', x: 100,"
                f" y: 300, client: '{CLIENT}', wires: [[]]}}]), 0"
            )
            assert page.evaluate(count % kind) == 1
        assert "only be instantiated once" in page.evaluate("document.body.textContent")


def test_with_a_login_nothing_is_told_without_a_token(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path, login=Login("admin", "open sesame"))
    with pytest.raises(RefusedError, match="401"):
        running.admin.ask("/flows")
    token = running.admin.login("admin", "open sesame")
    assert Admin(running.url, token).ask("/flows")["flows"]
    settings = running.runtime.folder.settings
    assert "open sesame" not in settings.read_text()
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600


def test_a_second_start_has_the_same_port_and_the_flows_that_were_pushed(
    start: Start, tmp_path: Path
) -> None:
    first = start(tmp_path)
    first.admin.push(live_boxes())
    first.stop()
    assert not reachable(first.port)
    second = start(tmp_path)
    assert second.url == first.url
    assert second.admin.ask("/flows")["flows"] == live_boxes()


def test_a_port_that_is_taken_is_said_and_nothing_is_left_running(
    start: Start, node_red: Running, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match="did not start.*in use"):
        start(tmp_path, port=node_red.port)


def test_its_end_by_itself_is_reported(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    assert running.runtime.pid
    os.kill(running.runtime.pid, signal.SIGKILL)
    running.let_run(0.5)
    assert running.runtime.failure
    assert "ended by itself" in running.runtime.failure


def test_it_ends_with_the_camera_however_that_ends(mqtt_port: int, tmp_path: Path) -> None:
    words = ["--cache-dir", str(load_settings().general.cache_dir), "--dir", str(tmp_path)]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "virtual.nodered", "serve"),
            *(*words, "--mqtt-port", str(mqtt_port)),
        ],
        cwd=DEVICE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    port = int(process.stdout.readline().rpartition(":")[2])
    assert reachable(port)
    process.kill()
    process.wait()
    wait_for(lambda: not reachable(port), "Node-RED ends")


def test_a_folder_without_the_nodes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="holds no package with the nodes"):
        nodes_package(tmp_path)
