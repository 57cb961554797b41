"""A small set of flows with all that a push must leave alone."""

from __future__ import annotations

from typing import Any

CLIENT, CAMERA, MODEL = "c0ffee0000000001", "c0ffee0000000002", "c0ffee0000000003"
PRESET = "/usr/share/supervisor/models/yolo11n_detection_cv181x_int8.cvimodel"


def own_flows() -> list[dict[str, Any]]:
    """Two tabs, a group, a subflow in use, unknown fields, and a config node listed twice."""
    client = {"id": CLIENT, "type": "sscma", "host": "localhost", "mqttport": "1883"}
    return [
        {"id": "tab-one", "type": "tab", "label": "One", "disabled": False, "info": "", "env": []},
        {"id": "tab-two", "type": "tab", "label": "Two", "disabled": False, "info": "", "env": []},
        {
            "id": "sub",
            "type": "subflow",
            "name": "Louder",
            "in": [{"x": 40, "y": 40, "wires": [{"id": "sub-inner"}]}],
            "out": [],
            "env": [{"name": "HOW", "type": "str", "value": "much"}],
        },
        {"id": "sub-inner", "type": "debug", "z": "sub", "active": True, "wires": []},
        {**client},
        {
            "id": CAMERA,
            "type": "camera",
            "z": "tab-one",
            "client": CLIENT,
            "option": "0",
            "mirror": True,
            "x": 100,
            "y": 100,
            "wires": [[MODEL]],
        },
        {
            "id": MODEL,
            "type": "model",
            "z": "tab-one",
            "g": "grouped",
            "name": "finder",
            "uri": PRESET,
            "model": "YOLO11n Detection",
            "tscore": "0.5",
            "tiou": "0.4",
            "classes": "person,bicycle",
            "splitter": "0,0,0,0",
            "trace": False,
            "counting": False,
            "previewResolution": "1280x720",
            "of a newer firmware": {"kept": [1, 2.5, None, "ü"]},
            "client": CLIENT,
            "x": 300,
            "y": 100,
            "wires": [["watcher"]],
        },
        {
            "id": "watcher",
            "type": "function",
            "z": "tab-one",
            "name": "watcher",
            "func": "return msg;",
            "outputs": 1,
            "libs": [],
            "x": 500,
            "y": 100,
            "wires": [[]],
        },
        {
            "id": "grouped",
            "type": "group",
            "z": "tab-one",
            "name": "the eye",
            "style": {"fill": "#ff0000"},
            "nodes": [MODEL],
            "x": 10,
            "y": 10,
            "w": 400,
            "h": 200,
        },
        {"id": "user", "type": "subflow:sub", "z": "tab-two", "name": "", "wires": []},
        {"id": "note", "type": "comment", "z": "tab-two", "name": "mine", "info": "", "wires": []},
        {**client},
    ]
