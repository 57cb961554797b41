"""`recam virtual` starts a camera that can be reached at once, and ends it without a trace."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from recam_runs import Run

from recam_deploy.ports import Port, probe_port
from recam_deploy.settings import load_settings
from recam_deploy.virtual_camera import reads_fixed_ports

pytestmark = pytest.mark.toolchain


def test_up_status_and_down_tell_the_truth(run: Run, tmp_path: Path) -> None:
    words = ("--dir", tmp_path / "camera", "--json")
    assert run("virtual", "status", *words, cwd=tmp_path).document["running"] is False
    up = run("virtual", "up", "--detach", *words, cwd=tmp_path)
    assert up.code == 0, up.err + up.out
    assert {"host", "ssh_port", "user", "settings"} <= set(up.document)
    assert {"http_url", "mqtt_port", "preview_ws"} <= set(up.document)
    assert up.document["node_red_url"].startswith("http://127.0.0.1:")
    assert up.document["firmware"] == "0.2.4"
    assert run("virtual", "up", "--detach", *words, cwd=tmp_path).document == up.document
    status = run("virtual", "status", *words, cwd=tmp_path).document
    assert (status["running"], status["pid"]) == (True, up.document["pid"])
    assert run("virtual", "down", *words, cwd=tmp_path).document["stopped"] is True
    assert run("virtual", "down", *words, cwd=tmp_path).document["stopped"] is False
    assert ended(up.document["pid"])


def test_options_for_one_that_runs_already_are_not_lost_in_silence(
    run: Run, tmp_path: Path
) -> None:
    words = ("virtual", "up", "--detach", "--no-node-red", "--dir", tmp_path / "camera")
    first = run(*words, "--json", cwd=tmp_path)
    try:
        assert "at its next start" not in first.err
        assert "at its next start" not in run(*words, cwd=tmp_path).err
        again = run(*words, "--announce", cwd=tmp_path)
        assert (again.code, "at its next start" in again.err) == (0, True)
        other = run(*words, "--firmware", "next", cwd=tmp_path)
        assert (other.code, "at its next start" in other.err) == (0, True)
    finally:
        run("virtual", "down", "--dir", tmp_path / "camera", cwd=tmp_path)


def test_an_address_is_kept_and_another_one_is_refused_while_it_runs(
    run: Run, tmp_path: Path
) -> None:
    words = ("virtual", "up", "--detach", "--no-node-red", "--dir", tmp_path / "camera")
    up = run(*words, "--address", "127.0.0.2", "--json", cwd=tmp_path)
    if "cannot be used" in up.err:
        pytest.skip("the camera's own ports cannot be had on this machine")
    try:
        assert (up.document["host"], up.document["ssh_port"]) == ("127.0.0.2", 22)
        camera = load_settings({"RECAM_SETTINGS": up.document["settings"]}).camera
        assert (camera.host, camera.port) == ("127.0.0.2", 22)
        assert probe_port("127.0.0.2", 22, 5) is Port.open
        assert run(*words, "--address", "127.0.0.2", cwd=tmp_path).code == 0
        other = run(*words, "--address", "127.0.0.3", cwd=tmp_path)
        assert other.code == 1
        assert "runs already, at 127.0.0.2" in other.err
    finally:
        run("virtual", "down", "--dir", tmp_path / "camera", cwd=tmp_path)


def test_an_address_that_is_not_the_loopback_s_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    words = ("virtual", "up", "--dir", tmp_path / "camera", "--address", "192.168.42.1")
    done = run(*words, cwd=tmp_path)
    assert done.code == 2
    assert "127.0.0.2" in done.err
    assert not (tmp_path / "camera").exists()


@pytest.mark.parametrize(
    ("useless", "flags"),
    [
        ("--nodes-version", ("--no-node-red", "--nodes-version", "0.2.7")),
        ("--nodes", ("--no-node-red", "--nodes", ".")),
        ("--dashboard", ("--no-node-red", "--dashboard")),
        ("--nodes-version", ("--nodes", ".", "--nodes-version", "0.3.6")),
    ],
)
def test_flags_without_an_effect_are_refused(
    run: Run, tmp_path: Path, useless: str, flags: tuple[str, ...]
) -> None:
    done = run("virtual", "up", "--dir", tmp_path / "camera", *flags, cwd=tmp_path)
    assert done.code == 2
    assert f"{useless} has no effect" in done.err
    assert not (tmp_path / "camera").exists()


def test_the_version_of_the_nodes_is_the_one_asked_for(run: Run, tmp_path: Path) -> None:
    words = ("virtual", "up", "--detach", "--dir", tmp_path / "camera", "--json")
    try:
        up = run(*words, "--nodes-version", "0.2.7", cwd=tmp_path)
        assert up.code == 0, up.err
        place = urlsplit(up.document["node_red_url"])
        with contextlib.closing(HTTPConnection(str(place.hostname), place.port)) as node_red:
            node_red.request("GET", "/nodes", headers={"Accept": "application/json"})
            listed = {n["module"]: n["version"] for n in json.load(node_red.getresponse())}
        assert listed["virtual-recamera-nodes-0.2.7"] == "0.2.7"
        assert "virtual-recamera-nodes-0.3.6" not in listed
    finally:
        run("virtual", "down", "--dir", tmp_path / "camera", cwd=tmp_path)


def test_one_in_the_foreground_says_that_it_has_ended(run: Run, tmp_path: Path) -> None:
    place = ("--dir", tmp_path / "camera")
    with ThreadPoolExecutor() as pool:
        foreground = pool.submit(run, "virtual", "up", "--no-node-red", *place, cwd=tmp_path)
        until = time.monotonic() + 60
        while not (tmp_path / "camera" / "state.json").exists() and time.monotonic() < until:
            time.sleep(0.05)
        run("virtual", "down", *place, cwd=tmp_path)
        assert "has ended" in foreground.result(60).err


def test_the_same_camera_comes_back(run: Run, tmp_path: Path) -> None:
    words = ("--dir", tmp_path / "camera", "--json")
    first = run("virtual", "up", "--detach", *words, cwd=tmp_path).document
    key = (tmp_path / "camera" / "known_hosts").read_text()
    run("virtual", "down", *words, cwd=tmp_path)
    second = run("virtual", "up", "--detach", *words, cwd=tmp_path).document
    run("virtual", "down", *words, cwd=tmp_path)
    assert second["ssh_port"] == first["ssh_port"]
    assert (tmp_path / "camera" / "known_hosts").read_text() == key


def test_no_password_is_written_where_others_can_read(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "camera"
    up = run("virtual", "up", "--detach", "--dir", folder, "--json", cwd=tmp_path).document
    assert "password =" not in Path(up["settings"]).read_text()
    assert folder.stat().st_mode & 0o077 == 0
    run("virtual", "down", "--dir", folder, cwd=tmp_path)


def test_status_says_that_node_red_has_ended(run: Run, tmp_path: Path) -> None:
    words = ("--dir", tmp_path / "camera")
    up = run("virtual", "up", "--detach", *words, "--json", cwd=tmp_path).document
    try:
        assert up["node_red_runs"] is True
        os.kill(listener(urlsplit(up["node_red_url"]).port), signal.SIGKILL)
        status = run("virtual", "status", *words, "--json", cwd=tmp_path).document
        assert (status["running"], status["node_red_runs"]) == (True, False)
        assert "Node-RED: is not running" in run("virtual", "status", *words, cwd=tmp_path).out
    finally:
        run("virtual", "down", *words, cwd=tmp_path)


def test_without_node_red_the_settings_lead_to_no_other_one(run: Run, tmp_path: Path) -> None:
    """Its usual port may be that of this machine's own Node-RED."""
    words = ("--dir", tmp_path / "camera", "--json")
    up = run("virtual", "up", "--detach", "--no-node-red", *words, cwd=tmp_path).document
    try:
        assert (up["node_red_url"], up["node_red_runs"]) == (None, False)
        camera = load_settings({"RECAM_SETTINGS": up["settings"]}).camera
        assert camera.node_red_port != 1880
        assert probe_port(str(camera.host), camera.node_red_port, 5) is Port.refused
    finally:
        run("virtual", "down", *words, cwd=tmp_path)


@pytest.mark.parametrize(
    ("version", "place", "fixed"),
    [("0.3.6", ".", True), ("0.2.7", ".", False), ("1.0.0", "node-red-contrib-sscma", True)],
)
def test_nodes_whose_preview_knows_a_camera_s_ports_alone_are_recognised(
    tmp_path: Path, version: str, place: str, fixed: bool
) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "package.json").write_text(json.dumps({"version": version}))
    assert reads_fixed_ports(tmp_path) is fixed
    assert reads_fixed_ports(tmp_path / "nothing") is False


def listener(port: int | None) -> int:
    """The process that listens at a port of the loopback."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    inode = next(row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(link.readlink()) == f"socket:[{inode}]":
                return int(link.parts[2])
    raise AssertionError(f"nothing listens at port {port}")


def ended(pid: int) -> bool:
    """Whether a process is gone, or only waits for init to take notice of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
