"""A push onto flows like those of a new camera, on the whole virtual camera."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from factory_like import MODEL, factory_like
from planted import camera_folder
from recam_runs import Run

pytestmark = pytest.mark.toolchain


@pytest.fixture(scope="module")
def dashboard(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A virtual camera with a new camera's flows, whose model names a preset that is not there."""
    folder = camera_folder(tmp_path_factory.mktemp("dashboard"))
    words = ("--dir", folder, "--json")
    up = run("virtual", "up", "--dashboard", "--detach", *words, cwd=folder)
    assert up.code == 0, up.err + up.out
    before = node_red(up.document, "GET")
    node_red(up.document, "POST", {"flows": factory_like(), "rev": before["rev"]})
    yield up.document
    run("virtual", "down", *words, cwd=folder)


def node_red(camera: dict[str, Any], method: str, body: Any = None) -> dict[str, Any]:
    """The answer of Node-RED's Admin API to a call about the flows."""
    place = urlsplit(camera["node_red_url"])
    headers = {"Node-RED-API-Version": "v2", "Content-Type": "application/json"}
    with contextlib.closing(HTTPConnection(str(place.hostname), place.port)) as connection:
        connection.request(method, "/flows", json.dumps(body) if body else None, headers)
        reply = connection.getresponse()
        document: dict[str, Any] = json.loads(reply.read())
    assert reply.status == 200, document
    return document


def test_the_deployed_model_runs_in_them_and_all_else_stays(
    run: Run, dashboard: dict[str, Any], tmp_path: Path
) -> None:
    settings = {"RECAM_SETTINGS": dashboard["settings"]}
    pushed = run("flow", "push", "--yes", "--json", cwd=tmp_path, **settings)
    assert pushed.code == 0, pushed.err + pushed.out
    assert pushed.document["nodes_ready"] is True
    there, factory = node_red(dashboard, "GET")["flows"], factory_like()
    changed = {a["id"] for a, b in zip(factory, there, strict=False) if a != b}
    assert changed == {MODEL}
    assert [node["type"] for node in there[len(factory) :]] == ["preview"]
    seen = run("watch", "--count", "1", "--json", cwd=tmp_path, **settings)
    assert seen.code == 0, seen.err
    assert seen.document["count"] == 1


def test_the_doctor_finds_nothing_wrong_with_them(
    run: Run, dashboard: dict[str, Any], tmp_path: Path
) -> None:
    done = run("doctor", "--json", cwd=tmp_path, RECAM_SETTINGS=dashboard["settings"])
    checks = {check["id"]: check for check in done.document["checks"]}
    assert checks["node_red.types"]["status"] == "ok"
    assert checks["node_red.version"]["fact"] == "Node-RED 4.1.0"
    assert checks["node_red.state"]["status"] == "ok"
