"""A real Node-RED over TLS, under a path, and slow at times: all of recam's flow commands."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from certificates import Made, make_certificate
from node_red_runs import Runtime, node_red
from own_flows import own_flows
from pushes import Editor, adding, do_push

from recam_deploy.errors import CertificateError, ConnectionFailedError, InterruptedExchangeError
from recam_deploy.flows.client import NodeRed
from recam_deploy.flows.document import Node
from recam_deploy.flows.target import MergeTarget
from recam_deploy.flows.templates import ModelChoice, fill
from recam_deploy.settings import load_settings
from recam_deploy.tls import Trust

# Each request for the flows waits as long as the file `delay` says, in milliseconds.
_SETTINGS = """
httpAdminRoot: "/admin",
https: { key: require("fs").readFileSync(%r), cert: require("fs").readFileSync(%r) },
httpAdminMiddleware: (request, response, next) => {
    let wait = 0;
    try { wait = parseInt(require("fs").readFileSync(%r)); } catch (e) {}
    setTimeout(next, request.path.startsWith("/flows") ? wait : 0);
},
"""


@dataclass
class Far:
    """A Node-RED over TLS and under a path, with its certificate."""

    runtime: Runtime
    made: Made

    def client(self, **options: Any) -> NodeRed:
        trust = Trust(fingerprint=self.made.fingerprint)
        return self.runtime.client(**{"root": "/admin", "trust": trust, **options})

    def delay(self, seconds: float) -> None:
        (self.runtime.folder / "delay").write_text(str(int(seconds * 1000)))


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = tmp_path_factory.mktemp("far")
    made = make_certificate(folder, "own")
    settings = _SETTINGS % (str(made.key_file), str(made.file), str(folder / "run" / "delay"))
    with node_red(folder / "run", settings=settings) as runtime:
        yield Far(runtime, made)


@pytest.fixture
def far(started: Far) -> Far:
    started.delay(0)
    with started.client() as client:
        client.write(tuple(own_flows()), client.read().rev)
    return started


def test_cases_25_and_26_flows_are_pushed_and_restored(far: Far, editor: Editor) -> None:
    with far.client() as client:
        before = client.read()
        do_push(client, adding(), editor)
        assert client.runs()
    with far.client(trust=Trust(ca=far.made.file)) as client:
        do_push(client, lambda _: before.nodes, editor, exact=True)
        assert client.read().nodes == before.nodes


def test_cases_25_and_26_the_settings_lead_there(far: Far, tmp_path: Path) -> None:
    (tmp_path / "recam.toml").touch()
    environment = {
        "RECAM_HOST": "127.0.0.1",
        "RECAM_NODERED_PORT": str(far.runtime.port),
        "RECAM_NODERED_ROOT": "admin/",
        "RECAM_NODERED_FINGERPRINT": f"SHA256:{far.made.fingerprint.upper()}",
        "RECAM_SETTINGS": str(tmp_path / "recam.toml"),
    }
    camera = load_settings(environment).camera
    with NodeRed.from_settings(camera) as client:
        assert client.facts().version
    assert camera.editor == f"https://127.0.0.1:{far.runtime.port}/admin"


def test_case_26_neither_plain_http_nor_an_unknown_certificate_get_through(far: Far) -> None:
    with (
        far.client(trust=None) as client,
        pytest.raises(ConnectionFailedError, match="speaks TLS"),
    ):
        client.read()
    with far.client(trust=Trust()) as client, pytest.raises(CertificateError, match="self-signed"):
        client.read()


def test_case_29_a_slow_node_red_gets_its_push(far: Far, editor: Editor) -> None:
    far.delay(0.7)
    said: list[str] = []
    with far.client(timeout=0.5, patience=20.0, say=said.append) as client:
        pushed = do_push(client, adding(), editor)
        assert client.read().nodes == pushed.nodes
    assert any("is slow" in line for line in said)


def stopped(runtime: Runtime, seconds: float) -> None:
    """Stop the process for a while, as a camera does that swaps."""
    os.kill(runtime.process.pid, signal.SIGSTOP)
    threading.Timer(seconds, os.kill, (runtime.process.pid, signal.SIGCONT)).start()


class Stopping(Editor):
    """Stops Node-RED when the flows are backed up: just before they are written."""

    def __init__(self, folder: Path, runtime: Runtime, seconds: float) -> None:
        super().__init__(folder, lambda _: stopped(runtime, seconds))


def test_case_29_a_node_red_that_stands_still_during_the_write_is_waited_for(
    runtime: Runtime, tmp_path: Path
) -> None:
    runtime.set(own_flows())
    said: list[str] = []
    with runtime.client(timeout=0.5, patience=20.0, say=said.append) as client:
        pushed = do_push(client, adding(), Stopping(tmp_path, runtime, 1.5))
        assert client.read().nodes == pushed.nodes
    assert any("is slow" in line for line in said)


def test_case_29_after_a_time_out_the_outcome_is_read_back(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recam_deploy.flows.client._DEPLOY_SECONDS", 0.5)
    runtime.set(own_flows())
    with runtime.client(timeout=0.5) as client:
        pushed = do_push(client, adding(), Stopping(tmp_path, runtime, 2.0))
        assert pushed.changes
        assert client.read().nodes == pushed.nodes


def test_case_29_what_cannot_be_read_back_is_said(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recam_deploy.flows.client._DEPLOY_SECONDS", 0.3)
    monkeypatch.setattr("recam_deploy.flows.client._RESTART_SECONDS", 0.5)
    runtime.set(own_flows())
    with (
        runtime.client(timeout=0.3) as client,
        pytest.raises(InterruptedExchangeError, match="whether the flow was pushed is not known"),
    ):
        do_push(client, adding(), Stopping(tmp_path, runtime, 4.0))
    # What was sent takes effect when the process goes on: the message is right to leave it open.
    until = time.monotonic() + 10
    while time.monotonic() < until and not _has_preview(runtime):
        time.sleep(0.1)
    assert _has_preview(runtime)


def _has_preview(runtime: Runtime) -> bool:
    with runtime.client() as client:
        return any(node["type"] == "preview" for node in client.read().nodes)


def test_what_was_pushed_is_remembered_by_the_camera(runtime: Runtime, editor: Editor) -> None:
    """Case 2: another machine finds the record, without SSH."""
    runtime.set(own_flows())
    flow: list[Node] = [
        {"id": "t9", "type": "tab", "label": "mine"},
        {"id": "d9", "type": "debug", "z": "t9", "name": "one", "x": 9, "y": 9, "wires": []},
    ]
    with runtime.client() as client:
        addition = fill("dir/mine.json", tuple(flow), ModelChoice())
        do_push(client, MergeTarget(addition, client.recorded()), editor)
    with runtime.client() as client:
        nodes = client.read()
        changed = [n | {"name": "owner's"} if n["id"] == "d9" else n for n in nodes.nodes]
        client.write(tuple(changed), nodes.rev)
    with runtime.client() as client:
        edited = [flow[0], flow[1] | {"name": "two"}]
        addition = fill("other/mine.json", tuple(edited), ModelChoice())
        pushed = do_push(client, MergeTarget(addition, client.recorded()), editor)
        (lost,) = pushed.as_json()["overwritten"]
        assert (lost["id"], lost["fields"], lost["changed_on_camera"]) == ("d9", ["name"], True)
        addition = fill("mine.json", tuple(edited[:1]), ModelChoice())
        pushed = do_push(client, MergeTarget(addition, client.recorded()), editor)
        assert pushed.as_json()["removed"] == [{"id": "d9", "type": "debug"}]


@pytest.mark.parametrize("stored", ["", "[", "{}", '{"rev": "x"}'])
def test_case_52_a_push_works_on_a_node_red_that_has_lost_its_flows(
    tmp_path: Path, editor: Editor, stored: str
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "flows.json").write_text(stored)
    with (
        node_red(tmp_path / "run", started="Encrypted credentials not found") as lost,
        lost.client() as client,
    ):
        pushed = do_push(client, adding(), editor)
        assert pushed.as_json()["nodes_before"] == 0
        assert client.read().nodes == pushed.nodes
        assert client.runs()
