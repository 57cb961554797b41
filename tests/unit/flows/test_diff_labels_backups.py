"""Differences in words, class names that agree, and documents that are kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from own_flows import MODEL, own_flows
from planted import secret

from recam_deploy.errors import FlowError
from recam_deploy.flows.backups import Backups
from recam_deploy.flows.client import NodeRedFacts
from recam_deploy.flows.credentials import lost_credentials
from recam_deploy.flows.diff import compare
from recam_deploy.flows.document import FlowDocument
from recam_deploy.flows.labels import as_classes, disagreements
from recam_deploy.flows.push import missing_types, preflight, service_nodes


def test_nothing_differs_from_itself() -> None:
    assert not compare(own_flows(), own_flows())


def test_removed_and_added_copies_of_one_id_are_seen() -> None:
    fewer = own_flows()[:-1]
    assert compare(own_flows(), fewer).as_json()["removed"] == [
        {"id": own_flows()[-1]["id"], "type": "sscma"}
    ]
    assert len(compare(fewer, own_flows()).added) == 1


def test_another_order_is_a_difference() -> None:
    changes = compare(own_flows(), own_flows()[::-1])
    assert changes.reordered
    assert changes.as_json()["reordered"] is True
    assert compare(own_flows(), own_flows()).as_json()["reordered"] is False
    assert changes.lines() == ["~ the order of the nodes"]


def test_secrets_are_not_shown() -> None:
    old, new = secret("a node's password"), secret("a node's next password")
    before = [{"id": "a", "type": "sscma", "password": old, "host": "x"}]
    after = [{"id": "a", "type": "sscma", "password": new, "host": "y"}]
    text = "\n".join(compare(before, after).lines())
    assert not any(password in text for password in (old, new))
    assert '"x" → "y"' in text


@pytest.mark.parametrize(
    "field",
    [
        {"url": "rtsp://admin:hunter2@10.0.0.9/stream"},
        {"env": [{"name": "PASSWORD", "type": "str", "value": "hunter2"}]},
        {"headers": [{"keyValue": "Authorization", "valueValue": "Bearer hunter2"}]},
        {"tls": {"passphrase": "hunter2"}},
    ],
)
def test_secrets_within_a_value_are_not_shown(field: dict[str, Any]) -> None:
    before = [{"id": "a", "type": "x"}]
    assert "hunter" not in "\n".join(compare(before, [{**before[0], **field}]).lines())


def test_long_values_are_cut_short() -> None:
    before = [{"id": "a", "type": "model", "classes": "x" * 1000}]
    assert max(map(len, compare(before, [{**before[0], "classes": ""}]).lines())) < 130


def test_class_names_agree_when_they_are_written_by_us() -> None:
    labels = ("circle", "traffic light", "one, two")
    assert as_classes(labels) == "circle,traffic light,one two"
    assert disagreements(labels, labels, as_classes(labels)) == ()
    assert disagreements(labels, labels, "") == ()


@pytest.mark.parametrize(
    ("info", "classes", "problem"),
    [
        (("circle",), "circle,square", "model.json has 1 names, and the model 2 classes"),
        (("circle", "box"), "circle,square", "model.json calls class 1 'box'"),
        (("circle", "square"), "circle,box", "`classes` calls class 1 'box'"),
        (None, "circle,square", "no model.json"),
        ((), "", "neither model.json nor the model node"),
    ],
)
def test_class_names_that_differ_are_told(
    info: tuple[str, ...] | None, classes: str, problem: str
) -> None:
    assert any(problem in line for line in disagreements(("circle", "square"), info, classes))


def test_subflows_are_no_missing_types() -> None:
    known = {node["type"] for node in own_flows()} - {"tab", "subflow", "group", "subflow:sub"}
    assert missing_types(own_flows(), frozenset(known)) == []
    without = [node for node in own_flows() if node["id"] != "sub"]
    assert missing_types(without, frozenset(known)) == ["subflow:sub"]


def test_a_node_red_before_1_0_is_refused() -> None:
    with pytest.raises(Exception, match=r"needs 1\.0"):
        preflight([], NodeRedFacts("0.20.8", frozenset()))
    preflight([], NodeRedFacts("4.0.0", frozenset()))
    preflight([], NodeRedFacts("", frozenset()))


def test_only_nodes_that_run_are_waited_for() -> None:
    flows = own_flows()
    assert MODEL in service_nodes(flows)
    flows[0]["disabled"] = True
    assert service_nodes(flows) == set()


def kept(tmp_path: Path, host: str = "camera") -> Backups:
    return Backups(host, 1880, tmp_path)


def test_backups_are_numbered_and_the_same_is_not_kept_twice(tmp_path: Path) -> None:
    store = kept(tmp_path)
    one, two = FlowDocument(tuple(own_flows()), "a"), FlowDocument((), "b")
    first = store.keep(one)
    assert store.keep(one) == first
    second = store.keep(two)
    assert store.keep(one) not in (first, second)
    assert [backup.number for backup in store.all()] == [3, 2, 1]
    assert store.read("1")[1].canonical == one.canonical
    assert store.read(second.stem)[1].canonical == two.canonical
    assert store.read()[1].canonical == one.canonical


def test_backups_are_for_their_owner_only(tmp_path: Path) -> None:
    path = kept(tmp_path).keep(FlowDocument((), "a"))
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_the_clock_does_not_matter(tmp_path: Path) -> None:
    store = kept(tmp_path)
    store.keep(FlowDocument(tuple(own_flows()), "a"))
    newest = store.keep(FlowDocument((), "b"))
    os.utime(newest, (0, 0))
    assert store.read()[0] == newest


def test_a_backup_that_was_changed_is_refused(tmp_path: Path) -> None:
    store = kept(tmp_path)
    path = store.keep(FlowDocument(tuple(own_flows()), "a"))
    path.write_text("[]")
    with pytest.raises(FlowError, match="hash differs"):
        store.read()


def test_without_backups_the_next_step_is_told(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="no backup of this camera's flows") as caught:
        kept(tmp_path).read()
    assert "recam flow pull" in caught.value.hint
    with pytest.raises(FlowError, match="no backup 'x'"):
        kept(tmp_path).read("x")


@pytest.mark.parametrize("host", ["../../etc", "a/b", "..", "fe80::1%eth0", "x" * 300])
def test_a_host_never_leads_out_of_the_folder(tmp_path: Path, host: str) -> None:
    path = kept(tmp_path, host).keep(FlowDocument((), "a"))
    assert path.resolve().parent.parent == tmp_path.resolve()


def test_case_34_a_backup_remembers_which_nodes_had_credentials(tmp_path: Path) -> None:
    store = kept(tmp_path)
    for had in ({"a"}, {"b"}):
        store.keep(FlowDocument(tuple(own_flows()), "x", credentials=frozenset(had)))
    assert store.read()[1].credentials == frozenset({"a", "b"})
    (beside,) = store.folder.glob("*.credentials")
    assert beside.stat().st_mode & 0o077 == 0
    for damaged in ("", "{}", "["):
        beside.write_text(damaged)
        assert store.read()[1].credentials is None
    assert len(store.all()) == 1


def test_what_lies_beside_a_backup_goes_with_it(tmp_path: Path) -> None:
    store = kept(tmp_path)
    for number in range(60):
        nodes = ({"id": f"n{number}", "type": "tab"},)
        store.keep(FlowDocument(nodes, "x", credentials=frozenset({"a"})))
    assert len(list(store.folder.glob("*.json"))) == 50
    assert len(list(store.folder.glob("*.credentials"))) == 50


def test_row_17_the_order_of_backups_holds_past_9999(tmp_path: Path) -> None:
    store = kept(tmp_path)
    store.keep(FlowDocument(({"id": "n0", "type": "tab"},), "x"))
    (first,) = store.folder.iterdir()
    first.rename(first.with_name(first.name.replace("0001-", "9998-")))
    for number in (1, 2, 3):
        store.keep(FlowDocument(({"id": f"n{number}", "type": "tab"},), "x"))
    assert [one.number for one in store.all()] == [10001, 10000, 9999, 9998]
    assert store.read()[1].nodes[0]["id"] == "n3"


def test_case_34_without_that_memory_types_that_take_credentials_are_named() -> None:
    nodes = (
        {"id": "b", "type": "mqtt-broker"},
        {"id": "h", "type": "http request", "authType": "basic"},
        {"id": "h2", "type": "http request", "authType": ""},
        {"id": "t", "type": "tls-config", "certname": "cert.pem"},
        {"id": "d", "type": "debug"},
        {"id": "b2", "type": "mqtt-broker"},
        {"id": "b3", "type": "mqtt-broker"},
    )
    told: dict[str, dict[str, Any] | None] = {"b2": {"user": "u"}, "h2": None}
    lost = lost_credentials(FlowDocument(nodes), [nodes[-1]], lambda n: told.get(n["id"], {}))
    assert [(one.node["id"], one.known) for one in lost] == [
        ("b", False),
        ("h", False),
        ("t", False),
    ]
    assert "if it had any" in lost[0].line
