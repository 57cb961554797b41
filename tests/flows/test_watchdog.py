"""The camera's watchdog restarts services and flows; what is reported is read again first."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast

import pytest
from hostile_servers import reply, serving
from node_red_runs import Runtime, free_port
from own_flows import CAMERA, MODEL, own_flows
from paho.mqtt import publish

from recam_deploy.artifact import Artifact
from recam_deploy.camera.deployment import Deployment
from recam_deploy.camera.lock import Lock
from recam_deploy.doctor import camera as doctor_camera
from recam_deploy.doctor import node_red as doctor_node_red
from recam_deploy.errors import ConnectionFailedError, LiveError
from recam_deploy.flows.client import NodeRed
from recam_deploy.flows.push import PushResult
from recam_deploy.interaction import NoInteraction
from recam_deploy.settings import Settings, load_settings
from recam_deploy.ssh.connection import Connection
from recam_deploy.workflows import go_live as live
from recam_deploy.workflows.deploy import CameraContext
from recam_deploy.workflows.flows import (
    LazyConnection,
    choose_flow,
    push_and_wait,
    wanted_flow,
)

Meanwhile = Callable[[Callable[[], None]], None]

EVENT = {"resolution": [640, 480], "boxes": [[10, 10, 4, 4, 50, 0]], "labels": ["a"]}
EXISTS, NOT_SUPPORTED = 11, 8
NORMAL, FAILED = 0, 2


class NoSsh:
    """A connection that is lost at once."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionFailedError("no SSH here", "")


class Camera:
    """The services of a camera around a real Node-RED and broker; ``status`` is sscma-node's."""

    def __init__(self, runtime: Runtime, broker: int, http_port: int, folder: Path) -> None:
        self.broker = broker
        loaded = load_settings({})
        self.settings: Settings = loaded.model_copy(
            update={
                "camera": loaded.camera.model_copy(
                    update={
                        "host": "127.0.0.1",
                        "port": free_port(),
                        "http_port": http_port,
                        "mqtt_port": broker,
                        "preview_port": free_port(),
                        "node_red_port": runtime.port,
                        "flow_backups": folder / "backups",
                        "timeout": 5.0,
                    }
                )
            }
        )

    def publishes(self, node: str, name: str, code: int = 0, data: Any = "") -> None:
        content = json.dumps({"type": 0, "name": name, "code": code, "data": data})
        topic = f"sscma/v0/recamera/node/out/{node}"
        publish.single(topic, content, hostname="127.0.0.1", port=self.broker)

    def sends_results(self, count: int = 4) -> None:
        for number in range(count):
            self.publishes(MODEL, "invoke", data={**EVENT, "count": number, "perf": [[1, 2, 3]]})
            time.sleep(0.1)


@pytest.fixture
def status() -> dict[str, int]:
    """How the supervisor says that the services do."""
    return {"sscmaNode": NORMAL, "nodeRed": NORMAL}


@pytest.fixture
def camera(
    runtime: Runtime, broker: int, status: dict[str, int], tmp_path: Path
) -> Iterator[Camera]:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        told = {"queryServiceStatus": status, "getModelInfo": {"model_info": ""}}
        data = told.get(handler.path.rpartition("/")[2], {})
        reply(handler, json.dumps({"code": 0, "msg": "OK", "data": data}).encode())

    runtime.set(own_flows())
    with serving(answer) as port:
        yield Camera(runtime, broker, port, tmp_path)


@pytest.fixture
def meanwhile() -> Iterator[Meanwhile]:
    """Run what happens on the camera while a command waits."""
    threads: list[threading.Thread] = []

    def begin(events: Callable[[], None]) -> None:
        threads.append(threading.Thread(target=events, daemon=True))
        threads[-1].start()

    yield begin
    for thread in threads:
        thread.join(30)


def set_state(runtime: Runtime, state: str) -> None:
    body, headers = json.dumps({"state": state}).encode(), {"Content-Type": "application/json"}
    with runtime.client() as client:
        client._http.exchange("POST", "/flows/state", headers=headers, body=body)


def when_pushed(runtime: Runtime, *, restored: bool = False) -> None:
    """Wait until the preview is there, and for recam to wait for the service.

    With `restored`, wait until the flows from before are back, which have no preview.
    """
    with runtime.client() as client:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if any(node["type"] == "preview" for node in client.read().nodes) != restored:
                break
            time.sleep(0.05)
    time.sleep(0.5)


def pushed_to(camera: Camera, runtime: Runtime) -> PushResult:
    connection = LazyConnection(
        camera.settings, NoInteraction(), connection=cast(Connection, NoSsh())
    )
    target = wanted_flow(camera.settings, choose_flow("preview", None), connection)
    with runtime.client() as client:
        return push_and_wait(
            *(camera.settings, NoInteraction(), client, target, connection),
            approve=lambda _: None,
            restart=False,
        )


def test_a_node_that_is_still_there_from_before_is_waited_for(
    runtime: Runtime, camera: Camera, meanwhile: Meanwhile
) -> None:
    def events() -> None:
        when_pushed(runtime)
        camera.publishes(CAMERA, "create")
        camera.publishes(MODEL, "create", EXISTS, "Singleton node already exists")
        time.sleep(1)
        camera.publishes(MODEL, "create")

    meanwhile(events)
    assert pushed_to(camera, runtime).nodes_ready


def test_one_that_stays_refused_is_an_error_in_the_service_s_words(
    runtime: Runtime,
    camera: Camera,
    meanwhile: Meanwhile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("recam_deploy.live.watching._RESTART_SECONDS", 1.0)

    def events() -> None:
        when_pushed(runtime)
        camera.publishes(CAMERA, "create")
        camera.publishes(MODEL, "create", EXISTS, "Singleton node already exists")

    meanwhile(events)
    with pytest.raises(LiveError, match="Singleton node already exists"):
        pushed_to(camera, runtime)


def test_flows_that_the_watchdog_stops_meanwhile_are_reported_when_they_run_again(
    runtime: Runtime, camera: Camera, meanwhile: Meanwhile
) -> None:
    def events() -> None:
        when_pushed(runtime)
        set_state(runtime, "stop")
        camera.publishes(CAMERA, "create")
        camera.publishes(MODEL, "create")
        time.sleep(1.5)
        set_state(runtime, "start")

    meanwhile(events)
    pushed = pushed_to(camera, runtime)
    with runtime.client() as client:
        assert pushed.nodes_ready
        assert client.runs() is True


@pytest.fixture
def context(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> live.GoLiveContext:
    monkeypatch.setattr(live, "_FIRST_SECONDS", 2.0)
    connection = cast(Connection, NoSsh())
    opened = CameraContext.of(camera.settings, NoInteraction(), connection)
    return live.GoLiveContext(opened, cast(Lock, None))


def go(context: live.GoLiveContext) -> live.LiveOutcome:
    """Go live with a model that this run has not changed."""
    deployment = Deployment("model", "id", "sha", 0, None, None, changed=False, trial=None)

    class Named:
        name = "mine"
        labels = ("a",)

    artifact = cast(Artifact, Named())
    return live.go_live(context, artifact, deployment, choose_flow("preview", None))


def test_a_model_is_not_blamed_for_a_service_that_is_restarted(
    runtime: Runtime,
    camera: Camera,
    status: dict[str, int],
    context: live.GoLiveContext,
    meanwhile: Meanwhile,
) -> None:
    def events() -> None:
        when_pushed(runtime)
        camera.publishes(CAMERA, "create")
        camera.publishes(MODEL, "create")
        status["sscmaNode"] = FAILED  # no result comes for longer than is waited
        time.sleep(4)
        set_state(runtime, "stop")
        set_state(runtime, "start")
        status["sscmaNode"] = NORMAL
        time.sleep(1.5)
        camera.sends_results()

    meanwhile(events)
    outcome = go(context)
    assert outcome.problem is None
    assert outcome.rolled_back is None
    assert outcome.live and outcome.live.count >= 3


def test_a_model_is_not_blamed_while_node_red_itself_is_restarted(
    runtime: Runtime,
    camera: Camera,
    context: live.GoLiveContext,
    meanwhile: Meanwhile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs, away = NodeRed.runs, threading.Event()

    def closed_while_away(client: NodeRed) -> bool | None:
        if away.is_set():
            raise ConnectionFailedError("connection refused", "")
        return runs(client)

    monkeypatch.setattr(NodeRed, "runs", closed_while_away)

    def events() -> None:
        when_pushed(runtime)
        camera.publishes(CAMERA, "create")
        camera.publishes(MODEL, "create")
        time.sleep(1)
        away.set()  # no result comes for longer than is waited
        time.sleep(3)
        away.clear()
        time.sleep(1.5)
        camera.sends_results()

    meanwhile(events)
    outcome = go(context)
    assert outcome.problem is None
    assert outcome.live and outcome.live.count >= 3


def test_a_model_that_gives_no_results_while_all_is_well_is_taken_back(
    runtime: Runtime,
    camera: Camera,
    context: live.GoLiveContext,
    meanwhile: Meanwhile,
) -> None:
    def events() -> None:
        when_pushed(runtime)
        camera.publishes(CAMERA, "create")
        camera.publishes(MODEL, "create", NOT_SUPPORTED, "Model not supported")
        when_pushed(runtime, restored=True)
        camera.publishes(CAMERA, "create")
        camera.publishes(MODEL, "create")

    meanwhile(events)
    outcome = go(context)
    assert outcome.problem and "Model not supported" in outcome.problem.message
    assert outcome.rolled_back and outcome.rolled_back.model


def test_the_doctor_looks_again_before_it_says_that_something_is_down(
    runtime: Runtime,
    camera: Camera,
    status: dict[str, int],
    meanwhile: Meanwhile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor_camera, "_AGAIN_SECONDS", 1.0)
    status["sscmaNode"] = FAILED
    set_state(runtime, "stop")

    def events() -> None:
        time.sleep(0.5)
        set_state(runtime, "start")
        status["sscmaNode"] = NORMAL

    meanwhile(events)
    assert doctor_node_red.look(camera.settings.camera).runs is True
    status["sscmaNode"] = FAILED
    meanwhile(events)
    assert doctor_camera.look(camera.settings.camera).services == {
        "sscmaNode": NORMAL,
        "nodeRed": NORMAL,
    }
