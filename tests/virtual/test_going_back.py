"""A model that passes its smoke test and fails live is taken back, and its flow with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from broken import Patient
from labelled import detections
from paho.mqtt.enums import CallbackAPIVersion
from recam_runs import DEMO, Ended, Run

from recam_deploy.artifact import sha256_of

pytestmark = pytest.mark.toolchain

NEW = ("--quantize", "bf16", "--labels", "names.txt")
TOPICS = "sscma/v0/recamera/node"


@pytest.fixture
def patient(camera: dict[str, Any]) -> Patient:
    return Patient(Path(camera["folder"]), camera)


@pytest.fixture
def up(run: Run, camera: dict[str, Any], tmp_path: Path) -> Callable[..., Ended]:
    """`recam up` of the bundled model, with options added."""
    (tmp_path / "names.txt").write_text("Kreis\nQuadrat\nDreieck\nStern\nKreuz\n")

    def call(*words: str, **variables: str) -> Ended:
        pictures = ("--calibration", DEMO / "calibration", "--images", "8")
        image = ("--image", min((DEMO / "test").glob("*.jpg")), "--json")
        return run(
            *("up", DEMO / "shapes.onnx", *pictures, *image, *words),
            cwd=tmp_path,
            RECAM_SETTINGS=camera["settings"],
            **variables,
        )

    return call


@pytest.fixture
def old(up: Callable[..., Ended], patient: Patient) -> dict[str, Any]:
    """What is on the camera before: a model that runs live, with its `model.json` and flows."""
    done = up()
    assert done.code == 0, done.err + done.out
    return state(patient)


def state(patient: Patient) -> dict[str, Any]:
    return {
        "model": sha256_of(patient.models / "model.cvimodel"),
        "info": json.loads((patient.models / "model.json").read_text()),
        "flows": patient.node_red("GET", "/flows")["flows"],
    }


@contextmanager
def service_answering(
    patient: Patient, name: str, code: int, text: str, also: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """The camera's service says, of each model but the one that is active now, that it failed."""
    active = patient.models / "model.cvimodel"
    before = sha256_of(active)

    def answer(client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        request = json.loads(message.payload)
        if request["name"] != "create" or request["data"]["type"] != "model":
            return
        if sha256_of(active) == before:
            return
        also()
        node = message.topic.rpartition("/")[2]
        reply = {"type": 0, "name": name, "code": code, "data": text}
        client.publish(f"{TOPICS}/out/{node}", json.dumps(reply))

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = answer
    client.connect("127.0.0.1", patient.told["mqtt_port"])
    client.subscribe(f"{TOPICS}/in/+")
    client.loop_start()
    try:
        yield
    finally:
        client.loop_stop()
        client.disconnect()


def test_the_old_model_and_the_old_flows_come_back_when_the_new_one_fails_live(
    old: dict[str, Any],
    up: Callable[..., Ended],
    run: Run,
    patient: Patient,
    camera: dict[str, Any],
    tmp_path: Path,
) -> None:
    with service_answering(patient, "create", 5, "Engine load failed"):
        failed = up(*NEW)
    assert failed.code == 1
    error = failed.document["error"]
    assert error["kind"] == "rolled_back", error
    assert "could not create a node of the flow: Engine load failed" in error["message"]
    assert re.search(r"the model before \(shapes, .*\) is active again", error["message"])
    assert "the flows were restored" in error["message"]
    assert failed.document["rolled_back"] == {"model": True, "flow": True}
    assert "live" not in failed.document
    assert failed.document["smoke"]["detections"]
    assert failed.document["deployment"]["sha256"] != old["model"]
    assert state(patient) == old
    words = ("watch", "--count", "2", "--json")
    watched = run(*words, cwd=tmp_path, RECAM_SETTINGS=camera["settings"])
    assert watched.document["count"] == 2
    assert {found.label for found in detections(watched.document)} <= set(old["info"]["classes"])


def test_what_another_editor_changed_meanwhile_is_not_taken_back(
    old: dict[str, Any], up: Callable[..., Ended], patient: Patient
) -> None:
    note = {"id": "recamtestnote", "type": "comment", "name": "mine", "z": ""}

    def deploy_by_another() -> None:
        there = patient.node_red("GET", "/flows")
        tab = next(node["id"] for node in there["flows"] if node["type"] == "tab")
        patient.node_red(
            "POST", "/flows", {**there, "flows": [*there["flows"], {**note, "z": tab}]}
        )

    with service_answering(patient, "invoke", 5, "TPU timeout", deploy_by_another):
        failed = up(*NEW)
    error = failed.document["error"]
    assert error["kind"] == "partly_done"
    assert "TPU timeout" in error["message"]
    assert "is active again" in error["message"]
    assert "someone else has changed them" in error["message"]
    now = state(patient)
    assert now["model"] == old["model"]
    assert any(node["id"] == note["id"] for node in now["flows"])
    patient.node_red("POST", "/flows", {"flows": old["flows"]})
