"""The life of a virtual camera: start, second start, stop, and what it leaves on disk."""

from __future__ import annotations

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

import paramiko
import pytest
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


def test_everything_is_published_when_it_says_ready(serve: Serve, tmp_path: Path) -> None:
    camera = serve(tmp_path / "d")
    state = camera.state
    assert state["pid"] == camera.process.pid
    assert state["started"] == start_of(camera.process.pid)
    assert (state["host"], state["user"]) == ("127.0.0.1", "recamera")
    with socket.create_connection((state["host"], state["ssh_port"]), 5) as connection:
        assert connection.recv(4) == b"SSH-"
    settings = Path(state["settings"]).read_text(encoding="utf-8")
    assert settings.startswith("[camera]\n")
    assert f"port = {state['ssh_port']}\n" in settings
    assert f"models = {json.dumps(str(camera.root / 'userdata/Models'))}\n" in settings
    assert "password" not in settings.lower()
    assert not (camera.root / "userdata" / "recam").exists()


def test_secrets_are_for_the_owner_only(serve: Serve, tmp_path: Path) -> None:
    camera = serve(tmp_path / "d")
    assert mode(camera.folder) == 0o700
    for name in ("password", "ssh_host_ed25519_key", "state.json", "recam.toml"):
        assert mode(camera.folder / name) == 0o600


def test_it_listens_on_the_loopback_only(serve: Serve, tmp_path: Path) -> None:
    camera = serve(tmp_path / "d")
    port = f"{camera.state['ssh_port']:04X}"
    listening = []
    for table in ("tcp", "tcp6"):
        lines = Path(f"/proc/{camera.process.pid}/net/{table}").read_text(encoding="utf-8")
        for line in lines.splitlines()[1:]:
            _, local, _, status = line.split()[:4]
            if status == "0A" and local.endswith(f":{port}"):
                listening.append(local.partition(":")[0])
    assert listening == ["0100007F"]


def test_a_restart_keeps_key_port_password_and_models(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("other\n", encoding="utf-8")
    first = serve(tmp_path / "d", "--password-file", str(tmp_path / "pw"))
    (first.root / "userdata" / "Models" / "model.cvimodel").write_bytes(b"mine")
    known = (first.folder / "known_hosts").read_text(encoding="utf-8")
    assert first.stop() == 0
    second = serve(tmp_path / "d")
    assert (second.folder / "known_hosts").read_text(encoding="utf-8") == known
    assert second.state["ssh_port"] == first.state["ssh_port"]
    assert (second.root / "userdata" / "Models" / "model.cvimodel").read_bytes() == b"mine"
    second.connect(password="other").close()


def test_a_taken_port_is_given_up_for_a_free_one(serve: Serve, tmp_path: Path) -> None:
    first = serve(tmp_path / "d")
    first.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", first.state["ssh_port"]))
        taken.listen()
        second = serve(tmp_path / "d")
        assert second.state["ssh_port"] != first.state["ssh_port"]
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
    assert f"port {port} cannot be used" in refused(*options, "--port", port)
    assert not (tmp_path / "b" / "state.json").exists()


def test_a_folder_with_a_colon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="must not contain"):
        Layout.at(tmp_path / "a:b")


def test_port_22_is_written_without_brackets() -> None:
    assert known_hosts_text("ssh-ed25519 AAAA comment", 22) == "127.0.0.1 ssh-ed25519 AAAA\n"
    assert known_hosts_text("ssh-ed25519 AAAA", 2222) == "[127.0.0.1]:2222 ssh-ed25519 AAAA\n"
