"""Flows pushed to a real Node-RED: what changes, what stays, and what may happen meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from factory_flows import factory_flows
from node_red_runs import Runtime
from own_flows import CAMERA, CLIENT, MODEL, own_flows
from planted import secret
from pushes import SHAPES, Editor, adding, do_push, flows_of, merging

from recam_deploy.errors import FlowConflictError
from recam_deploy.flows.document import Node, canonical
from recam_deploy.flows.push import wait_until_up
from recam_deploy.flows.templates import TEMPLATES, Parameters, fill, load_template
from recam_deploy.progress import SilentProgress

BROKERS = secret("the password of a broker")


@pytest.fixture(params=[own_flows, factory_flows], ids=["small", "factory"])
def factory(request: pytest.FixtureRequest) -> list[Node]:
    """A few nodes with all that must stay as it is; and as many as a camera's factory gives."""
    nodes: list[Node] = request.param()
    return nodes


def test_a_push_changes_the_models_named_fields_and_adds_a_preview(
    runtime: Runtime, factory: list[Node], editor: Editor
) -> None:
    runtime.set(factory)
    with runtime.client() as client:
        pushed = do_push(client, adding(), editor)
        assert wait_until_up(client, SilentProgress())
    after = flows_of(runtime)
    (model_id,) = {node["id"] for node in factory if node["type"] == "model"}
    kept, (preview,) = after[: len(factory)], after[len(factory) :]
    for old, new in zip(factory, kept, strict=True):
        if old["id"] == model_id:
            different = {key for key in {*old, *new} if old.get(key) != new.get(key)}
            assert different == {"uri", "model", "classes", "wires"}
            assert (new["uri"], new["model"], new["classes"]) == ("", "shapes", "circle,square")
            assert new["wires"] == [[*old["wires"][0], preview["id"]]]
            assert list(new) == list(old)
        else:
            assert canonical(new) == canonical(old)
    assert preview["type"] == "preview"
    assert pushed.as_json()["changed"] == [
        {"id": model_id, "type": "model", "fields": ["uri", "model", "classes", "wires"]}
    ]
    assert pushed.as_json()["added"] == [{"id": preview["id"], "type": "preview"}]
    assert pushed.as_json()["removed"] == []


def test_a_restore_gives_the_identical_document(
    runtime: Runtime, factory: list[Node], editor: Editor
) -> None:
    runtime.set(factory)
    with runtime.client() as client:
        before = client.read()
        pushed = do_push(client, adding("record"), editor)
        assert pushed.backup
        _, kept = editor.backups.read()
        assert kept.canonical == before.canonical
        do_push(client, lambda _: kept.nodes, editor, exact=True)
        assert client.read().canonical == before.canonical == canonical(factory)
        _, undone = editor.backups.read()
        do_push(client, lambda _: undone.nodes, editor, exact=True)
        assert client.read().nodes == pushed.nodes


def test_every_template_can_be_pushed_one_after_the_other(
    runtime: Runtime, factory: list[Node], editor: Editor
) -> None:
    runtime.set(factory)
    with runtime.client() as client:
        for name in TEMPLATES:
            do_push(client, adding(name), editor)
            assert wait_until_up(client, SilentProgress())
    after = flows_of(runtime)
    for kind in ("camera", "model", "save", "preview"):
        assert len({node["id"] for node in after if node["type"] == kind}) == 1


def test_an_empty_node_red_gets_the_whole_template(runtime: Runtime, editor: Editor) -> None:
    runtime.set([])
    with runtime.client() as client:
        do_push(client, adding("detections"), editor)
    wanted = fill("detections", load_template("detections"), SHAPES).nodes
    assert flows_of(runtime) == list(wanted)


def test_a_second_push_restarts_the_flows_and_changes_nothing(
    runtime: Runtime, editor: Editor
) -> None:
    runtime.set(own_flows())
    with runtime.client() as client:
        first = do_push(client, adding(), editor)
        starts = runtime.log().count("Started flows")
        again = do_push(client, adding(), editor, restart=True)
        assert (again.rev, again.backup, again.restarted) == (first.rev, None, True)
        assert wait_until_up(client, SilentProgress())
        assert client.read().nodes == first.nodes
    deadline = time.monotonic() + 10
    while runtime.log().count("Started flows") <= starts and time.monotonic() < deadline:
        time.sleep(0.05)
    assert runtime.log().count("Started flows") > starts


def test_nodes_that_do_not_look_are_deployed_without_stopping_the_camera(
    runtime: Runtime, editor: Editor
) -> None:
    runtime.set(own_flows())
    with runtime.client() as client:
        do_push(client, adding("detections"), editor)
        addition = fill(
            "detections",
            load_template("detections"),
            SHAPES,
            Parameters(mqtt_topic="found/here", send_to=("debug",)),
        )
        pushed = do_push(client, merging(addition), editor)
    assert pushed.kind == "nodes"
    assert [change.fields for change in pushed.changes.changed] == [("topic", "d")]


def test_credentials_of_other_nodes_survive_a_push(runtime: Runtime, editor: Editor) -> None:
    broker = {"id": "br", "type": "mqtt-broker", "broker": "127.0.0.1", "autoConnect": False}
    runtime.set([*own_flows(), {**broker, "credentials": {"user": "u", "password": BROKERS}}])
    with runtime.client() as client:
        do_push(client, adding(), editor)
        reply = client._http.exchange("GET", "/credentials/mqtt-broker/br").json()
    assert reply == {"user": "u", "has_password": True}


def test_ids_that_occur_twice_stay_as_they_are(runtime: Runtime, editor: Editor) -> None:
    runtime.set(own_flows())
    with runtime.client() as client:
        do_push(client, adding(), editor)
    after = flows_of(runtime)
    assert [node for node in after if node["id"] == CLIENT] == [own_flows()[4]] * 2
    assert [node["id"] for node in after if node["type"] == "camera"] == [CAMERA]


def test_row_15_another_editors_change_between_read_and_write_survives(
    runtime: Runtime, tmp_path: Path
) -> None:
    runtime.set(own_flows())

    def rename_a_node(turn: int) -> None:
        if turn == 1:
            changed = own_flows()
            changed[-2]["name"] = "theirs"
            runtime.set(changed)

    editor = Editor(tmp_path, rename_a_node)
    with runtime.client() as client:
        do_push(client, adding(), editor)
    after = {node["id"]: node for node in flows_of(runtime)}
    assert after["note"]["name"] == "theirs"
    assert after[MODEL]["classes"] == "circle,square"
    assert len(editor.approved) == 1
    assert [node["name"] for node in editor.kept[1].nodes if node["id"] == "note"] == ["theirs"]


def test_an_editor_that_is_always_faster_ends_the_push(runtime: Runtime, tmp_path: Path) -> None:
    runtime.set(own_flows())

    def rename_a_node(turn: int) -> None:
        changed = own_flows()
        changed[-2]["name"] = f"theirs {turn}"
        runtime.set(changed)

    editor = Editor(tmp_path, rename_a_node)
    with runtime.client() as client, pytest.raises(FlowConflictError, match="4 times"):
        do_push(client, adding(), editor)
    assert flows_of(runtime)[-2]["name"] == "theirs 4"
