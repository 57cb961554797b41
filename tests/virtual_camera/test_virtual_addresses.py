"""Cameras at addresses of their own, on the ports that a real camera has."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from virtual.__main__ import parse
from virtual.layout import SetupError
from virtual.ports import CAMERA_PORTS, Ports

from recam_deploy.camera.web_api import CameraApi
from recam_deploy.discovery.mdns import browse
from recam_deploy.live.mqtt import MqttSource
from recam_deploy.progress import SilentProgress
from recam_deploy.settings import CameraSettings

from .conftest import Camera
from .test_virtual_server import refused

FIRST, SECOND = "127.0.0.2", "127.0.0.3"
Serve = Callable[..., Camera]


def own_ports_are_free() -> bool:
    """Whether this machine lets us have the camera's ports at both addresses."""
    with contextlib.ExitStack() as stack:
        for address in (FIRST, SECOND):
            for port in CAMERA_PORTS.values():
                bound = stack.enter_context(socket.socket())
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    bound.bind((address, port))
                except OSError:
                    return False
    return True


own_ports = pytest.mark.skipif(
    not own_ports_are_free(), reason="the camera's own ports cannot be had on this machine"
)


@own_ports
def test_cameras_side_by_side_answer_clients_that_know_the_usual_ports_only(
    serve: Serve, tmp_path: Path
) -> None:
    cameras = [
        serve(tmp_path / address, "--address", address, "--announce") for address in (FIRST, SECOND)
    ]
    for camera, address in zip(cameras, (FIRST, SECOND), strict=True):
        assert camera.state["host"] == address
        client = camera.connect(hostname=address, port=22)
        _, stdout, _ = client.exec_command("cd && pwd", timeout=20)
        assert stdout.read().decode().strip() == str(camera.root / "home/recamera")
        client.close()
        # Everything but the host is what the settings are when nothing is set.
        usual = CameraSettings(host=address, timeout=5.0)
        with CameraApi(usual) as api:
            assert api.device().name == "recamera"
        with MqttSource(address, usual.mqtt_port, timeout=usual.timeout):
            pass
    with SilentProgress().step("") as step:
        found = browse(3.0, "127.0.0.1", step)
    assert {FIRST: 1883, SECOND: 1883}.items() <= {a.host: a.ports["mqtt"] for a in found}.items()
    assert len({announced.name for announced in found}) == len(found)


@own_ports
def test_its_settings_name_the_address_and_the_usual_ports(serve: Serve, tmp_path: Path) -> None:
    camera = serve(tmp_path / "d", "--address", FIRST)
    settings = Path(camera.state["settings"]).read_text(encoding="utf-8")
    for line in (f'host = "{FIRST}"', "port = 22", "http_port = 80", "mqtt_port = 1883"):
        assert f"\n{line}\n" in settings
    assert camera.state["preview_ws"] == f"ws://{FIRST}:8090"
    assert (camera.folder / "known_hosts").read_text(encoding="utf-8").startswith(f"{FIRST} ")


@own_ports
def test_nothing_of_it_listens_at_another_address(serve: Serve, tmp_path: Path) -> None:
    camera = serve(tmp_path / "d", "--address", FIRST, "--broker", "embedded")
    lines = Path(f"/proc/{camera.process.pid}/net/tcp").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines[1:]]
    links = Path(f"/proc/{camera.process.pid}/fd").iterdir()
    own = {str(link.readlink()) for link in links if link.is_symlink()}
    listens = [row for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own]
    assert {row[1].split(":")[0] for row in listens} == {"0200007F"}


@own_ports
def test_the_ports_of_the_last_free_run_are_not_forgotten(serve: Serve, tmp_path: Path) -> None:
    before = serve(tmp_path / "d")
    before.stop()
    serve(tmp_path / "d", "--address", FIRST).stop()
    assert serve(tmp_path / "d").state["ssh_port"] == before.state["ssh_port"]


@own_ports
@pytest.mark.parametrize("name", ["ssh", "http", "mqtt", "video", "preview"])
def test_a_taken_port_of_the_camera_s_is_named_with_the_remedy(
    name: str, tmp_path: Path, hollow_libraries: Path
) -> None:
    options = ("--dir", str(tmp_path / "d"), "--tpu-libraries", str(hollow_libraries))
    with socket.create_server((FIRST, CAMERA_PORTS[name])):
        said = refused(*options, "--address", FIRST)
    assert f"{FIRST} port {CAMERA_PORTS[name]} cannot be used" in said
    assert f"sport = :{CAMERA_PORTS[name]}" in said
    assert not (tmp_path / "d" / "state.json").exists()


def test_what_the_system_forbids_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an ordinary user finds it below port 1024, and macOS at 127.0.0.2."""
    for number, remedy in (
        (errno.EACCES, "net.ipv4.ip_unprivileged_port_start=22"),
        (errno.EADDRNOTAVAIL, "ifconfig lo0 alias 127.0.0.2"),
    ):

        def forbid(*_: Any, number: int = number) -> socket.socket:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("virtual.ports._bound", forbid)
        with pytest.raises(SetupError, match=remedy):
            Ports(tmp_path / "ports.json", FIRST).bind("ssh")


@pytest.mark.parametrize("wrong", ["192.168.42.1", "0.0.0", "localhost", "127.0.0.256", "::1"])
def test_any_other_address_is_refused(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        parse(["serve", "--dir", str(tmp_path), "--tpu-libraries", "x", "--address", wrong])
