"""The doctor's judgements: facts in, checks out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from camera_facts import FACTS, FOLDER
from cvimodels import cvimodel_bytes, yolo11_tensors

from recam_deploy.camera.web_api import DeviceInfo
from recam_deploy.cvimodel import Tensor
from recam_deploy.doctor import camera, machine, model, network, node_red
from recam_deploy.doctor.check import Check
from recam_deploy.errors import AuthenticationError, CameraError, InterruptedExchangeError
from recam_deploy.flows.backups import Backup
from recam_deploy.flows.client import NodeRedFacts
from recam_deploy.ports import Port
from recam_deploy.settings import CameraSettings
from recam_deploy.toolchain import HostFacts

MACHINE = machine.MachineFacts(
    host=HostFacts("Linux", "x86_64", (2, 36)),
    python310="3.10.13",
    compiler="1.7",
    docker=None,
    cache_dir=Path("/cache"),
    writable=True,
    free=10**11,
)
NOW = 1_750_000_000
CAMERA = dataclasses.replace(FACTS, runner_runs=True, runner_sha256="c" * 64)
SETTINGS = CameraSettings(host="cam")
WEB = camera.WebFacts(DeviceInfo("a", "reCamera", "0.2.4"), {"sscmaNode": 0, "nodeRed": 0})
MODEL = cvimodel_bytes(*yolo11_tensors(classes=3))
THREE = '{"classes": ["a", "b", "c"]}'
TYPES = frozenset({"sscma", "camera", "model", "preview", "debug"})
SERVER = NodeRedFacts("4.0.9", TYPES)
TAB: dict[str, Any] = {"id": "t", "type": "tab"}
SUBFLOW: dict[str, Any] = {"id": "s", "type": "subflow"}
USED: dict[str, Any] = {"id": "u", "type": "subflow:s"}


def statuses(checks: list[Check]) -> dict[str, str]:
    """Those that are not ok, by their id without its area."""
    assert all(check.remedy for check in checks if check.status != "ok")
    return {c.id.partition(".")[2]: c.status.value for c in checks if c.status != "ok"}


def only(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.id == name)


def test_a_file_is_no_cache_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        assert only(machine.judge(machine.look(path, "local")), "machine.disk").status == "fail"
    new = machine.judge(machine.look(tmp_path / "new", "local"))
    assert only(new, "machine.disk").status == "ok"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {}),
        ({"host": HostFacts("Darwin", "arm64", None)}, {"system": "fail"}),
        ({"host": HostFacts("Linux", "x86_64", (2, 31))}, {"system": "fail"}),
        ({"python310": None}, {}),
        ({"python310": None, "compiler": None}, {"python310": "warn", "toolchain": "warn"}),
        ({"free": 10**8}, {"disk": "fail"}),
        ({"free": 10**9}, {}),
        ({"free": 10**9, "compiler": None}, {"toolchain": "warn", "disk": "fail"}),
        ({"writable": False}, {"disk": "fail"}),
        ({"wanted": "docker"}, {"docker": "fail"}),
        (
            {
                "wanted": "docker",
                "docker": "24.0",
                "compiler": None,
                "python310": None,
                "host": HostFacts("Darwin", "arm64", None),
            },
            {},
        ),
    ],
)
def test_the_machine(changes: dict[str, Any], found: dict[str, str]) -> None:
    assert statuses(machine.judge(dataclasses.replace(MACHINE, **changes))) == found


def way(address: str = "192.168.42.1", source: str | None = "192.168.42.2", **ports: Port) -> Any:
    numbers = {"ssh": 22, "http": 80, "node_red": 1880, "mqtt": 1883}
    states = {name: (number, ports.get(name, Port.open)) for name, number in numbers.items()}
    return network.NetworkFacts("cam", (address,) if address else (), source, states)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (way(), {}),
        (way(address=""), {"name": "fail"}),
        (way(source=None), {"route": "fail"}),
        (way(source="10.0.0.5"), {"route": "warn"}),
        (way(ssh=Port.refused, mqtt=Port.silent), {"ssh": "fail", "mqtt": "warn"}),
        (way(http=Port.unreachable, node_red=Port.refused), {"http": "warn", "node_red": "fail"}),
    ],
)
def test_the_network(facts: network.NetworkFacts, found: dict[str, str]) -> None:
    assert statuses(network.judge(facts)) == found


def test_a_broker_that_is_closed_is_no_fault_while_the_preview_can_be_read() -> None:
    facts = dataclasses.replace(way(mqtt=Port.refused), preview=True)
    assert statuses(network.judge(facts)) == {}
    assert "preview" in only(network.judge(facts), "network.mqtt").fact


@pytest.mark.parametrize(
    ("enabled", "seen", "remedy"),
    [
        (None, "refused", "may be switched off"),
        (False, "switched off on the camera", "http://cam/#/security"),
        (True, "refused, though the camera says", "firewall"),
    ],
)
def test_what_the_camera_says_of_its_ssh_comes_before_any_guess(
    enabled: bool | None, seen: str, remedy: str
) -> None:
    facts = dataclasses.replace(way(ssh=Port.refused), ssh_enabled=enabled)
    check = only(network.judge(facts), "network.ssh")
    assert check.status.value == "fail"
    assert seen in check.fact
    assert remedy in check.remedy


def test_where_nothing_answers_the_cable_is_named() -> None:
    silent = dict.fromkeys(("ssh", "http", "node_red", "mqtt"), Port.silent)
    assert "cable" in only(network.judge(way(**silent)), "network.ssh").remedy
    assert "cable" not in only(network.judge(way(ssh=Port.silent)), "network.ssh").remedy


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, {}),
        ({"clock": 3600}, {"clock": "warn"}),
        ({"clock": NOW + 10 * 86400}, {"clock": "warn"}),
        ({"clock": 10**15}, {"clock": "warn"}),
        ({"clock": None}, {"clock": "warn"}),
        ({"models": dataclasses.replace(FOLDER, free=10**7)}, {"space": "fail"}),
        ({"models": dataclasses.replace(FOLDER, free=10**8, size=None)}, {"space": "warn"}),
        ({"ram_bytes": 10**6}, {"memory": "warn"}),
        ({"missing": ("mv",)}, {"tools": "fail"}),
        ({"models": dataclasses.replace(FOLDER, is_link=True)}, {"folders": "fail"}),
        ({"runner_runs": False}, {"runner": "warn"}),
        ({"runner_runs": False, "runner_sha256": None}, {"runner": "warn"}),
        ({"has_runtime": False}, {"libraries": "fail"}),
    ],
)
def test_the_camera(changes: dict[str, Any], found: dict[str, str]) -> None:
    facts = dataclasses.replace(CAMERA, **changes)
    assert statuses(camera.judge(WEB, facts, 60 << 20, SETTINGS, NOW)) == found


@pytest.mark.parametrize(
    ("web", "issue", "ion", "found"),
    [
        (WEB, "", None, {}),
        (WEB, "", 30 << 20, {"ion": "warn"}),
        (camera.WebFacts(None, {}), "Welcome to reCamera 0.2.4 \\n", None, {"services": "warn"}),
        (camera.WebFacts(None, {}), "", None, {"services": "warn", "firmware": "warn"}),
        (
            camera.WebFacts(DeviceInfo("", "", "0.1.4"), {"nodeRed": 0}),
            "",
            None,
            {"firmware": "warn"},
        ),
        (
            camera.WebFacts(WEB.device, {"sscmaNode": 2, "nodeRed": 0}),
            "",
            None,
            {"services": "fail"},
        ),
    ],
)
def test_firmware_services_and_memory_for_models(
    web: camera.WebFacts, issue: str, ion: int | None, found: dict[str, str]
) -> None:
    facts = dataclasses.replace(CAMERA, firmware=issue)
    assert statuses(camera.judge(web, facts, ion, SETTINGS, NOW)) == found


def test_facts_that_cannot_be_read_are_one_failure() -> None:
    checks = camera.judge(WEB, CameraError("no facts", "Look."), None, SETTINGS, NOW)
    assert statuses(checks) == {"facts": "fail"}
    assert only(checks, "camera.facts").fact == "no facts"


def model_node(**fields: Any) -> dict[str, Any]:
    return {"id": "m", "type": "model", "z": "t", "uri": "", "classes": "", **fields}


NO_FAMILY = cvimodel_bytes(
    [Tensor("i", (1, 64, 64, 3), "uint8", 1.0, "RGB_PACKED")],
    [Tensor(name, (1, 7), "int8", 1.0, "") for name in ("a", "b")],
)


@pytest.mark.parametrize(
    ("facts", "flow", "found"),
    [
        (model.ModelFacts(MODEL, THREE), [model_node()], {}),
        (model.ModelFacts(MODEL, THREE), [model_node(classes="a,b,c")], {}),
        (model.ModelFacts(MODEL, THREE), [model_node(classes="a,x,c")], {"labels": "warn"}),
        (model.ModelFacts(MODEL, THREE), [model_node(classes="a")], {"labels": "warn"}),
        # A node that runs another model may name whatever it likes.
        (model.ModelFacts(MODEL, THREE), [model_node(classes="x", uri="/other")], {}),
        (model.ModelFacts(MODEL, '{"classes": ["a"]}'), None, {"labels": "fail"}),
        (model.ModelFacts(MODEL, '{"classes": []}'), [model_node(classes="a,b,c")], {}),
        (model.ModelFacts(MODEL, '{"classes": []}'), [model_node(classes="a")], {"labels": "fail"}),
        (model.ModelFacts(MODEL, "{}"), None, {"labels": "warn"}),
        (model.ModelFacts(MODEL, "no JSON"), None, {"info": "fail", "labels": "warn"}),
        (model.ModelFacts(MODEL, None), None, {"info": "warn", "labels": "warn"}),
        (model.ModelFacts(MODEL, THREE[:-1] + ', "checksum": "12"}'), None, {"info": "warn"}),
        (model.ModelFacts(MODEL[:-1], THREE), None, {"header": "fail"}),
        (model.ModelFacts(NO_FAMILY, THREE), None, {"family": "fail"}),
        (model.ModelFacts(None, THREE), None, {"file": "fail"}),
        (model.ModelFacts(error=CameraError("no", "do")), None, {"file": "fail"}),
        (None, None, {"file": "warn"}),
    ],
)
def test_the_model(
    facts: model.ModelFacts | None, flow: list[dict[str, Any]] | None, found: dict[str, str]
) -> None:
    assert statuses(model.judge(facts, flow)) == found


@pytest.mark.parametrize(
    ("outputs", "least"),
    [
        ([(1, width, grid, grid) for grid in (8, 4, 2) for width in (4, 3)], "0.2.3"),
        ([(1, width, grid, grid) for grid in (8, 4, 2) for width in (4, 1, 51)], "0.2.5"),
        ([(1, width, grid, grid) for grid in (8, 4, 2) for width in (64, 3)], "0.1.5"),
    ],
)
def test_a_model_that_only_newer_firmware_decodes(
    outputs: list[tuple[int, ...]], least: str
) -> None:
    image = Tensor("i", (1, 64, 64, 3), "uint8", 1.0, "RGB_PACKED")
    maps = [Tensor(f"o{i}", shape, "float32", 1.0, "") for i, shape in enumerate(outputs)]
    facts = model.ModelFacts(cvimodel_bytes([image], maps), THREE)
    for version in ("0.1.5", "0.2.2", "0.2.3", "0.2.4", "0.2.5", ""):
        check = only(model.judge(facts, None, version), "model.family")
        assert check.status == ("fail" if version and version < least else "ok")


FlowFacts = node_red.FlowFacts


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (FlowFacts(SERVER, (TAB, model_node()), True), {}),
        (FlowFacts(SERVER, (TAB, model_node()), None), {}),
        (FlowFacts(SERVER, (TAB, model_node()), False), {"state": "fail"}),
        (FlowFacts(SERVER, (TAB,), True), {"model": "warn"}),
        (FlowFacts(SERVER, (TAB | {"disabled": True}, model_node()), True), {"model": "warn"}),
        (FlowFacts(SERVER, (TAB, model_node(d=True)), True), {"model": "warn"}),
        (FlowFacts(SERVER, (TAB, model_node(), model_node(id="n")), True), {"model": "fail"}),
        (FlowFacts(SERVER, (TAB, model_node(), model_node()), True), {}),
        (FlowFacts(SERVER, (SUBFLOW, model_node(z="s")), True), {"model": "warn"}),
        (FlowFacts(SERVER, (TAB, model_node(), SUBFLOW, model_node(id="n", z="s")), True), {}),
        (FlowFacts(SERVER, (TAB, model_node(), USED), True), {"types": "fail"}),
        (FlowFacts(SERVER, (TAB, model_node(uri="/x")), True), {"model": "warn"}),
        (
            FlowFacts(NodeRedFacts("2.1", TYPES - {"preview"}), (TAB, model_node()), None),
            {"version": "warn", "types": "fail"},
        ),
        (FlowFacts(NodeRedFacts("", TYPES), (TAB, model_node()), True), {"version": "warn"}),
        (FlowFacts(error=AuthenticationError("a login", "Log in.")), {"login": "fail"}),
        (FlowFacts(error=CameraError("no", "do")), {"api": "fail"}),
    ],
)
def test_node_red(facts: FlowFacts, found: dict[str, str]) -> None:
    assert statuses(node_red.judge(facts, reachable=True)) == found


def test_case_52_a_node_red_without_flows_gets_the_backup_proposed() -> None:
    kept = Backup(7, Path("0007-abc.json"), "2026-01-02 03:04:05", 12)
    for facts in (
        FlowFacts(SERVER, (), True, backup=kept),
        FlowFacts(SERVER, (), False, unreadable=True, backup=kept),
    ):
        checks = [c for c in node_red.judge(facts, reachable=True) if c.status != "ok"]
        assert checks
        assert all("`recam flow restore`" in (check.remedy or "") for check in checks)
        assert any("2026-01-02 03:04:05 (12 nodes)" in (check.remedy or "") for check in checks)
    silent = FlowFacts(error=InterruptedExchangeError("no answer", "Wait."), backup=kept)
    (check,) = node_red.judge(silent, reachable=True)
    assert "move flows.json away" in (check.remedy or "")


def test_case_31_the_doctor_names_each_node_whose_type_is_missing() -> None:
    lost = {"id": "c9", "type": "ui_base"}
    facts = FlowFacts(SERVER, (TAB, model_node(), lost), False)
    check = only(node_red.judge(facts, reachable=True), "node_red.types")
    assert "ui_base 'c9' (configuration node, used by nobody" in check.fact


def test_subflows_and_containers_need_no_type_of_their_own() -> None:
    nodes = (TAB, model_node(), SUBFLOW, USED)
    assert statuses(node_red.judge(FlowFacts(SERVER, nodes, True), reachable=True)) == {}
