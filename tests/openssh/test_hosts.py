"""How people name a camera: addresses, aliases of ~/.ssh/config, jump hosts (case 5)."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sshd_parts import SYSTEM_PATH, make_key, start_plain

from recam_deploy.errors import (
    AuthenticationError,
    ConnectionFailedError,
    HostKeyError,
    RecamError,
    SettingsError,
)
from recam_deploy.interaction import NoInteraction
from recam_deploy.settings import CameraSettings, load_settings
from recam_deploy.ssh.command import RemoteCommand
from recam_deploy.ssh.config import with_ssh_config
from recam_deploy.ssh.connection import connect
from recam_deploy.workflows.connect import open_connection

StartServer = Callable[[str], int]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "the_key")


@pytest.fixture
def start_server(tmp_path: Path, home: Path, key: Path) -> Iterator[StartServer]:
    """Start an sshd whose commands find its name as $HOME's last part; its key is known."""
    running: list[subprocess.Popen[bytes]] = []
    (home / ".ssh").mkdir(mode=0o700)

    def start(name: str) -> int:
        folder = tmp_path / name
        folder.mkdir()
        process, port = start_plain(folder, key, SYSTEM_PATH)
        running.append(process)
        kind, blob = (folder / "host_key.pub").read_text().split()[:2]
        with (home / ".ssh" / "known_hosts").open("a") as known:
            known.write(f"[127.0.0.1]:{port} {kind} {blob}\n")
        return port

    yield start
    for process in running:
        process.kill()
        process.wait()


def configure(home: Path, text: str) -> None:
    common = "\nHost *\n  UserKnownHostsFile ~/.ssh/known_hosts\n"
    (home / ".ssh" / "config").write_text(text + common)


def entry(alias: str, port: int, key: Path, more: str = "") -> str:
    return (
        f"Host {alias}\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {key}\n"
        f"  User {getpass.getuser()}\n{more}"
    )


def name_behind(camera: CameraSettings, accept: bool = False) -> str:
    with connect(camera, accept_host_key=accept) as connection:
        return connection.run(RemoteCommand.shell('basename "$HOME"')).stdout.strip()


@pytest.mark.parametrize(
    "form", ["{u}@127.0.0.1:{p}", "ssh://{u}@127.0.0.1:{p}/", " 127.0.0.1:{p} "]
)
def test_an_address_holds_user_and_port_case_5(
    start_server: StartServer, key: Path, home: Path, form: str
) -> None:
    port = start_server("camera")
    text = form.format(u=getpass.getuser(), p=port)
    flags = {"host": text, "key": key, "known_hosts": home / ".ssh" / "known_hosts"}
    camera = load_settings({}).with_flags(camera={"user": None, **flags}).camera
    if "@" not in text:
        camera = camera.model_copy(update={"user": getpass.getuser()})
    assert name_behind(camera) == "camera"


def test_an_alias_gives_host_port_user_and_key_case_5(
    start_server: StartServer, key: Path, home: Path
) -> None:
    configure(home, entry("porch", start_server("camera"), key))
    assert name_behind(with_ssh_config(CameraSettings(host="porch"))) == "camera"
    with pytest.raises(AuthenticationError, match="key"):
        connect(with_ssh_config(CameraSettings(host="nobody-else@porch")))


@pytest.mark.parametrize("jumps", [["one"], ["one", "two"]])
def test_jump_hosts_lead_to_the_camera_case_5(
    start_server: StartServer, key: Path, home: Path, jumps: list[str], tmp_path: Path
) -> None:
    text = "".join(entry(name, start_server(name), key) for name in jumps)
    way = f"  ProxyJump {','.join(jumps)}\n"
    configure(home, text + entry("porch", start_server("camera"), key, way))
    assert name_behind(with_ssh_config(CameraSettings(host="porch"))) == "camera"
    for name in jumps:
        assert "Accepted publickey" in (tmp_path / name / "log").read_text()


def test_a_jump_of_a_jump_host_is_gone_through_too_case_5(
    start_server: StartServer, key: Path, home: Path, tmp_path: Path
) -> None:
    text = entry("outer", start_server("outer"), key)
    text += entry("inner", start_server("inner"), key, "  ProxyJump outer\n")
    configure(home, text + entry("porch", start_server("camera"), key, "  ProxyJump inner\n"))
    assert name_behind(with_ssh_config(CameraSettings(host="porch"))) == "camera"
    assert "Accepted publickey" in (tmp_path / "outer" / "log").read_text()


def test_a_jump_hosts_own_key_is_checked_before_it_is_used_case_5(
    start_server: StartServer, key: Path, home: Path
) -> None:
    text = entry("one", start_server("one"), key)
    configure(home, text + entry("porch", start_server("camera"), key, "  ProxyJump one\n"))
    known = home / ".ssh" / "known_hosts"
    known.write_text("".join(known.read_text().splitlines(keepends=True)[1:]))
    camera = with_ssh_config(CameraSettings(host="porch"))
    with pytest.raises(HostKeyError, match="not known"):
        connect(camera)
    assert name_behind(camera, accept=True) == "camera"


def test_a_jump_host_that_fails_is_named_case_5(
    start_server: StartServer, key: Path, home: Path, tmp_path: Path
) -> None:
    other = make_key(tmp_path / "other")
    one = start_server("one")
    way = "  ProxyJump one\n"
    configure(home, entry("one", one, other) + entry("porch", 1, key, way))
    with pytest.raises(AuthenticationError, match="the jump host") as caught:
        connect(with_ssh_config(CameraSettings(host="porch")))
    assert "RECAM_PASSWORD" not in caught.value.hint
    configure(home, entry("one", one, key) + entry("porch", 1, key, way))
    with pytest.raises(ConnectionFailedError, match="the jump host cannot reach 127.0.0.1 port 1"):
        connect(with_ssh_config(CameraSettings(host="porch")))


RELAY = """
import os, socket, sys, threading
link = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536): link.sendall(data)
threading.Thread(target=up, daemon=True).start()
print("password", os.environ.get("RECAM_PASSWORD"), file=sys.stderr)
while data := link.recv(65536): os.write(1, data)
"""


def test_a_proxy_command_is_run_as_words_and_ended_case_5(
    start_server: StartServer, key: Path, home: Path, tmp_path: Path
) -> None:
    relay = tmp_path / "re lay.py"
    relay.write_text(RELAY)
    way = f'  ProxyCommand exec {sys.executable} "{relay}" %h %p 2>/dev/null\n'
    configure(home, entry("porch", start_server("camera"), key, way))
    assert name_behind(with_ssh_config(CameraSettings(host="porch"))) == "camera"
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert str(relay) not in lines


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-program %h", "no-such-program could not be started"),
        ("sh -c 'echo no way there >&2; exit 1'", "says: no way there"),
    ],
)
def test_a_proxy_command_that_fails_says_why_case_5(home: Path, command: str, said: str) -> None:
    (home / ".ssh").mkdir()
    configure(home, f"Host porch\n  ProxyCommand {command}\n")
    with pytest.raises(ConnectionFailedError, match=said):
        connect(with_ssh_config(CameraSettings(host="porch")))


@pytest.mark.parametrize("command", ["nc %h %p | tee x", "nc $GATE %p", "nc `gate` %p"])
def test_a_proxy_command_that_needs_a_shell_is_refused_case_5(home: Path, command: str) -> None:
    (home / ".ssh").mkdir()
    configure(home, f"Host porch\n  ProxyCommand {command}\n")
    with pytest.raises(SettingsError, match="needs a shell"):
        with_ssh_config(CameraSettings(host="porch"))


def recam(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    keep = ("PATH", "LANG", "PYTHONPATH")
    environment = {name: os.environ[name] for name in keep if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "recam_deploy", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**environment, "HOME": str(home), "RECAM_TIMEOUT": "10"},
        cwd=home,
        timeout=60,
    )


def test_behind_a_jump_host_ssh_works_and_the_rest_names_its_tunnel_case_5(
    start_server: StartServer, key: Path, home: Path
) -> None:
    text = entry("one", start_server("one"), key)
    camera = start_server("camera")
    configure(home, text + entry("porch", camera, key, "  ProxyJump one\n"))
    assert "the camera has no model" in recam(home, "history", "--host", "porch").stdout
    for words in (["flow", "show"], ["watch"], ["flow", "push", "--yes"]):
        refused = recam(home, *words, "--host", "porch", "--json")
        assert refused.returncode == 1
        error = json.loads(refused.stdout)["error"]
        assert "the jump host one" in error["message"]
        assert f"-L 2222:127.0.0.1:{camera} " in error["hint"]
        assert "-L 1880:127.0.0.1:1880" in error["hint"]
        assert error["hint"].count("porch") == 1


def test_forgetting_the_host_makes_the_next_run_ask_again_case_41(
    start_server: StartServer, key: Path, home: Path, tmp_path: Path
) -> None:
    port = start_server("camera")
    configure(home, entry("porch", port, key, "  HostKeyAlias the-porch\n"))
    known = home / ".ssh" / "known_hosts"
    other = make_key(tmp_path / "other")
    kind, blob = Path(f"{other}.pub").read_text().split()[:2]
    known.write_text(f"# mine\r\nthe-porch {kind} {blob}\r\nelse {kind} {blob}\r\n")
    refused = recam(home, "history", "--host", "porch", "--json")
    error = json.loads(refused.stdout)["error"]
    assert "has changed" in error["message"]
    command = error["hint"].partition("recam ")[2].split(". Where")[0]
    assert command == f"forget-host porch --known-hosts {known}"
    forgotten = recam(home, *command.split())
    assert (forgotten.returncode, "ssh uses" in forgotten.stdout) == (0, True)
    assert known.read_bytes() == f"# mine\r\nelse {kind} {blob}\r\n".encode()
    again = json.loads(recam(home, "history", "--host", "porch", "--json").stdout)["error"]
    assert "is not known" in again["message"]


def test_a_silent_port_costs_one_wait_case_58(home: Path) -> None:
    # A full queue of connections: the kernel answers no more of them.
    with socket.socket() as ssh, socket.socket() as web:
        for deaf in (ssh, web):
            deaf.bind(("127.0.0.1", 0))
        ssh.listen(0)
        filling = []
        for _ in range(2):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(ssh.getsockname())
            filling.append(one)
        web.listen(5)
        flags = {"host": "127.0.0.1", "port": ssh.getsockname()[1], "timeout": 2.0}
        camera = CameraSettings(http_port=web.getsockname()[1], **flags)
        seconds = _seconds_to_fail(home, camera)
        for one in filling:
            one.close()
    assert seconds < 2 + 1.5


def _seconds_to_fail(home: Path, camera: CameraSettings) -> float:
    settings = load_settings({}).model_copy(update={"camera": camera})
    began = time.monotonic()
    with pytest.raises(RecamError, match="did not answer within 2 s"):
        open_connection(settings, NoInteraction(), accept_host_key=False)
    return time.monotonic() - began


def test_sshs_own_client_agrees_on_what_the_config_says_case_5(home: Path) -> None:
    client = shutil.which("ssh")
    if not client:
        pytest.skip("OpenSSH's client is not installed")
    (home / ".ssh" / "more").mkdir(parents=True)
    (home / ".ssh" / "more" / "a").write_text("Host inc*\r\n  HostName %h.lan\r\n  Port 7\r\n")
    (home / ".ssh" / "config").write_text(
        f"Include {home}/.ssh/more/*\nHost a b # both\n  User=ann\n  Port 2\nHost !b *\n  Port 3\n"
        "Match user ann\n  HostName ann.lan\nMatch exec false\n  User eve\nHost c\n"
        f"  Include {home}/.ssh/more/a\n  User carl\nHost *\n  User zoe\n"
    )
    for alias in ("a", "b", "c", "inc1", "d"):
        command = [client, "-F", str(home / ".ssh" / "config"), "-G", alias]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        theirs = dict(line.split(" ", 1) for line in shown.splitlines() if " " in line)
        ours = with_ssh_config(CameraSettings(host=alias))
        assert (ours.host, str(ours.port), ours.user) == (
            theirs["hostname"],
            theirs["port"],
            theirs["user"],
        ), alias
