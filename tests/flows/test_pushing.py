"""Flows pushed to a real Node-RED: what changes, what stays, and what happens on a failure."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
from mutations import mutated
from node_red_runs import (
    CAMERA_TYPES,
    PASSWORD,
    SHARED_FACTORY,
    TOKEN,
    USER,
    Proxy,
    Runtime,
    document,
    free_port,
    node_red,
)
from own_flows import CAMERA, CLIENT, MODEL, own_flows
from planted import WRONG, secret
from pydantic import SecretStr

from recam_deploy.errors import (
    AuthenticationError,
    ConnectionFailedError,
    FlowConflictError,
    InterruptedExchangeError,
    NodeRedError,
    RecamError,
)
from recam_deploy.flows.backups import Backups
from recam_deploy.flows.client import Login, NodeRed
from recam_deploy.flows.document import FlowDocument, Node, canonical
from recam_deploy.flows.merge import merge
from recam_deploy.flows.push import Pushed, PushPlan, Target, push, wait_until_up
from recam_deploy.flows.templates import (
    TEMPLATES,
    Addition,
    ModelChoice,
    Parameters,
    fill,
    load_flow_file,
    load_template,
)
from recam_deploy.progress import SilentProgress

EXPIRED = secret("an expired token of Node-RED")
BROKERS = secret("the password of a broker")
SHAPES = ModelChoice(name="shapes", labels=("circle", "square"))


class Editor:
    """Keeps documents as a command would; may change the flows meanwhile, as another person."""

    def __init__(self, folder: Path, meanwhile: Callable[[int], None] = lambda _: None) -> None:
        self.backups = Backups("camera", 1880, folder)
        self.kept: list[FlowDocument] = []
        self.approved: list[PushPlan] = []
        self._meanwhile = meanwhile

    def keep(self, found: FlowDocument) -> Path:
        self.kept.append(found)
        path = self.backups.keep(found)
        self._meanwhile(len(self.kept))
        return path


def adding(template: str = "preview") -> Target:
    return merging(fill(template, load_template(template), SHAPES))


def merging(addition: Addition) -> Target:
    return lambda nodes: merge(nodes, addition)


def do_push(client: NodeRed, target: Target, editor: Editor, **options: Any) -> Pushed:
    return push(
        client,
        target,
        SilentProgress(),
        approve=editor.approved.append,
        keep=editor.keep,
        **options,
    )


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    return Editor(tmp_path / "kept")


def flows_of(runtime: Runtime) -> list[Node]:
    with runtime.client() as client:
        return list(client.read().nodes)


FACTORIES = ["small", "factory"]


@pytest.fixture(params=FACTORIES)
def factory(request: pytest.FixtureRequest) -> list[Node]:
    if request.param == "small":
        return own_flows()
    if not SHARED_FACTORY.is_file():
        pytest.skip("a camera's own factory flows lie beside the project, not in it")
    return document(SHARED_FACTORY)


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


def test_a_missing_node_type_is_named_and_nothing_changes(tmp_path: Path, editor: Editor) -> None:
    with node_red(tmp_path / "bare", types=[t for t in CAMERA_TYPES if t != "preview"]) as bare:
        bare.set(own_flows())
        with bare.client() as client, pytest.raises(NodeRedError, match="lacks .*preview"):
            do_push(client, adding(), editor)
        assert flows_of(bare) == own_flows()
    assert not editor.kept


def test_node_red_that_is_down_is_a_connection_error(editor: Editor) -> None:
    with (
        NodeRed("127.0.0.1", free_port(), Login(), timeout=5) as client,
        pytest.raises(ConnectionFailedError, match="Node-RED .* refused") as caught,
    ):
        do_push(client, adding(), editor)
    assert "two minutes" in caught.value.hint


def test_flows_that_are_stopped_are_told_and_stay_as_they_are(
    runtime: Runtime, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recam_deploy.flows.push._STARTED_SECONDS", 0.5)
    runtime.set(own_flows())
    with runtime.client() as client:
        _set_state(client, "stop")
        try:
            with pytest.raises(NodeRedError, match="are stopped"):
                do_push(client, adding(), editor)
        finally:
            _set_state(client, "start")
    assert flows_of(runtime) == own_flows()


def _set_state(client: NodeRed, state: str) -> None:
    body, headers = json.dumps({"state": state}).encode(), {"Content-Type": "application/json"}
    reply = client._http.exchange("POST", "/flows/state", headers=headers, body=body)
    assert reply.status == 200


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with node_red(tmp_path_factory.mktemp("locked"), login=True) as started:
        yield started


def as_user(password: str) -> Login:
    return Login(user=USER, password=SecretStr(password))


def test_a_login_is_asked_for_in_words(locked: Runtime, editor: Editor) -> None:
    with locked.client() as client, pytest.raises(AuthenticationError, match="asks for a login"):
        do_push(client, adding(), editor)


def test_whatever_is_asked_first_logs_in(locked: Runtime) -> None:
    with locked.client(as_user(PASSWORD)) as client:
        assert client.runs() is True


def test_a_wrong_password_is_tried_once_and_not_shown(locked: Runtime, editor: Editor) -> None:
    with (
        locked.client(as_user(WRONG)) as client,
        pytest.raises(AuthenticationError, match="refused the password") as caught,
    ):
        do_push(client, adding(), editor)
    assert WRONG not in f"{caught.value.message} {caught.value.hint}"


def test_row_14_an_expired_token_is_refused_once_and_the_flows_stay(
    locked: Runtime, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked.client(as_user(PASSWORD)) as client:
        before = client.read()
    asked: list[str] = []
    send = requests.Session.send

    def counted(session: requests.Session, request: Any, **options: Any) -> requests.Response:
        asked.append(str(request.url))
        return send(session, request, **options)

    monkeypatch.setattr(requests.Session, "send", counted)
    with (
        locked.client(Login(token=SecretStr(EXPIRED))) as client,
        pytest.raises(AuthenticationError, match="refused the token") as caught,
    ):
        do_push(client, adding(), editor)
    assert EXPIRED not in f"{caught.value.message} {caught.value.hint}"
    assert len(asked) == 1
    with locked.client(as_user(PASSWORD)) as client:
        assert client.read() == before


@pytest.mark.parametrize("login", [as_user(PASSWORD), Login(token=SecretStr(TOKEN))])
def test_a_password_or_a_token_lets_us_push(locked: Runtime, editor: Editor, login: Login) -> None:
    with locked.client(login) as client:
        do_push(client, adding(), editor)
        assert any(node["type"] == "preview" for node in client.read().nodes)


def test_a_node_red_that_never_answers_is_given_up(editor: Editor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = NodeRed("127.0.0.1", listener.getsockname()[1], Login(), timeout=0.5)
        began = time.monotonic()
        with client, pytest.raises(InterruptedExchangeError, match=r"within 0\.5 s|no answer"):
            do_push(client, adding(), editor)
        assert time.monotonic() - began < 10


def test_a_node_red_that_answers_a_byte_at_a_time_is_given_up(editor: Editor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            link, _ = listener.accept()
            with link:
                for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000:
                    time.sleep(0.1)
                    try:
                        link.send(bytes([byte]))
                    except OSError:
                        return

        threading.Thread(target=drip, daemon=True).start()
        client = NodeRed("127.0.0.1", listener.getsockname()[1], Login(), timeout=0.5)
        with client, pytest.raises(InterruptedExchangeError, match=r"within 0\.5 s"):
            do_push(client, adding(), editor)


def test_row_16_a_connection_lost_after_the_write_is_looked_into_and_the_push_is_done(
    runtime: Runtime, editor: Editor
) -> None:
    runtime.set(own_flows())
    with (
        Proxy(runtime.port, b"POST /flows") as proxy,
        NodeRed("127.0.0.1", proxy.port, Login(), timeout=10) as client,
    ):
        pushed = do_push(client, adding(), editor)
    assert flows_of(runtime) == list(pushed.nodes)
    assert len(editor.kept) == 1


def test_row_16_a_connection_lost_before_the_write_writes_once_more(
    runtime: Runtime, editor: Editor
) -> None:
    runtime.set(own_flows())
    with (
        Proxy(runtime.port, b"POST /flows", before=True) as proxy,
        NodeRed("127.0.0.1", proxy.port, Login(), timeout=10) as client,
    ):
        pushed = do_push(client, adding(), editor)
    assert flows_of(runtime) == list(pushed.nodes)


def test_ids_that_occur_twice_stay_as_they_are(runtime: Runtime, editor: Editor) -> None:
    runtime.set(own_flows())
    with runtime.client() as client:
        do_push(client, adding(), editor)
    after = flows_of(runtime)
    assert [node for node in after if node["id"] == CLIENT] == [own_flows()[4]] * 2
    assert [node["id"] for node in after if node["type"] == "camera"] == [CAMERA]


def test_two_hundred_mutated_files_give_an_error_or_a_right_push(
    runtime: Runtime, tmp_path: Path, editor: Editor
) -> None:
    """Never a traceback, never anything of the camera's own flows changed by half."""
    sources = [document(Path(p)) for p in _template_files()]
    runtime.set(own_flows())
    path, pushed, refused = tmp_path / "flow.json", 0, 0
    with runtime.client() as client:
        for seed in range(200):
            before = client.read()
            path.write_text(mutated(sources[seed % len(sources)], seed), encoding="utf-8")
            try:
                addition = fill(str(path), load_flow_file(path), SHAPES)
                done = do_push(client, merging(addition), editor)
            except RecamError as error:
                assert error.message and error.hint and "\n" not in error.message
                assert client.read() == before
                refused += 1
                continue
            pushed += 1
            assert _without_credentials(client.read().nodes) == _without_credentials(done.nodes)
            assert not done.changes.removed
            assert client.runs()
            assert runtime.alive()
            runtime.set(own_flows())
    assert pushed > 20
    assert refused > 100


def _template_files() -> list[Path]:
    from recam_deploy.resources import resource

    return sorted(resource("noderedflows").glob("*.json"))


def _without_credentials(nodes: Sequence[Node]) -> list[Node]:
    return [{key: node[key] for key in node if key != "credentials"} for node in nodes]
