"""Joining a template with flows that are there: adopt, change what must change, keep the rest."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from own_flows import CAMERA, CLIENT, MODEL, own_flows

from recam_deploy.errors import FlowError
from recam_deploy.flows.diff import compare
from recam_deploy.flows.document import Node, check_own
from recam_deploy.flows.merge import ACTIVE_MODEL, merge
from recam_deploy.flows.templates import (
    TEMPLATES,
    Addition,
    ModelChoice,
    Parameters,
    fill,
    load_template,
)

SHAPES = ModelChoice(name="shapes", labels=("circle", "square"))
Flows = list[dict[str, Any]]


def template(name: str = "preview", model: ModelChoice = SHAPES, **told: Any) -> Addition:
    return fill(name, load_template(name), model, Parameters(**told))


def node(flows: Any, node_id: str) -> Node:
    found: Node = next(n for n in flows if n["id"] == node_id)
    return found


def edited(node_id: str, **fields: Any) -> Flows:
    flows = own_flows()
    node(flows, node_id).update(fields)
    return flows


@pytest.mark.parametrize("name", TEMPLATES)
def test_merging_twice_is_merging_once(name: str) -> None:
    once = merge(own_flows(), template(name))
    assert merge(once, template(name)) == once


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_flows_that_were_given_are_not_touched(name: str) -> None:
    flows = own_flows()
    merge(flows, template(name))
    assert flows == own_flows()


@pytest.mark.parametrize("name", TEMPLATES)
def test_one_camera_and_one_model_are_left(name: str) -> None:
    merged = merge(own_flows(), template(name))
    assert [n["id"] for n in merged if n["type"] == "camera"] == [CAMERA]
    assert [n["id"] for n in merged if n["type"] == "model"] == [MODEL]
    assert {n["id"] for n in merged if n["type"] == "sscma"} == {CLIENT}


@pytest.mark.parametrize("name", TEMPLATES)
def test_added_nodes_lie_beside_the_model_and_cover_nothing(name: str) -> None:
    merged = merge(own_flows(), template(name))
    spots = [(n["x"], n["y"]) for n in merged if n.get("z") == "tab-one" and "w" not in n]
    assert len(set(spots)) == len(spots)
    added = merged[len(own_flows()) :]
    assert {n["z"] for n in added if "z" in n} == {"tab-one"}
    assert not [n for n in added if n["type"] == "tab"]


def test_a_preview_that_is_wired_to_the_model_is_enough() -> None:
    preview = {"id": "seen", "type": "preview", "z": "tab-one", "wires": []}
    flows = [*edited(MODEL, wires=[["watcher", "seen"]]), preview]
    assert not compare(flows, merge(flows, template())).added


def test_a_disabled_preview_is_not() -> None:
    preview = {"id": "seen", "type": "preview", "z": "tab-one", "d": True, "wires": []}
    flows = [*edited(MODEL, wires=[["watcher", "seen"]]), preview]
    (added,) = compare(flows, merge(flows, template())).added
    assert added["type"] == "preview"


def test_fields_that_mean_the_same_already_stay() -> None:
    flows = edited(MODEL, uri=ACTIVE_MODEL, model="shapes", classes="circle,square", tscore=0.5)
    model = ModelChoice(name="shapes", labels=("circle", "square"), tscore=0.5)
    (change,) = compare(flows, merge(flows, template(model=model))).changed
    assert change.fields == ("wires",)


def test_thresholds_change_only_when_they_are_given() -> None:
    assert node(merge(own_flows(), template()), MODEL)["tscore"] == "0.5"
    model = ModelChoice(name="shapes", labels=("a",), tscore=0.25, tiou=0.6)
    merged = node(merge(own_flows(), template(model=model)), MODEL)
    assert (merged["tscore"], merged["tiou"]) == ("0.25", "0.6")


def test_unknown_names_leave_those_that_are_there() -> None:
    merged = node(merge(own_flows(), template(model=ModelChoice())), MODEL)
    assert (merged["model"], merged["classes"]) == ("YOLO11n Detection", "person,bicycle")


def test_copies_of_the_model_node_are_changed_alike() -> None:
    flows = own_flows()
    flows.append(copy.deepcopy(node(flows, MODEL)))
    first, second = (n for n in merge(flows, template()) if n["id"] == MODEL)
    assert first == second
    assert first["classes"] == "circle,square"


def test_counting_brings_tracking_and_its_line() -> None:
    merged = node(merge(own_flows(), template("counting", line="0,50,100,50")), MODEL)
    assert (merged["trace"], merged["counting"]) == (True, True)
    assert merged["splitter"] == "0,50,100,50"


def test_a_disabled_camera_is_used_and_enabled() -> None:
    assert "d" not in node(merge(edited(CAMERA, d=True), template()), CAMERA)


def test_a_running_model_is_preferred_to_a_disabled_one() -> None:
    spare = {**node(own_flows(), MODEL), "id": "spare", "d": True}
    merged = merge([spare, *own_flows()], template())
    assert node(merged, "spare") == spare
    assert node(merged, MODEL)["classes"] == "circle,square"


def test_two_running_models_are_not_chosen_from() -> None:
    spare = {**node(own_flows(), MODEL), "id": "spare"}
    with pytest.raises(FlowError, match="2 model nodes"):
        merge([*own_flows(), spare], template())


def test_a_model_on_a_disabled_tab_is_refused() -> None:
    with pytest.raises(FlowError, match="tab 'One', which is disabled"):
        merge(edited("tab-one", disabled=True), template())


def test_a_model_in_a_subflow_that_is_used_gets_its_preview_there() -> None:
    flows = edited(MODEL, z="sub", wires=[])
    node(flows, CAMERA)["z"] = "sub"
    (preview,) = compare(flows, merge(flows, template())).added
    assert preview["z"] == "sub"


def test_a_camera_and_a_model_on_different_tabs_cannot_be_wired() -> None:
    flows = edited(CAMERA, z="tab-two", wires=[])
    with pytest.raises(FlowError, match="different tabs"):
        merge(flows, template())


def test_no_added_node_is_wired_to_another_tab() -> None:
    """Node-RED would take such a wire, and its editor could not show it."""
    tab: dict[str, Any] = {"id": "t", "type": "tab"}
    chosen: dict[str, Any] = {"id": "m", "type": "model", "z": "t", "wires": [["f"]]}
    function: dict[str, Any] = {"id": "f", "type": "function", "z": "t", "wires": [["s"]]}
    saver: dict[str, Any] = {"id": "s", "type": "save", "z": "t", "wires": []}
    mine = fill("mine", (tab, chosen, function, saver), SHAPES)
    there = [*own_flows(), {"id": "kept", "type": "save", "z": "tab-one", "wires": []}]
    (added,) = [n for n in merge(there, mine) if n["id"] == "f"]
    assert added["wires"] == [["kept"]]
    there[-1]["z"] = "tab-two"
    with pytest.raises(FlowError, match="different tabs"):
        merge(there, mine)


def test_link_nodes_between_camera_and_model_are_a_wire() -> None:
    flows = edited(CAMERA, z="tab-two", wires=[["out"]])
    flows.append({"id": "out", "type": "link out", "z": "tab-two", "links": ["in"], "wires": []})
    flows.append(
        {"id": "in", "type": "link in", "z": "tab-one", "links": ["out"], "wires": [[MODEL]]}
    )
    assert node(merge(flows, template()), CAMERA) == node(flows, CAMERA)


@pytest.mark.parametrize("kind", ["switch", "delay", "function"])
def test_a_node_between_camera_and_model_is_a_wire_too(kind: str) -> None:
    flows = edited(CAMERA, wires=[["between"]])
    tab = node(flows, CAMERA)["z"]
    flows.append({"id": "between", "type": kind, "z": tab, "x": 1, "y": 1, "wires": [[MODEL]]})
    assert node(merge(flows, template()), CAMERA)["wires"] == [["between"]]


def test_an_id_that_is_taken_is_changed_everywhere() -> None:
    flows = own_flows()
    taken = next(n["id"] for n in load_template("detections") if n["type"] == "mqtt-broker")
    flows.append({"id": taken, "type": "comment", "z": "tab-two", "wires": []})
    merged = merge(flows, template("detections"))
    assert merge(merged, template("detections")) == merged
    (broker,) = [n for n in merged if n["type"] == "mqtt-broker"]
    (sender,) = [n for n in merged if n["type"] == "mqtt out"]
    assert broker["id"] != taken
    assert sender["broker"] == broker["id"]


def test_a_camera_without_a_model_gets_one_beside_it() -> None:
    flows = [n for n in edited(CAMERA, wires=[]) if n["id"] not in (MODEL, "grouped")]
    merged = merge(flows, template())
    (model,) = [n for n in merged if n["type"] == "model"]
    assert (model["z"], model["client"]) == ("tab-one", CLIENT)
    assert node(merged, CAMERA)["wires"] == [[model["id"]]]
    check_own([n for n in merged if n["id"] != CLIENT] + [own_flows()[4]], "merged")


def test_destinations_can_be_switched_in_a_flow_that_is_there() -> None:
    merged = merge(own_flows(), template("detections"))
    told = template("detections", send_to=("http",), http_url="http://10.0.0.2/in")
    again = merge(merged, told)
    kinds = {n["type"]: n for n in again}
    assert kinds["http request"]["url"] == "http://10.0.0.2/in"
    assert "d" not in kinds["http request"]
    assert kinds["mqtt out"]["d"] is True
    (shown,) = [n for n in again if n["type"] == "debug" and n["z"] == "tab-one"]
    assert shown["d"] is True


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("preview", {"line": "0,0,1,1"}, "does not count"),
    ("counting", {"line": "0,0,1"}, "is invalid"),
    ("counting", {"line": "0,0,0,0"}, "is invalid"),
    ("counting", {"line": "0,0,0,101"}, "is invalid"),
    ("preview", {"send_to": ("mqtt",)}, "sends nothing to mqtt"),
    ("detections", {"mqtt_topic": "a/#"}, "MQTT topic"),
    ("detections", {"http_url": "ftp://x"}, "HTTP address"),
]


@pytest.mark.parametrize(("name", "told", "problem"), WRONG)
def test_parameters_that_do_not_suit_are_refused(
    name: str, told: dict[str, Any], problem: str
) -> None:
    with pytest.raises(FlowError, match=problem):
        template(name, **told)


def test_a_capture_node_joins_the_one_that_is_there() -> None:
    """The editor of the camera's nodes takes a second one away when it opens the flows."""
    own = {"id": "own", "type": "capture", "z": "tab-one", "client": CLIENT, "interval": "5"}
    flows = [*own_flows(), {**own, "captureMode": "periodic", "wires": []}]
    addition = fill("mine", tuple(_capturing()), SHAPES)
    merged = merge(flows, addition)
    assert [n["id"] for n in merged if n["type"] == "capture"] == ["own"]
    assert node(merged, "own") == flows[-1]
    assert "own" in node(merged, CAMERA)["wires"][0]
    with pytest.raises(FlowError, match="more than one capture node"):
        check_own([*_capturing(), {**_capturing()[-1], "id": "second"}], "mine")


def _capturing() -> Flows:
    """A user's flow: a camera whose pictures are captured when a message asks for one."""
    place = {"z": "mine", "client": "client", "x": 100, "y": 100}
    return [
        {"id": "mine", "type": "tab", "label": "Mine"},
        {"id": "client", "type": "sscma"},
        {"id": "eye", "type": "camera", **place, "wires": [["shot"]]},
        {"id": "shot", "type": "capture", **place, "captureMode": "trigger", "wires": []},
    ]
