"""The flows we ship load the deployed model and suit the camera's nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recam_deploy.flows.document import check_own, checked_nodes
from recam_deploy.flows.templates import TEMPLATES as NAMES
from recam_deploy.flows.templates import load_template
from recam_deploy.resources import resource

TEMPLATES = sorted(resource("noderedflows").glob("*.json"))


@pytest.fixture(params=TEMPLATES, ids=lambda path: path.stem)
def flow(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    path: Path = request.param
    nodes: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return nodes


def one(flow: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (node,) = [node for node in flow if node["type"] == kind]
    return node


def test_ids_are_unique_and_every_reference_leads_somewhere(flow: list[dict[str, Any]]) -> None:
    ids = [node["id"] for node in flow]
    assert len(set(ids)) == len(ids)
    for node in flow:
        targets = [target for port in node.get("wires", []) for target in port]
        links = [node[key] for key in ("z", "client") if key in node]
        assert {*targets, *links} <= set(ids)


def test_the_model_node_loads_the_deployed_model(flow: list[dict[str, Any]]) -> None:
    """An empty `uri` means the active model, empty `classes` the names in its model.json."""
    model = one(flow, "model")
    assert (model["uri"], model["classes"]) == ("", "")


def test_the_model_node_has_the_strings_that_it_splits(flow: list[dict[str, Any]]) -> None:
    model = one(flow, "model")
    assert isinstance(model["classes"], str)
    assert model["splitter"].count(",") == 3


def test_pictures_run_from_the_camera_to_the_preview(flow: list[dict[str, Any]]) -> None:
    assert one(flow, "model")["id"] in one(flow, "camera")["wires"][0]
    assert one(flow, "preview")["id"] in one(flow, "model")["wires"][0]


def test_every_flow_is_well_formed_and_known_by_name(flow: list[dict[str, Any]]) -> None:
    check_own(checked_nodes(flow, "it"), "it")
    assert {path.stem for path in TEMPLATES} == set(NAMES)


def test_the_camera_records_only_what_is_seen() -> None:
    nodes = list(load_template("record"))
    assert one(nodes, "save")["id"] in one(nodes, "camera")["wires"][0]
    # The camera's nodes know `start` before 0.3, and `startMode` since.
    assert (one(nodes, "save")["start"], one(nodes, "save")["startMode"]) == (False, "msg")


def test_no_pictures_travel_through_node_red_unless_a_node_asks_for_them(
    flow: list[dict[str, Any]],
) -> None:
    """A model that is wired to a preview sends them where the preview needs them."""
    assert one(flow, "model")["debug"] is False


def test_nothing_is_sent_anywhere_until_it_is_asked_for() -> None:
    nodes = list(load_template("detections"))
    assert one(nodes, "mqtt out")["d"] is True
    assert one(nodes, "http request")["d"] is True
