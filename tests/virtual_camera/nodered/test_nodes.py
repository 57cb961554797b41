"""What the stand-ins for the camera's nodes say to its inference service, and hear from it."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from websockets.sync.client import connect

from recam_deploy.flows.templates import TEMPLATES, load_template

from .conftest import Running
from .rig import (
    CAMERA,
    CLIENT,
    MODEL,
    PREVIEW,
    TAB,
    RefusedError,
    Service,
    invoke,
    live_boxes,
    wait_for,
)

NOT_THERE = None  # how a number that a flow does not have travels

# What the service is told of the nodes of `live_boxes`, by the version of the nodes.
CAMERA_CONFIG: dict[str, dict[str, Any]] = {
    "0.2.7": {"option": "0", "preview": False, "audio": 0},
    "0.3.6": {
        "option": 0,
        "fps": NOT_THERE,
        "preview": False,
        "websocket": False,
        "mirror": False,
        "flip": False,
        "audio": 0,
    },
}
MODEL_CONFIG: dict[str, Any] = {
    "uri": "",
    "tiou": 0.4,
    "tscore": 0.5,
    "trace": False,
    "counting": False,
    "debug": True,  # by itself, because a preview is wired to it
    "splitter": [0, 0, 0, 0],
    "labels": ["circle", "square"],
}


@pytest.mark.parametrize("version", ["0.2.7", "0.3.6"])
def test_a_push_asks_the_service_for_its_nodes_through_the_ports_of_a_real_camera(
    version: str, request: pytest.FixtureRequest, service: Service
) -> None:
    running: Running = request.getfixturevalue("older" if version == "0.2.7" else "node_red")
    service.forget()
    running.admin.push(live_boxes())
    assert service.asked("clear").node == ""
    camera, model = service.asked("create", CAMERA), service.asked("create", MODEL)
    assert camera.data == {
        "type": "camera",
        "config": CAMERA_CONFIG[version],
        "dependencies": [],
        "dependents": [MODEL],
    }
    assert model.data["dependencies"] == [CAMERA]
    assert model.data["dependents"] == []  # a preview is no node of the service's
    more = {} if version == "0.2.7" else {"previewFps": NOT_THERE}
    assert model.data["config"] == {**MODEL_CONFIG, **more}


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("version", ["0.2.7", "0.3.6"])
def test_our_flows_run_on_nodes_of_either_version(
    version: str, template: str, request: pytest.FixtureRequest, service: Service
) -> None:
    running: Running = request.getfixturevalue("older" if version == "0.2.7" else "node_red")
    service.forget()
    nodes = list(load_template(template))
    before = len(running.log())
    running.admin.push(nodes)
    ids = {n["type"]: n["id"] for n in nodes if n["type"] in ("camera", "model", "save")}
    created = {kind: service.asked("create", ids[kind]).data for kind in ids}
    assert created["model"]["dependencies"] == [ids["camera"]]
    assert created["model"]["config"]["debug"] is True  # a preview is wired to it
    assert created.get("save", {"config": {"enabled": False}})["config"]["enabled"] is False
    assert "Error" not in running.log()[before:]


def test_what_only_newer_nodes_have_reaches_the_service(
    node_red: Running, service: Service
) -> None:
    flows = live_boxes(previewResolution="1280x720", previewFps="15")
    camera = next(node for node in flows if node["id"] == CAMERA)
    camera |= {"option": "1", "fps": "15", "mirror": True, "wires": [[MODEL, PREVIEW]]}
    node_red.admin.push(flows)
    config = service.asked("create", CAMERA).data["config"]
    assert (config["option"], config["fps"], config["mirror"]) == (1, 15, True)
    assert config["websocket"] is True  # because a preview is wired to it
    config = service.asked("create", MODEL).data["config"]
    assert (config["previewResolution"], config["previewFps"]) == ("1280x720", 15)


SAVE = {"id": "5a", "type": "save", "z": TAB, "client": CLIENT, "wires": [], "storage": "local"}
SAVE |= {"slice": "5", "timeUnit": "1", "duration": "0", "durationUnit": "1"}
CAPTURE = {**SAVE, "type": "capture", "interval": "10", "timeUnit": "0"}


def saving(node: dict[str, Any]) -> list[dict[str, Any]]:
    """A flow whose camera is wired to a node that saves."""
    camera = next(n for n in live_boxes() if n["id"] == CAMERA)
    return [*live_boxes()[:2], {**camera, "wires": [["5a"]]}, node]


@pytest.mark.parametrize(
    ("fields", "enabled"),
    [({}, True), ({"startMode": "immediate"}, True), ({"startMode": "msg", "start": True}, False)],
)
def test_a_save_node_begins_at_once_unless_a_message_is_to_start_it(
    node_red: Running, service: Service, fields: dict[str, Any], enabled: bool
) -> None:
    node_red.admin.push(saving({**SAVE, **fields}))
    asked = service.asked("create", "5a").data
    assert asked["type"] == "save"
    assert asked["config"] == {
        "storage": "local",
        "slice": 300,
        "duration": 0,
        "enabled": enabled,
        "saveMode": "video",
    }


def test_an_older_save_node_knows_start_alone(older: Running, service: Service) -> None:
    older.admin.push(saving({**SAVE, "start": False, "startMode": "immediate"}))
    config = service.asked("create", "5a").data["config"]
    assert config == {"storage": "local", "slice": 300, "duration": 0, "enabled": False}


@pytest.mark.parametrize(
    ("fields", "duration"),
    [
        ({}, -1),
        ({"captureMode": "trigger", "duration": "7"}, 0),
        ({"captureMode": "periodic", "duration": "0"}, -1),
        ({"captureMode": "periodic", "duration": "2"}, 120),
    ],
)
def test_a_capture_node_is_a_save_node_for_pictures_in_the_service(
    node_red: Running, service: Service, fields: dict[str, Any], duration: int
) -> None:
    node_red.admin.push(saving({**CAPTURE, **fields}))
    asked = service.asked("create", "5a").data
    assert (asked["type"], asked["dependencies"]) == ("save", [CAMERA])
    assert asked["config"] == {
        "storage": "local",
        "slice": 10,
        "duration": duration,
        "enabled": True,
        "saveMode": "image",
    }


def test_a_message_asks_a_capture_node_for_a_picture(node_red: Running, service: Service) -> None:
    speaker = [
        {"id": "1f", "type": "inject", "z": TAB, "once": True, "wires": [["5a"]]},
    ]
    speaker[0] |= {"props": [{"p": "payload"}], "payload": "capture", "payloadType": "str"}
    node_red.admin.push([*saving({**CAPTURE, "captureMode": "trigger"}), *speaker])
    assert service.asked("capture", "5a").data is True


def test_a_new_push_ends_the_old_nodes_first(node_red: Running, service: Service) -> None:
    node_red.admin.push(live_boxes())
    service.asked("create", MODEL)
    service.forget()
    node_red.admin.push(live_boxes(tscore="0.7"), "nodes")
    assert service.asked("destroy").node == MODEL
    assert service.asked("create", MODEL).data["config"]["tscore"] == 0.7
    assert service.requests.empty()  # the camera went on undisturbed


def test_in_a_subflow_the_nodes_know_each_other_by_the_ids_of_the_instance(
    node_red: Running, service: Service
) -> None:
    inside = [{**node, "z": "5f"} if node.get("z") else node for node in live_boxes()[1:]]
    subflow: list[dict[str, Any]] = [
        {"id": TAB, "type": "tab", "label": "Live boxes"},
        {"id": "5f", "type": "subflow", "name": "boxes", "in": [], "out": []},
        {"id": "1e", "type": "subflow:5f", "z": TAB, "x": 100, "y": 100, "wires": []},
    ]
    node_red.admin.push([*subflow, *inside])
    model = service.asked("create", f"1e-{MODEL}")
    assert model.data["dependencies"] == [f"1e-{CAMERA}"]
    assert model.data["config"]["debug"] is True
    node_red.admin.push(live_boxes())
    assert service.asked("create", CAMERA).data["dependents"] == [MODEL]


def test_a_message_changes_a_running_model_and_switches_it_off(
    node_red: Running, service: Service
) -> None:
    messages = [{"payload": {"tscore": 0.3, "uri": "no"}}, {"payload": "no"}, {"enabled": False}]
    speaker: list[dict[str, Any]] = [
        {"id": "1f", "type": "inject", "z": TAB, "once": True, "props": [], "wires": [["2f"]]},
        {"id": "2f", "type": "function", "z": TAB, "outputs": 1, "wires": [[MODEL]]},
    ]
    speaker[1]["func"] = f"return [{json.dumps(messages)}];"
    node_red.admin.push([*live_boxes(), *speaker])
    assert service.asked("config", MODEL).data == {"tscore": 0.3}
    assert service.asked("enabled", MODEL).data is False


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


def test_pictures_are_for_editors_that_are_open(
    older: Running, service: Service, picture: str
) -> None:
    """An open editor says so every few seconds; without it, pictures are dropped after three."""
    older.admin.push(live_boxes())
    service.asked("create", MODEL)
    with connect(f"{older.url.replace('http', 'ws')}/comms") as editor:
        editor.send(json.dumps({"subscribe": "preview"}))

        def shown() -> bool:
            """Whether a picture that is sent now arrives."""
            service.report(MODEL, "invoke", invoke(picture))
            deadline = time.monotonic() + 0.5
            while (left := deadline - time.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    if PREVIEW in str(editor.recv(left)):
                        return True
            return False

        wait_for(shown, "a picture")
        wait_for(lambda: not shown(), "pictures end")
        assert older.admin.ask("/image-output/0/alive", {}) == "alive"
        wait_for(shown, "pictures again")
        assert older.admin.ask(f"/image-output/{PREVIEW}/disable", {}) == "deactivated"
        wait_for(lambda: not shown(), "pictures end")


def test_newer_previews_have_no_part_in_node_red(node_red: Running) -> None:
    node_red.admin.push(live_boxes())
    with pytest.raises(RefusedError, match="404"):
        node_red.admin.ask("/image-output/0/alive", {})
