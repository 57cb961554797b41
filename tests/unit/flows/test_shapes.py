"""Case 6: the forms in which people keep flows, and what becomes of nodes without their tab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from own_flows import MODEL, own_flows

from recam_deploy.errors import FlowError
from recam_deploy.flows.document import Node, parse_document
from recam_deploy.flows.merge import merge
from recam_deploy.flows.templates import ModelChoice, fill, load_flow_file

TAB: Node = {"id": "t1", "type": "tab", "label": "mine"}
INJECT: Node = {"id": "i1", "type": "inject", "z": "t1", "x": 100, "y": 80, "wires": [["d1"]]}
DEBUG: Node = {"id": "d1", "type": "debug", "z": "t1", "x": 300, "y": 80, "wires": []}
BROKER: Node = {"id": "b1", "type": "mqtt-broker", "broker": "127.0.0.1"}


def load(folder: Path, value: Any, name: str = "from a forum.json") -> dict[str, Node]:
    """Write a flow file and read it; its nodes by their ids."""
    path = folder / name
    path.write_text(json.dumps(value), encoding="utf-8")
    return {node["id"]: node for node in load_flow_file(path)}


def pushed(folder: Path, value: Any, current: list[Node] | None = None) -> dict[str, Node]:
    """Merge a flow file into flows; all nodes by their ids. Pushing it again changes nothing."""
    load(folder, value)
    path = folder / "from a forum.json"
    addition = fill(str(path), load_flow_file(path), ModelChoice())
    merged = merge(current if current is not None else own_flows(), addition)
    assert merge(merged, addition) == merged
    return {node["id"]: node for node in merged}


WHOLE: list[Any] = [
    [TAB, INJECT, DEBUG],
    {"flows": [TAB, INJECT, DEBUG], "rev": "abc"},
    {"id": "t1", "label": "mine", "nodes": [INJECT, DEBUG], "configs": []},
    {"id": "t1", "label": "mine", "nodes": [INJECT, {k: DEBUG[k] for k in DEBUG if k != "z"}]},
]


@pytest.mark.parametrize("value", WHOLE, ids=["export", "v2", "one flow", "nodes without z"])
def test_answers_of_the_admin_api_are_flow_files_too(tmp_path: Path, value: Any) -> None:
    assert load(tmp_path, value) == {"t1": TAB, "i1": INJECT, "d1": DEBUG}


def test_the_global_configuration_nodes_of_the_admin_api_are_taken(tmp_path: Path) -> None:
    inner: Node = {"id": "s2", "type": "debug", "z": "s1", "x": 1, "y": 1, "wires": []}
    subflow = {"id": "s1", "type": "subflow", "name": "both", "in": [], "out": []}
    document = {
        "id": "global",
        "configs": [BROKER],
        "subflows": [{**subflow, "nodes": [inner], "configs": []}],
    }
    assert load(tmp_path, document) == {"s1": subflow, "s2": inner, "b1": BROKER}


def test_selected_nodes_get_a_tab_of_the_files_name(tmp_path: Path) -> None:
    nodes = pushed(tmp_path, [INJECT, DEBUG])
    assert (nodes["t1"]["type"], nodes["t1"]["label"]) == ("tab", "from a forum")
    assert (nodes["i1"], nodes["d1"]) == (INJECT, DEBUG)


@pytest.mark.parametrize("home", ["of another camera", "constructor", "x" * 200, "a\n"])
def test_a_tab_never_gets_an_id_that_node_red_cannot_use(tmp_path: Path, home: str) -> None:
    nodes = pushed(tmp_path, [{**INJECT, "z": home}, {**DEBUG, "z": home}])
    tab = nodes[nodes["i1"]["z"]]
    assert (tab["label"], nodes["d1"]["z"]) == ("from a forum", tab["id"])
    assert parse_document(json.dumps(list(nodes.values())), "it")


def test_selected_nodes_come_back_to_their_tab_where_the_camera_has_it(tmp_path: Path) -> None:
    there: list[Node] = [TAB, INJECT, DEBUG, {**DEBUG, "id": "other", "x": 500}]
    edited = {**INJECT, "name": "edited", "wires": [["d1", "other", "nowhere"]]}
    nodes = pushed(tmp_path, [edited, {**DEBUG, "id": "new"}], there)
    assert nodes["t1"] == TAB
    assert nodes["i1"] == {**edited, "wires": [["d1", "other"]]}
    assert nodes["new"]["z"] == "t1"


def test_nodes_selected_in_a_subflow_come_back_into_it(tmp_path: Path) -> None:
    inner: Node = {"id": "sub-inner", "type": "debug", "z": "sub", "active": False, "wires": []}
    nodes = pushed(tmp_path, [{**inner, "x": 1, "y": 1}])
    assert (nodes["sub-inner"]["z"], nodes["sub-inner"]["active"]) == ("sub", False)
    assert nodes["sub"]["type"] == "subflow"


def test_wires_to_nodes_that_were_not_selected_are_left_out(tmp_path: Path) -> None:
    nodes = pushed(tmp_path, [{**INJECT, "wires": [["gone", "watcher"], ["gone"]]}])
    assert nodes["i1"]["wires"] == [[], []]


def test_nodes_of_several_tabs_stay_apart(tmp_path: Path) -> None:
    nodes = pushed(tmp_path, [INJECT | {"wires": []}, DEBUG | {"z": "t2"}])
    assert [nodes[tab]["label"] for tab in ("t1", "t2")] == ["from a forum", "from a forum 2"]


@pytest.mark.parametrize("value", [DEBUG, [DEBUG]], ids=["an object", "a list"])
def test_a_single_node_is_a_flow(tmp_path: Path, value: Any) -> None:
    assert pushed(tmp_path, value)["d1"] == DEBUG


def test_nodes_without_any_z_get_a_tab_and_places(tmp_path: Path) -> None:
    bare = [{key: n[key] for key in n if key not in "zxy"} for n in (INJECT, DEBUG)]
    nodes = pushed(tmp_path, bare)
    tab = nodes["i1"]["z"]
    assert nodes[tab]["label"] == "from a forum"
    assert nodes["d1"]["z"] == tab
    assert len({(nodes[i]["x"], nodes[i]["y"]) for i in ("i1", "d1")}) == 2
    again = pushed(tmp_path, bare)
    assert again["i1"]["z"] == tab


def test_a_configuration_node_of_an_unknown_tab_becomes_global(tmp_path: Path) -> None:
    nodes = pushed(tmp_path, [INJECT, DEBUG, {**BROKER, "z": "elsewhere"}])
    assert nodes["b1"] == BROKER


def test_groups_within_groups_and_junctions_are_kept(tmp_path: Path) -> None:
    place = {"z": "t1", "x": 10, "y": 10}
    flow = [
        {**INJECT, "g": "g2", "wires": [["j1"]]},
        {"id": "j1", "type": "junction", **place, "wires": [["d1"]]},
        {**DEBUG, "g": "missing"},
        {"id": "g1", "type": "group", **place, "w": 90, "h": 90, "nodes": ["g2", "missing"]},
        {"id": "g2", "type": "group", **place, "g": "g1", "w": 9, "h": 9, "nodes": ["i1"]},
    ]
    nodes = pushed(tmp_path, flow)
    assert (nodes["g1"]["nodes"], nodes["g2"]["nodes"]) == (["g2"], ["i1"])
    assert (nodes["i1"]["g"], nodes["g2"]["g"]) == ("g2", "g1")
    assert "g" not in nodes["d1"]
    assert nodes["j1"]["wires"] == [["d1"]]


SUBFLOW: Node = {"id": "s1", "type": "subflow", "name": "both"} | {
    "in": [{"x": 1, "y": 1, "wires": [{"id": "s2"}]}],
    "out": [],
}
INNER: Node = {"id": "s2", "type": "debug", "z": "s1", "x": 9, "y": 9, "wires": []}
INSTANCE: Node = {"id": "u1", "type": "subflow:s1", "z": "t1", "x": 9, "y": 9, "wires": []}


def test_a_subflow_is_pushed_with_and_without_an_instance(tmp_path: Path) -> None:
    for flow in ([SUBFLOW, INNER], [SUBFLOW, INNER, INSTANCE]):
        nodes = pushed(tmp_path, flow)
        assert (nodes["s1"], nodes["s2"]) == (SUBFLOW, INNER)


def test_an_instance_without_its_subflow_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="instance of the subflow 's1'.*neither in the file nor"):
        pushed(tmp_path, [{**INSTANCE, "name": "mine"}])


def test_an_instance_of_a_subflow_that_the_camera_has_is_taken(tmp_path: Path) -> None:
    nodes = pushed(tmp_path, [{**INSTANCE, "type": "subflow:sub"}])
    assert nodes["u1"]["type"] == "subflow:sub"


def test_a_subflow_whose_id_is_taken_is_renamed_with_its_instances(tmp_path: Path) -> None:
    there: list[Node] = [{"id": "s1", "type": "comment"}, {"id": "s2", "type": "comment"}]
    nodes = pushed(tmp_path, [SUBFLOW, INNER, INSTANCE], there)
    (subflow,) = (node for node in nodes.values() if node["type"] == "subflow")
    assert nodes["u1"]["type"] == f"subflow:{subflow['id']}"
    (inner,) = (node for node in nodes.values() if node["type"] == "debug")
    assert subflow["in"][0]["wires"] == [{"id": inner["id"]}]


def test_a_selected_model_joins_the_cameras_own_on_its_tab(tmp_path: Path) -> None:
    model: Node = {"id": "m1", "type": "model", "z": "t1", "client": "c1", "x": 1, "y": 1}
    nodes = pushed(tmp_path, [{**model, "wires": [["d1"]]}, DEBUG])
    assert nodes["d1"]["z"] == nodes[MODEL]["z"] == "tab-one"
    assert "d1" in nodes[MODEL]["wires"][0]
    assert "t1" not in nodes


def test_a_whole_flow_with_a_wire_into_nothing_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="wired to 'd1', which is missing"):
        load(tmp_path, [TAB, INJECT])


TEXT = json.dumps([TAB, {**DEBUG, "name": "Straße 日本"}], ensure_ascii=False)
NOT_FLOWS = [
    (b"", "is empty"),
    (b" \n", "is empty"),
    (b"<!DOCTYPE html><title>x</title>", "is a web page"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "is a Git LFS pointer"),
    (TEXT.encode("utf-16"), "UTF-16"),
    (TEXT.replace("日本", "").encode("cp1252"), "Windows-1252"),
    (TEXT.replace("ß", "").encode("shift-jis"), "not UTF-8"),
    (b"PK\x03\x04\x00\x00\x00", "not text"),
    (b'{"id": "t1"}', "not a list of nodes"),
]


@pytest.mark.parametrize(("data", "problem"), NOT_FLOWS, ids=[p for _, p in NOT_FLOWS])
def test_case_27_and_case_72_what_is_no_flow_is_named(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    (tmp_path / "flow.json").write_bytes(data)
    with pytest.raises(FlowError, match=problem) as caught:
        load_flow_file(tmp_path / "flow.json")
    assert caught.value.hint


@pytest.mark.parametrize("text", ["\ufeff" + TEXT, f"```json\n{TEXT}\n```\n", f"```\n{TEXT}\n```"])
def test_case_13_marks_and_fences_around_the_text_are_skipped(tmp_path: Path, text: str) -> None:
    (tmp_path / "flow.json").write_text(text, encoding="utf-8")
    tab, debug = load_flow_file(tmp_path / "flow.json")
    assert (tab, debug["name"]) == (TAB, "Straße 日本")
