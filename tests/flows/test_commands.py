"""`recam flow` as a user runs it, against a real Node-RED and a camera whose SSH is off."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cvimodels import write_cvimodel
from hostile_servers import reply, serving
from node_red_runs import Runtime, free_port
from own_flows import MODEL, own_flows
from planted import secret
from typer.testing import CliRunner, Result

from recam_deploy.artifact import sha256_of
from recam_deploy.cli.main import app
from recam_deploy.flows.document import Node, canonical

Recam = Callable[..., Result]
TOKEN = secret("a token in the environment")
BROKERS = secret("the password of a broker")
INFO = {"model_id": "recam-000000000000", "model_name": "shapes", "classes": ["circle", "square"]}


@pytest.fixture
def info() -> dict[str, Any]:
    """The camera's `model.json`; a test may change it."""
    return dict(INFO)


@pytest.fixture
def recam(
    runtime: Runtime, info: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Recam]:
    """Run a command for the camera; `RECAM_…` given by name are put into its environment."""

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        data = {"model_info": json.dumps(info)} if info else {"model_info": ""}
        reply(handler, json.dumps({"code": 0, "msg": "OK", "data": data}).encode())

    for name in [n for n in os.environ if n.startswith("RECAM_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    runtime.set(own_flows())
    with serving(answer) as http_port:
        settings = {
            "host": "127.0.0.1",
            "port": free_port(),
            "http_port": http_port,
            "mqtt_port": free_port(),
            "node_red_port": runtime.port,
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        (tmp_path / "recam.toml").write_text("[camera]\n" + "\n".join(lines) + "\n")
        monkeypatch.setenv("RECAM_SETTINGS", str(tmp_path / "recam.toml"))

        def run(*words: str | Path, **variables: str) -> Result:
            return CliRunner().invoke(app, [str(word) for word in words], env=variables)

        yield run


def done(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def refused(result: Result) -> dict[str, str]:
    assert result.exit_code == 1, result.output
    error: dict[str, str] = json.loads(result.stdout)["error"]
    assert sorted(error) == ["hint", "kind", "message"]
    assert error["hint"]
    return error


def flows(runtime: Runtime) -> list[Node]:
    with runtime.client() as client:
        return list(client.read().nodes)


def test_show_and_pull_give_the_flows_as_they_are(recam: Recam, tmp_path: Path) -> None:
    shown = done(recam("flow", "show", "--json"))
    assert sorted(shown) == ["flows", "rev"]
    assert shown["flows"] == own_flows()
    assert "model 'finder'" in recam("flow", "show").stdout
    assert done(recam("flow", "pull", "-o", "mine.json", "--json"))["nodes"] == len(own_flows())
    assert json.loads((tmp_path / "mine.json").read_text()) == own_flows()
    error = refused(recam("flow", "pull", "-o", "mine.json", "--json"))
    assert "exists already" in error["message"]
    assert done(recam("flow", "pull", "-o", "mine.json", "--force", "--json"))["rev"]


def test_a_dry_run_and_a_diff_say_the_same_and_send_nothing(recam: Recam, runtime: Runtime) -> None:
    plan = done(recam("flow", "push", "--dry-run", "--json"))
    assert plan == done(recam("flow", "diff", "--json"))
    assert plan["changed"] == [
        {"id": MODEL, "type": "model", "fields": ["uri", "model", "classes", "wires"]}
    ]
    assert [node["type"] for node in plan["added"]] == ["preview"]
    assert plan["removed"] == []
    text = recam("flow", "push", "--dry-run").stdout
    assert '"person,bicycle" → "circle,square"' in text
    assert flows(runtime) == own_flows()


def test_a_flow_whose_nodes_do_not_come_up_is_an_error_that_says_what_was_done(
    recam: Recam, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recam_deploy.workflows.flows.wait_until_up", lambda *_: False)
    told = recam("flow", "push", "--yes", "--json")
    assert refused(told)["kind"] == "node_red"
    document = json.loads(told.stdout)
    assert (document["nodes_ready"], len(document["added"])) == (False, 1)
    assert flows(runtime) != own_flows()
    lines = recam("flow", "push", "--yes")
    assert lines.exit_code == 1
    assert "error: the flow is pushed, but its nodes do not run yet" in lines.stderr


def test_a_backup_is_compared_alone(recam: Recam) -> None:
    words = ("flow", "diff", "--backup", "1", "--template", "counting", "--json")
    done = recam(*words)
    assert done.exit_code == 2
    assert "--backup" in json.loads(done.stdout)["error"]["message"]


def test_push_backups_and_restore_are_a_round_trip(recam: Recam, runtime: Runtime) -> None:
    pushed = done(recam("flow", "push", "--yes", "--json"))
    assert pushed["nodes_ready"] is True
    with runtime.client() as client:
        assert pushed["rev"] == client.read().rev
    assert json.loads(Path(pushed["backup"]).read_text()) == own_flows()
    (kept,) = done(recam("flow", "backups", "--json"))["backups"]
    assert kept["path"] == pushed["backup"]
    undone = done(recam("flow", "restore", kept["name"], "--yes", "--json"))
    assert canonical(flows(runtime)) == canonical(own_flows())
    assert undone["removed"] == pushed["added"]
    done(recam("flow", "restore", "--yes", "--json"))
    assert any(node["type"] == "preview" for node in flows(runtime))


def test_a_second_push_only_restarts(recam: Recam) -> None:
    done(recam("flow", "push", "--yes", "--json"))
    again = done(recam("flow", "push", "--yes", "--json"))
    assert (again["changed"], again["added"], again["backup"]) == ([], [], None)
    assert again["restarted"] is True


def test_nothing_is_changed_where_nobody_can_be_asked(recam: Recam, runtime: Runtime) -> None:
    error = refused(recam("flow", "push", "--json"))
    assert "--yes" in error["hint"]
    assert flows(runtime) == own_flows()


def test_the_flows_before_are_kept_here_when_ssh_is_off(recam: Recam) -> None:
    result = recam("flow", "push", "--yes")
    assert result.exit_code == 0
    assert "backed up on this machine only" in result.stderr


def test_a_flow_of_the_users_own_is_pushed(recam: Recam, runtime: Runtime, tmp_path: Path) -> None:
    done(recam("flow", "pull", "-o", "mine.json", "--json"))
    own = [
        {"id": "t", "type": "tab", "label": "Mine"},
        {"id": "i", "type": "inject", "z": "t", "wires": [["d"]]},
        {"id": "d", "type": "debug", "z": "t", "wires": []},
    ]
    (tmp_path / "own.json").write_text(json.dumps(own))
    pushed = done(recam("flow", "push", "--flow", "own.json", "--yes", "--json"))
    assert pushed["deployment_type"] == "nodes"
    assert flows(runtime) == [*own_flows(), *own]


OWN = [
    {"id": "n1", "type": "function", "z": "0f0f", "func": "old", "outputs": 1}
    | {"x": 100, "y": 100, "wires": [["n2"]]},
    {"id": "n2", "type": "debug", "z": "0f0f", "x": 300, "y": 100, "wires": []},
]


def changed_on_the_camera(runtime: Runtime, node_id: str, **fields: Any) -> None:
    runtime.set([n | fields if n["id"] == node_id else n for n in flows(runtime)])


def test_cases_2_and_6_selected_nodes_are_pushed_edited_and_taken_out_again(
    recam: Recam, runtime: Runtime, tmp_path: Path
) -> None:
    def push(nodes: list[dict[str, Any]]) -> dict[str, Any]:
        (tmp_path / "mine.json").write_text(json.dumps(nodes))
        return done(recam("flow", "push", "--flow", "mine.json", "--yes", "--json"))

    assert [node["type"] for node in push(OWN)["added"]] == ["tab", "function", "debug"]
    edited = [OWN[0] | {"func": "new"}, OWN[1]]
    pushed = push(edited)
    assert pushed["changed"] == [{"id": "n1", "type": "function", "fields": ["func"]}]
    assert pushed["overwritten"] == []
    changed_on_the_camera(runtime, "n1", func="the owner's", x=555)
    (tmp_path / "mine.json").write_text(json.dumps(edited))
    shown = recam("flow", "diff", "--flow", "mine.json").stdout
    assert '"the owner\'s" → "new"' in shown
    assert "! function 'n1' was changed on the camera since the last push" in shown
    pushed = push(edited)
    assert [one["fields"] for one in pushed["overwritten"]] == [["func"]]
    (kept,) = (node for node in flows(runtime) if node["id"] == "n1")
    assert (kept["func"], kept["x"]) == ("new", 555)
    assert push([OWN[0] | {"wires": [[]]}])["removed"] == [{"id": "n2", "type": "debug"}]
    assert [node for node in flows(runtime) if node["id"] not in ("0f0f", "n1")] == (own_flows())


def test_case_34_nodes_that_have_lost_their_password_are_named(
    recam: Recam, runtime: Runtime
) -> None:
    broker = {"id": "br", "type": "mqtt-broker", "name": "mine", "autoConnect": False}
    with_login = {**broker, "credentials": {"user": "u", "password": BROKERS}}
    runtime.set([*own_flows(), with_login, {**broker, "id": "open", "name": "open"}])
    done(recam("flow", "push", "--yes", "--json"))
    assert done(recam("flow", "restore", "--yes", "--json"))["credentials_missing"] == []
    runtime.set(own_flows())
    restored = recam("flow", "restore", "1", "--yes", "--json")
    assert done(restored)["credentials_missing"] == [
        {"id": "br", "type": "mqtt-broker", "name": "mine", "had_credentials": True}
    ]
    assert "mqtt-broker 'mine' (id br) has lost its user, password" in restored.stderr


def test_case_52_a_restore_takes_the_newest_backup_with_nodes(
    recam: Recam, runtime: Runtime
) -> None:
    done(recam("flow", "push", "--yes", "--json"))
    runtime.set([])  # as a reset does
    pushed = recam("flow", "push", "--yes")
    assert "there were no flows before" in pushed.stdout
    restored = done(recam("flow", "restore", "--yes", "--json"))
    assert Path(restored["restored"]).name.startswith("0001-")
    assert flows(runtime) == own_flows()


BAD = [
    (("--flow", "none.json"), "cannot be read"),
    (("--flow", "text.json"), "is not JSON"),
    (("--flow", "broken.json"), "wired to 'nobody'"),
    (("--flow", "none.json", "--template", "record"), "exclude each other"),
    (("--line", "1,2,3,4"), "does not count"),
    (("--template", "counting", "--line", "far away"), "is invalid"),
    (("--model", "none.json"), "does not exist"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_input_is_told_and_nothing_is_sent(
    recam: Recam, runtime: Runtime, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "text.json").write_text("hello")
    broken = [{"id": "a", "type": "debug", "wires": [["nobody"]]}]
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    assert message in refused(recam("flow", "push", *words, "--yes", "--json"))["message"]
    assert flows(runtime) == own_flows()


def test_a_model_that_is_not_in_place_is_refused(
    recam: Recam, info: dict[str, Any], tmp_path: Path, runtime: Runtime
) -> None:
    write_cvimodel(tmp_path / "x.cvimodel")
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\n")
    words = ("flow", "push", "--model", "x.cvimodel", "--labels", "names.txt", "--yes", "--json")
    assert "is not x" in refused(recam(*words))["message"]
    info["model_id"] = f"recam-{sha256_of(tmp_path / 'x.cvimodel')[:12]}"
    done(recam(*words))
    (model,) = [node for node in flows(runtime) if node["type"] == "model"]
    assert (model["model"], model["classes"]) == ("x", "one,two,three")


def test_a_camera_without_a_model_json_keeps_the_names_of_its_flow(
    recam: Recam, info: dict[str, Any]
) -> None:
    info.clear()
    (changed,) = done(recam("flow", "push", "--dry-run", "--json"))["changed"]
    assert changed["fields"] == ["uri", "wires"]


def test_secrets_are_never_taken_from_the_command_line(recam: Recam) -> None:
    for command in ("show", "pull", "push", "diff", "restore"):
        given = recam("flow", command, "--nodered-token", TOKEN)
        assert given.exit_code == 2
        assert "takes no value" in given.stderr
        assert TOKEN not in given.output
    error = refused(recam("flow", "show", "--nodered-token", "--json"))
    assert "RECAM_NODERED_TOKEN" in error["hint"]


def test_a_token_of_the_environment_is_sent(recam: Recam, tmp_path: Path) -> None:
    seen: list[str | None] = []

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        seen.append(handler.headers.get("Authorization"))
        reply(handler, b"", 401)

    with serving(answer) as port:
        result = recam(
            "flow", "show", "--json", RECAM_NODERED_TOKEN=TOKEN, RECAM_NODE_RED_PORT=str(port)
        )
    assert seen == [f"Bearer {TOKEN}"]
    assert refused(result)["kind"] == "authentication"
    assert TOKEN not in result.output


def test_watching_a_camera_that_is_not_there_ends(
    recam: Recam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recam_deploy.cli.watch._SILENCE_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refused(recam("watch", "--json", "--count", "1", RECAM_PREVIEW_PORT=str(port)))
    assert error["kind"] == "connection"
    assert "preview socket" in error["message"]
