"""What the stand-ins for the camera's nodes say to its inference service, and hear from it."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from websockets.sync.client import connect

from .conftest import Running
from .rig import CAMERA, MODEL, PREVIEW, TAB, Service, invoke, live_boxes, wait_for


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
    node_red: Running, service: Service, picture: str
) -> None:
    """An open editor says so every few seconds; without it, pictures are dropped after three."""
    node_red.admin.push(live_boxes())
    service.asked("create", MODEL)
    with connect(f"{node_red.url.replace('http', 'ws')}/comms") as editor:
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
        assert node_red.admin.ask("/image-output/0/alive", {}) == "alive"
        wait_for(shown, "pictures again")
        assert node_red.admin.ask(f"/image-output/{PREVIEW}/disable", {}) == "deactivated"
        wait_for(lambda: not shown(), "pictures end")
