"""The life of a virtual camera: start, second start, stop, and what it leaves on disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import paramiko
import pytest
from planted import CAMERA_PASSWORD, keep, secret
from virtual import broker
from virtual.layout import Layout, SetupError, known_hosts_text
from virtual.processes import start_of

from .conftest import DEVICE, Camera

Serve = Callable[..., Camera]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refused(*options: str) -> str:
    """Start a server that must not start. Returns what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "virtual", "serve", *options],
        env={**os.environ, "PYTHONPATH": str(DEVICE)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("virtual: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def ports(state: dict[str, Any]) -> list[int]:
    """Those that listen from the start: SSH, HTTP, MQTT."""
    return [state["ssh_port"], int(state["http_url"].rpartition(":")[2]), state["mqtt_port"]]


@pytest.mark.parametrize(("words", "version"), [((), "0.2.4"), (("--firmware", "next"), "0.2.5")])
def test_it_says_which_firmware_it_plays(
    serve: Serve, tmp_path: Path, words: tuple[str, ...], version: str
) -> None:
    camera = serve(tmp_path / "d", *words)
    assert camera.state["firmware"] == (words[-1] if words else version)
    assert (camera.root / "etc" / "issue").read_text() == f"reCamera V{version}\n"
    with urlopen(f"{camera.state['http_url']}/api/deviceMgr/queryDeviceInfo") as answer:  # noqa: S310
        assert json.load(answer)["data"]["osVersion"] == version


def test_everything_is_published_when_it_says_ready(serve: Serve, tmp_path: Path) -> None:
    camera = serve(tmp_path / "d")
    state = camera.state
    assert state["pid"] == camera.process.pid
    assert state["started"] == start_of(camera.process.pid)
    assert (state["host"], state["user"]) == ("127.0.0.1", "recamera")
    with socket.create_connection((state["host"], state["ssh_port"]), 5) as connection:
        assert connection.recv(4) == b"SSH-"
    for port in ports(state):
        socket.create_connection((state["host"], port), 5).close()
    settings = Path(state["settings"]).read_text(encoding="utf-8")
    assert settings.startswith("[camera]\n")
    assert f"\nport = {state['ssh_port']}\n" in settings
    assert f"http_port = {state['http_url'].rpartition(':')[2]}\n" in settings
    assert f"mqtt_port = {state['mqtt_port']}\n" in settings
    assert f"preview_port = {state['preview_ws'].rpartition(':')[2]}\n" in settings
    assert f"models = {json.dumps(str(camera.root / 'userdata/Models'))}\n" in settings
    assert "password" not in settings.lower()
    assert not (camera.root / "userdata" / "recam").exists()


def test_secrets_are_for_the_owner_only(serve: Serve, tmp_path: Path) -> None:
    file = keep(tmp_path / "password-file", f"{CAMERA_PASSWORD}\n")
    camera = serve(tmp_path / "d", "--password-file", str(file))
    assert mode(camera.folder) == 0o700
    for name in ("password", "ssh_host_ed25519_key", "state.json", "recam.toml"):
        assert mode(camera.folder / name) == 0o600


def test_it_listens_on_the_loopback_only(serve: Serve, tmp_path: Path) -> None:
    camera = serve(tmp_path / "d")
    expected = {f"0100007F:{port:04X}" for port in ports(camera.state)}
    numbers = {address.rpartition(":")[2] for address in expected}
    listening = []
    for table in ("tcp", "tcp6"):
        lines = Path(f"/proc/{camera.process.pid}/net/{table}").read_text(encoding="utf-8")
        for line in lines.splitlines()[1:]:
            _, local, _, status = line.split()[:4]
            if status == "0A" and local.rpartition(":")[2] in numbers:
                listening.append(local)
    assert len(expected) == 3
    assert sorted(listening) == sorted(expected)


def test_a_restart_keeps_key_ports_password_and_models(serve: Serve, tmp_path: Path) -> None:
    other = secret("another password of a camera")
    keep(tmp_path / "pw", f"{other}\n")
    first = serve(tmp_path / "d", "--password-file", str(tmp_path / "pw"))
    (first.root / "userdata" / "Models" / "model.cvimodel").write_bytes(b"mine")
    known = (first.folder / "known_hosts").read_text(encoding="utf-8")
    assert first.stop() == 0
    second = serve(tmp_path / "d")
    assert (second.folder / "known_hosts").read_text(encoding="utf-8") == known
    assert ports(second.state) == ports(first.state)
    assert second.state["preview_ws"] == first.state["preview_ws"]
    assert (second.root / "userdata" / "Models" / "model.cvimodel").read_bytes() == b"mine"
    second.connect(password=other).close()


def test_a_taken_port_is_given_up_for_a_free_one(serve: Serve, tmp_path: Path) -> None:
    first = serve(tmp_path / "d")
    first.stop()
    with contextlib.ExitStack() as stack:
        for port in ports(first.state):
            taken = stack.enter_context(socket.socket())
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
            taken.listen()
        second = serve(tmp_path / "d")
        assert not set(ports(second.state)) & set(ports(first.state))
        second.connect().close()


def test_an_uploaded_runner_survives_a_restart(
    serve: Serve, tmp_path: Path, riscv_program: bytes
) -> None:
    first = serve(tmp_path / "d")
    first.runner.write_bytes(riscv_program)
    first.stop()
    assert serve(tmp_path / "d").runner.read_bytes() == riscv_program


def test_a_factory_model_is_installed_once_with_its_card(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "f.cvimodel").write_bytes(b"factory")
    camera = serve(tmp_path / "d", "--factory-model", str(tmp_path / "f.cvimodel"))
    models = camera.root / "userdata" / "Models"
    assert (models / "model.cvimodel").read_bytes() == b"factory"
    card = json.loads((models / "model.json").read_text(encoding="utf-8"))
    assert card["checksum"] == hashlib.md5(b"factory", usedforsecurity=False).hexdigest()
    assert set(card) >= {"model_id", "version", "model_name", "ai_framwork", "classes"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_ends_sessions_and_removes_the_state(
    serve: Serve, tmp_path: Path, number: int
) -> None:
    camera = serve(tmp_path / "d")
    client = camera.connect()
    _, stdout, _ = client.exec_command("echo $$; exec sleep 1000", timeout=20)
    pid = int(stdout.readline())
    assert camera.stop(number) == 0
    assert not (camera.folder / "state.json").exists()
    deadline = time.monotonic() + 5
    while start_of(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert start_of(pid) is None
    client.close()


def test_a_second_server_on_a_live_folder_is_refused(
    serve: Serve, tmp_path: Path, hollow_libraries: Path
) -> None:
    camera = serve(tmp_path / "d")
    said = refused("--dir", str(tmp_path / "d"), "--tpu-libraries", str(hollow_libraries))
    assert f"belongs to a running virtual camera (process {camera.process.pid})" in said
    camera.connect().close()


def test_a_server_killed_outright_can_be_started_again(serve: Serve, tmp_path: Path) -> None:
    first = serve(tmp_path / "d")
    first.stop(signal.SIGKILL)
    assert (tmp_path / "d" / "state.json").exists()
    serve(tmp_path / "d").connect().close()


def test_keys_only_means_no_password(serve: Serve, tmp_path: Path) -> None:
    camera = serve(tmp_path / "d", "--auth", "publickey")
    with pytest.raises(paramiko.BadAuthenticationType) as caught:
        camera.connect()
    assert caught.value.allowed_types == ["publickey"]


def test_missing_simulator_libraries_are_named(tmp_path: Path) -> None:
    said = refused("--dir", str(tmp_path / "d"), "--tpu-libraries", str(tmp_path))
    assert "libcviruntime.so" in said
    assert not (tmp_path / "d" / "state.json").exists()


def test_a_library_that_does_not_load_is_said_so(tmp_path: Path) -> None:
    for name in ("libcviruntime.so", "libcvikernel.so", "libcvicmodel.so"):
        (tmp_path / name).write_bytes(b"not a library")
    said = refused("--dir", str(tmp_path / "d"), "--tpu-libraries", str(tmp_path))
    assert "does not load" in said


def test_a_port_in_use_is_said_so(serve: Serve, tmp_path: Path, hollow_libraries: Path) -> None:
    port = str(serve(tmp_path / "a").state["ssh_port"])
    options = ("--dir", str(tmp_path / "b"), "--tpu-libraries", str(hollow_libraries))
    for asked in ("--port", "--http-port", "--mqtt-port", "--preview-port"):
        assert f"port {port} cannot be used" in refused(*options, asked, port)
        assert not (tmp_path / "b" / "state.json").exists()


def test_a_camera_with_nothing_to_see_does_not_start(
    tmp_path: Path, hollow_libraries: Path
) -> None:
    options = ("--dir", str(tmp_path / "d"), "--tpu-libraries", str(hollow_libraries))
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in refused(*options, "--pictures", str(tmp_path / "empty"))
    assert "No such file" in refused(*options, "--pictures", str(tmp_path / "none"))


def test_without_mosquitto_the_broker_is_the_embedded_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "mosquitto_program", lambda: None)
    layout = Layout.at(tmp_path / "d")
    assert isinstance(broker.choose(layout, "auto"), broker.Embedded)
    with pytest.raises(SetupError, match="mosquitto is not installed"):
        broker.choose(layout, "mosquitto")


def test_a_folder_with_a_colon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="must not contain"):
        Layout.at(tmp_path / "a:b")


def test_port_22_is_written_without_brackets() -> None:
    key = "ssh-ed25519 AAAA"
    assert known_hosts_text(f"{key} comment", "127.0.0.2", 22) == f"127.0.0.2 {key}\n"
    assert known_hosts_text(key, "127.0.0.1", 2222) == f"[127.0.0.1]:2222 {key}\n"
