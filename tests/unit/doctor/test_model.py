"""What the doctor says of a `model.json` that belongs to another model than the active one."""

from __future__ import annotations

import hashlib
import json

import pytest
from cvimodels import cvimodel_bytes, yolo11_tensors

from recam_deploy.doctor import model
from recam_deploy.doctor.check import Check, Status
from recam_deploy.flows.document import Node

PRESET = "/usr/share/supervisor/models/yolo11n_detection_cv181x_int8.cvimodel"


def verdict(checksum: str, uri: str) -> Check:
    data = cvimodel_bytes(*yolo11_tensors())
    info = json.dumps({"checksum": checksum or hashlib.md5(data).hexdigest(), "classes": []})
    node: Node = {"id": "m", "type": "model", "z": "t", "uri": uri}
    tab: Node = {"id": "t", "type": "tab"}
    checks = model.judge(model.ModelFacts(data, info), [tab, node], "0.2.4")
    return next(check for check in checks if check.id == "model.info")


def test_a_preset_that_was_chosen_in_the_editor_is_named_as_the_cause() -> None:
    check = verdict("0" * 32, PRESET)
    assert check.status is Status.warn
    assert "a preset was chosen in the editor" in check.fact
    assert PRESET in check.fact
    assert "recam flow push" in check.remedy


@pytest.mark.parametrize("uri", ["", "/userdata/Models/model.cvimodel"])
def test_no_cause_is_guessed_where_the_flow_runs_the_active_model(uri: str) -> None:
    check = verdict("0" * 32, uri)
    assert check.status is Status.warn
    assert "preset" not in check.fact


def test_a_model_json_of_this_model_is_fine_whatever_the_flow_runs() -> None:
    assert verdict("", PRESET).status is Status.ok
