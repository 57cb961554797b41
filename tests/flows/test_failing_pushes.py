"""A push that cannot be made: why is said, it ends in time, and the flows stay or are right."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import pytest
from node_red_runs import CAMERA_TYPES, Proxy, Runtime, free_port, node_red
from own_flows import own_flows
from pushes import Editor, adding, do_push, flows_of

from recam_deploy.errors import ConnectionFailedError, InterruptedExchangeError, NodeRedError
from recam_deploy.flows.client import NodeRed, NodeRedLogin


def test_a_missing_node_type_is_named_and_nothing_changes(tmp_path: Path, editor: Editor) -> None:
    with node_red(tmp_path / "bare", types=[t for t in CAMERA_TYPES if t != "preview"]) as bare:
        bare.set(own_flows())
        with bare.client() as client, pytest.raises(NodeRedError, match="lacks .*preview"):
            do_push(client, adding(), editor)
        assert flows_of(bare) == own_flows()
    assert not editor.kept


def test_node_red_that_is_down_is_a_connection_error(editor: Editor) -> None:
    with (
        NodeRed("127.0.0.1", free_port(), NodeRedLogin(), timeout=5) as client,
        pytest.raises(ConnectionFailedError, match="Node-RED .* refused") as caught,
    ):
        do_push(client, adding(), editor)
    assert "two minutes" in caught.value.hint


def test_flows_that_are_stopped_are_told_and_stay_as_they_are(
    runtime: Runtime, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recam_deploy.flows.push._STARTING_SECONDS", 0.5)
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


def test_a_node_red_that_never_answers_is_given_up(editor: Editor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = NodeRed("127.0.0.1", listener.getsockname()[1], NodeRedLogin(), timeout=0.5)
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
        client = NodeRed("127.0.0.1", listener.getsockname()[1], NodeRedLogin(), timeout=0.5)
        with client, pytest.raises(InterruptedExchangeError, match=r"within 0\.5 s"):
            do_push(client, adding(), editor)


def test_row_16_a_connection_lost_after_the_write_is_looked_into_and_the_push_is_done(
    runtime: Runtime, editor: Editor
) -> None:
    runtime.set(own_flows())
    with (
        Proxy(runtime.port, b"POST /flows") as proxy,
        NodeRed("127.0.0.1", proxy.port, NodeRedLogin(), timeout=10) as client,
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
        NodeRed("127.0.0.1", proxy.port, NodeRedLogin(), timeout=10) as client,
    ):
        pushed = do_push(client, adding(), editor)
    assert flows_of(runtime) == list(pushed.nodes)
