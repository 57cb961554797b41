"""The virtual camera's Node-RED: the real program, started, used over HTTP, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from planted import issued, lawful, secret
from virtual.layout import SetupError
from virtual.nodered.settings import STAND_INS, Login, nodes_packages

from recam_deploy.settings import load_settings

from ..conftest import DEVICE
from .conftest import Running, Start
from .rig import MODEL, Admin, RefusedError, Service, live_boxes, reachable, wait_for

PASSWORD = secret("the password of the camera's Node-RED")


def test_a_new_camera_holds_a_flow_whose_model_runs_and_no_preview(
    start: Start, service: Service, tmp_path: Path
) -> None:
    running = start(tmp_path)
    document = running.admin.ask("/flows")
    kinds = [node["type"] for node in document["flows"]]
    assert kinds.count("camera") == kinds.count("model") == kinds.count("sscma") == 1
    assert "preview" not in kinds
    assert service.asked("clear").node == ""
    # Other Node-REDs of this run may use the same broker.
    ids = {node["type"]: node["id"] for node in document["flows"]}
    created = service.asked("create", ids["camera"])
    assert created.data["type"] == "camera"
    model = service.asked("create", ids["model"])
    assert (model.data["type"], model.data["dependencies"]) == ("model", [created.node])
    assert model.data["config"]["uri"] == ""
    assert model.data["config"]["debug"] is False


def test_the_cameras_node_types_and_its_version_are_there(node_red: Running) -> None:
    types = node_red.admin.types()
    for kind in ("sscma", "camera", "model", "preview", "stream", "save", "capture"):
        assert types[kind]["enabled"], kind
        assert "err" not in types[kind], kind
    assert node_red.admin.ask("/settings")["version"] == "4.1.0"


def test_flows_are_stopped_and_started_as_on_the_camera(node_red: Running) -> None:
    assert node_red.admin.ask("/flows/state", {"state": "stop"})["state"] == "stop"
    assert node_red.admin.ask("/flows/state", {"state": "start"})["state"] == "start"


def test_a_stale_revision_changes_nothing(node_red: Running) -> None:
    before = node_red.admin.ask("/flows")
    with pytest.raises(RefusedError, match="409"):
        node_red.admin.ask("/flows", {"flows": [], "rev": "stale"})
    assert node_red.admin.ask("/flows") == before


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[int]:
    """An HTTP server of the folder's files."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


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


def test_with_a_login_nothing_is_told_without_a_token(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path, login=Login("admin", PASSWORD))
    with pytest.raises(RefusedError, match="401"):
        running.admin.ask("/flows")
    token = issued(running.admin.login("admin", PASSWORD), "a token of Node-RED's")
    lawful(running.runtime.folder.settings.parent / ".sessions.json")
    assert Admin(running.url, token).ask("/flows")["flows"]
    settings = running.runtime.folder.settings
    assert PASSWORD not in settings.read_text()
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
    words = ["--cache-dir", str(load_settings().cache_dir), "--dir", str(tmp_path)]
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
        nodes_packages(tmp_path)


def test_a_clone_of_the_nodes_repository_is_used_in_place_of_the_stand_ins(
    start: Start, service: Service, tmp_path: Path
) -> None:
    """The clone here holds the stand-ins under another name: it shows which were loaded."""
    clone = tmp_path / "clone"
    package = clone / "node-red-contrib-sscma"
    shutil.copytree(STAND_INS / "common", clone / "common")
    shutil.copytree(STAND_INS / "0.3.6", package)
    description = json.loads((package / "package.json").read_text())
    description["node-red"]["nodes"]["sscma"] = "../common/sscma.js"
    (package / "package.json").write_text(json.dumps({**description, "name": package.name}))
    running = start(tmp_path / "camera", nodes=clone)
    assert running.admin.types()["model"]["module"] == package.name
    running.admin.push(live_boxes())
    assert service.asked("create", MODEL)
