"""Pushing to a Node-RED with a login: by password or token, each tried once and never shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from node_red_runs import PASSWORD, TOKEN, USER, Runtime, node_red
from planted import WRONG, secret
from pushes import Editor, adding, do_push
from pydantic import SecretStr

from recam_deploy.errors import AuthenticationError
from recam_deploy.flows.client import NodeRedLogin

EXPIRED = secret("an expired token of Node-RED")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with node_red(tmp_path_factory.mktemp("locked"), login=True) as started:
        yield started


def as_user(password: str) -> NodeRedLogin:
    return NodeRedLogin(user=USER, password=SecretStr(password))


def test_a_login_is_asked_for_in_words(locked: Runtime, editor: Editor) -> None:
    with locked.client() as client, pytest.raises(AuthenticationError, match="needs a login"):
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
        locked.client(NodeRedLogin(token=SecretStr(EXPIRED))) as client,
        pytest.raises(AuthenticationError, match="refused the token") as caught,
    ):
        do_push(client, adding(), editor)
    assert EXPIRED not in f"{caught.value.message} {caught.value.hint}"
    assert len(asked) == 1
    with locked.client(as_user(PASSWORD)) as client:
        assert client.read() == before


@pytest.mark.parametrize("login", [as_user(PASSWORD), NodeRedLogin(token=SecretStr(TOKEN))])
def test_a_password_or_a_token_lets_us_push(
    locked: Runtime, editor: Editor, login: NodeRedLogin
) -> None:
    with locked.client(login) as client:
        do_push(client, adding(), editor)
        assert any(node["type"] == "preview" for node in client.read().nodes)
