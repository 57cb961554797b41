"""What stands between recam and a Node-RED: paths, logins, redirects, and slowness."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hostile_servers import Answer, reply, serving
from planted import secret
from pydantic import SecretStr

from recam_deploy.doctor.node_red import look
from recam_deploy.errors import (
    AuthenticationError,
    InterruptedExchangeError,
    NodeRedError,
    RedirectError,
)
from recam_deploy.flows.client import NodeRed, NodeRedLogin
from recam_deploy.settings import CameraSettings

PASSWORD, TOKEN = secret("the password of a proxy"), secret("a token for a proxy's server")
FLOWS = {"flows": [{"id": "t", "type": "tab"}], "rev": "1"}


def client(port: int, login: NodeRedLogin | None = None, **options: Any) -> NodeRed:
    return NodeRed("127.0.0.1", port, login or NodeRedLogin(), **{"timeout": 5, **options})


def as_json(handler: BaseHTTPRequestHandler, value: Any, status: int = 200, **more: str) -> None:
    reply(handler, json.dumps(value).encode(), status, **more)


def below(root: str) -> Answer:
    """A Node-RED whose Admin API lies below a path."""

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        paths = {f"{root}/flows": FLOWS, f"{root}/auth/login": {}}
        found = handler.path in paths
        as_json(handler, paths.get(handler.path, "no"), 200 if found else 404)

    return answer


@pytest.mark.parametrize("root", ["/admin", "/red", "/nodered", "/node-red"])
def test_case_25_the_path_that_answers_is_named(root: str) -> None:
    with serving(below(root)) as port:
        with client(port) as node_red, pytest.raises(NodeRedError) as caught:
            node_red.read()
        assert f"answers below {root}" in caught.value.message
        assert f"RECAM_NODE_RED_ROOT={root}" in caught.value.hint
        with client(port, root=root) as node_red:
            assert node_red.read().rev == "1"


def test_case_25_an_unknown_path_is_named_as_a_possible_cause() -> None:
    with (
        serving(below("/some/where")) as port,
        client(port) as node_red,
        pytest.raises(NodeRedError, match="no Admin API") as caught,
    ):
        node_red.read()
    assert "camera.node_red_root" in caught.value.hint


def test_case_25_a_web_page_in_place_of_the_api_is_named() -> None:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        if handler.path.startswith("/nr/"):
            as_json(handler, {})
        else:
            reply(handler, b"<!doctype html><title>welcome</title>")

    with (
        serving(answer) as port,
        client(port) as node_red,
        pytest.raises(NodeRedError, match="a web page; Node-RED answers below /nr"),
    ):
        node_red.read()


def proxied(seen: list[str]) -> Answer:
    """A proxy with basic authentication in front of a Node-RED."""
    word = base64.b64encode(f"door:{PASSWORD}".encode()).decode()

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        seen.append(f"{handler.path} {handler.headers.get('Authorization', '-').split(' ')[0]}")
        if handler.headers.get("Authorization") != f"Basic {word}":
            as_json(handler, "", 401, WWW_Authenticate='Basic realm="the door"')
        else:
            as_json(handler, FLOWS)

    return answer


LOGINS = [
    NodeRedLogin(user="door", password=SecretStr(PASSWORD)),
    NodeRedLogin(basic_user="door", basic_password=SecretStr(PASSWORD)),
    NodeRedLogin(user="me", basic_user="door", basic_password=SecretStr(PASSWORD)),
]


@pytest.mark.parametrize("login", LOGINS)
def test_case_33_a_proxys_login_is_answered_when_it_is_asked_for(login: NodeRedLogin) -> None:
    seen: list[str] = []
    with serving(proxied(seen)) as port, client(port, login) as node_red:
        assert node_red.read().rev == "1"
        node_red.read()
    assert seen == ["/flows -", "/flows Basic", "/flows Basic"]


def test_case_33_a_login_is_asked_for_once() -> None:
    asked: list[int] = []

    def ask() -> NodeRedLogin:
        asked.append(1)
        return NodeRedLogin(user="door", password=SecretStr(PASSWORD))

    with serving(proxied([])) as port, client(port, ask=ask) as node_red:
        assert node_red.read().rev == "1"
    assert asked == [1]


REFUSED: list[tuple[NodeRedLogin, str, str]] = [
    (NodeRedLogin(), "needs a user and a password", "RECAM_NODE_RED_BASIC_PASSWORD"),
    (NodeRedLogin(user="x", password=SecretStr(TOKEN)), "refused the user 'x'", "BASIC_USER"),
    (NodeRedLogin(token=SecretStr(TOKEN)), "needs a user and a password", "BASIC_PASSWORD"),
]


@pytest.mark.parametrize(("login", "problem", "hint"), REFUSED)
def test_case_33_who_asks_for_which_login_is_named(
    login: NodeRedLogin, problem: str, hint: str
) -> None:
    seen: list[str] = []
    with (
        serving(proxied(seen)) as port,
        client(port, login) as node_red,
        pytest.raises(AuthenticationError, match=problem) as caught,
    ):
        node_red.read()
    assert "'the door'" in caught.value.message
    assert hint in caught.value.hint
    assert len(seen) <= 2, "a wrong password is tried once"
    assert not any("/auth/" in path for path in seen)


def challenge(text: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        if handler.headers.get("Authorization", "").startswith("Basic"):
            as_json(handler, "", 401, WWW_Authenticate='Bearer realm="Users"')
        else:
            as_json(handler, "", 401, WWW_Authenticate=text)

    return answer


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('Digest realm="x", nonce="1"', "of the kind digest"),
        ("Negotiate", "of the kind negotiate"),
        ('Basic realm="x"', "two logins"),
    ],
)
def test_case_33_what_cannot_be_given_is_named(text: str, problem: str) -> None:
    login = NodeRedLogin(user="a", password=SecretStr(PASSWORD))
    with (
        serving(challenge(text)) as port,
        client(port, login) as node_red,
        pytest.raises(AuthenticationError, match=problem),
    ):
        node_red.read()


def test_case_33_a_login_by_browser_is_named() -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        asked.append(handler.path)
        if handler.path == "/auth/login":
            prompts = [{"type": "button", "label": "Sign in with Example", "url": "auth/strategy"}]
            as_json(handler, {"type": "strategy", "prompts": prompts})
        else:
            as_json(handler, "", 401, WWW_Authenticate='Bearer realm="Users"')

    login = NodeRedLogin(user="admin", password=SecretStr(PASSWORD))
    with (
        serving(answer) as port,
        client(port, login) as node_red,
        pytest.raises(AuthenticationError, match="'Sign in with Example'") as caught,
    ):
        node_red.read()
    assert "RECAM_NODERED_TOKEN" in caught.value.hint
    assert "/auth/token" not in asked


REDIRECTS = [
    ("https://127.0.0.1:{port}/flows", "RECAM_NODE_RED_HTTPS=true"),
    ("https://127.0.0.1/flows", "RECAM_NODE_RED_HTTPS=true RECAM_NODE_RED_PORT=443"),
    ("/nodered/flows", 'RECAM_NODE_RED_ROOT="/nodered"'),
    ("http://127.0.0.1:9/flows", "RECAM_NODE_RED_PORT=9"),
    ("http://elsewhere.example/flows", "No password is sent to another host"),
    ("//elsewhere.example:99999999/", "No password is sent to another host"),
]


@pytest.mark.parametrize(("location", "hint"), REDIRECTS)
def test_case_26_a_redirect_is_not_followed_and_its_setting_is_named(
    location: str, hint: str
) -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        asked.append(handler.path)
        port = handler.connection.getsockname()[1]
        reply(handler, b"", 302, Location=location.format(port=port))

    login = NodeRedLogin(token=SecretStr(TOKEN))
    with (
        serving(answer) as port,
        client(port, login) as node_red,
        pytest.raises(RedirectError) as caught,
    ):
        node_red.read()
    assert hint in caught.value.hint
    assert asked == ["/flows"]


def late(seconds: float, *, all_paths: bool) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        if all_paths or handler.path == "/flows":
            time.sleep(seconds)
        as_json(handler, FLOWS if handler.path == "/flows" else {})

    return answer


@pytest.mark.parametrize("all_paths", [False, True])
def test_case_29_a_slow_node_red_is_waited_for_and_that_is_told(all_paths: bool) -> None:
    said: list[str] = []
    with (
        serving(late(0.6, all_paths=all_paths)) as port,
        client(port, timeout=0.2, patience=5.0, say=said.append) as node_red,
    ):
        assert node_red.read().rev == "1"
    assert said
    assert all("camera.node_red_timeout" in line for line in said)


def silent_for(seconds: float, act: Callable[[int], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        timer = threading.Timer(seconds, listener.close)
        timer.start()
        act(listener.getsockname()[1])
        timer.cancel()


def test_case_52_a_port_that_says_nothing_is_given_up_before_one_that_is_alive() -> None:
    def act(port: int) -> None:
        began = time.monotonic()
        with (
            client(port, timeout=0.2, patience=2.0) as node_red,
            pytest.raises(InterruptedExchangeError, match="did not answer") as caught,
        ):
            node_red.read()
        assert 0.9 < time.monotonic() - began < 1.9
        assert "camera.node_red_timeout" in caught.value.hint

    silent_for(10, act)


def test_case_52_doctor_waits_for_a_silent_port_no_longer_than_one_timeout(
    tmp_path: Path,
) -> None:
    def act(port: int) -> None:
        camera = CameraSettings(
            host="127.0.0.1",
            node_red_port=port,
            flow_backups=tmp_path,
            timeout=1,
            node_red_timeout=60,
        )
        began = time.monotonic()
        found = look(camera)
        assert time.monotonic() - began < 5
        assert isinstance(found.error, InterruptedExchangeError)

    silent_for(10, act)


def test_case_52_flows_that_node_red_could_not_read_are_none() -> None:
    """Node-RED 4.1.0 with `{}` as its flows.json answers `null`; `[` and an empty file are []."""
    with serving(lambda handler, _: as_json(handler, None)) as port, client(port) as node_red:
        document = node_red.read()
    assert (document.nodes, document.unreadable) == ((), True)
