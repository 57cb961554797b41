"""Flows like a new camera's own run on the virtual one, show their dashboard, and take a push."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, open_page
from factory_like import CAMERA, LIGHT, MODEL, PATH, factory_like

from recam_deploy.flows.client import NodeRed, NodeRedLogin
from recam_deploy.flows.document import FlowDocument
from recam_deploy.flows.merge import merge
from recam_deploy.flows.push import push
from recam_deploy.flows.templates import ModelChoice, fill, load_template
from recam_deploy.progress import SilentProgress

from .conftest import Running
from .rig import Service, invoke, wait_for


@pytest.fixture(scope="module")
def dashboard(mqtt_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A Node-RED with the nodes that a new camera's flows need."""
    running = Running(tmp_path_factory.mktemp("dashboard"), mqtt_port, dashboard=True)
    yield running
    running.stop()


@pytest.fixture
def factory(dashboard: Running, service: Service) -> list[dict[str, Any]]:
    """The flows, which run."""
    service.forget()
    nodes = factory_like()
    dashboard.admin.push(nodes)
    service.asked("create", MODEL)
    return nodes


def test_every_type_of_a_new_camera_s_flows_is_there(
    dashboard: Running, factory: list[dict[str, Any]]
) -> None:
    types = dashboard.admin.types()
    needed = {n["type"] for n in factory} - {"tab", "subflow", "group"}
    missing = {kind for kind in needed if not kind.startswith("subflow:") and kind not in types}
    assert missing == set()
    assert "missing types" not in dashboard.log().rpartition("Starting flows")[2]
    assert types["ui-base"]["module"] == "@flowfuse/node-red-dashboard"
    assert not [entry["err"] for entry in types.values() if entry.get("err")]


def test_the_lamp_is_switched_by_the_camera_node(
    dashboard: Running, factory: list[dict[str, Any]], service: Service
) -> None:
    """The light node asks Node-RED's own port, 1880 on a camera."""
    assert service.asked("light", CAMERA).data == 0
    assert dashboard.admin.ask("/light/on", {}) == "on"
    assert service.asked("light", CAMERA).data == 1
    assert LIGHT in {node["id"] for node in factory}


def test_a_push_onto_them_adds_a_preview_and_leaves_all_else_as_it_is(
    dashboard: Running, factory: list[dict[str, Any]], service: Service, tmp_path: Path
) -> None:
    addition = fill("preview", load_template("preview"), ModelChoice(name="mine", labels=("a",)))

    def keep(document: FlowDocument) -> Path:
        assert list(document.nodes) == factory
        return tmp_path / "kept"

    with NodeRed("127.0.0.1", dashboard.port, NodeRedLogin(), timeout=15) as client:
        pushed = push(
            client,
            lambda nodes: merge(nodes, addition),
            SilentProgress(),
            approve=lambda _: None,
            keep=keep,
        )
        there = list(client.read().nodes)
    assert pushed.camera_restarted
    changed = [(a, b) for a, b in zip(factory, there, strict=False) if a != b]
    assert {before["id"] for before, _ in changed} == {MODEL}
    (preview,) = there[len(factory) :]
    assert preview["type"] == "preview"
    for _, after in changed:
        assert (after["uri"], after["model"], after["classes"]) == ("", "mine", "a")
        assert preview["id"] in after["wires"][0]
    assert service.asked("create", MODEL).data["config"]["uri"] == ""


@pytest.mark.skipif(chromium() is None, reason="there is no Chromium on this machine")
def test_the_dashboard_shows_what_the_model_finds(
    dashboard: Running, factory: list[dict[str, Any]], service: Service, tmp_path: Path
) -> None:
    with open_page(f"{dashboard.url}{PATH}") as page:
        page.wait_for("document.body.textContent.includes('Confidence')", seconds=60)
        data = {**invoke(""), "count": 4711}

        def shown() -> bool:
            service.report(MODEL, "invoke", data)
            return bool(page.evaluate("document.body.textContent.includes('4711')"))

        wait_for(shown, "the count")
        page.screenshot(tmp_path / "dashboard.png")
        assert page.failures == []
    assert {node["type"] for node in factory} >= {"ui-text", "ui-slider", "ui-gauge", "ui-chart"}
