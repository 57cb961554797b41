"""The SSH server as clients meet it: logins, commands, file transfer. Real sockets."""

from __future__ import annotations

import io
import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
import pytest
import scp
from planted import CAMERA_PASSWORD, WRONG, keep, lawful

from .conftest import Camera, Reply

Execute = Callable[..., Reply]

MIB = 1 << 20


def test_a_command_gets_its_output_errors_and_code(
    client: paramiko.SSHClient, execute: Execute
) -> None:
    reply = execute(client, "cat; echo oops >&2; exit 7", b"from stdin")
    assert (reply.code, reply.out, reply.err) == (7, "from stdin", "oops\n")


def test_a_command_runs_at_home_without_a_profile(
    client: paramiko.SSHClient, camera: Camera, execute: Execute
) -> None:
    reply = execute(client, "pwd; env")
    home, *lines = reply.out.splitlines()
    values = dict(line.split("=", 1) for line in lines)
    assert home == values["HOME"] == str(camera.root / "home" / "recamera")
    assert values["USER"] == "recamera"
    assert values["PATH"].startswith(f"{camera.root}/usr/bin:")
    assert "LD_LIBRARY_PATH" not in values
    assert "PYTHONPATH" not in values
    assert values["SSH_CONNECTION"].startswith("127.0.0.1 ")


def test_a_killed_command_reports_no_exit_code(
    client: paramiko.SSHClient, execute: Execute
) -> None:
    assert execute(client, "kill -9 $$").code == -1


def test_megabytes_pass_through_a_command(client: paramiko.SSHClient) -> None:
    data = os.urandom(3 * MIB)
    stdin, stdout, _ = client.exec_command("cat", timeout=60)
    received: list[bytes] = []
    stdin.channel.settimeout(60)
    sent = 0
    while sent < len(data):
        sent += stdin.channel.send(data[sent : sent + 65536])
        while stdout.channel.recv_ready():
            received.append(stdout.channel.recv(1 << 20))
    stdin.channel.shutdown_write()
    received.append(stdout.read())
    assert b"".join(received) == data


def test_it_says_what_machine_it_plays(
    client: paramiko.SSHClient, camera: Camera, execute: Execute
) -> None:
    reply = execute(client, f"uname -m; id -un; cat {shlex.quote(str(camera.root))}/etc/os-release")
    assert reply.out.startswith("riscv64\nrecamera\nNAME=")


def test_a_wrong_password_is_refused_and_counted_in_the_log(camera: Camera) -> None:
    before = camera.log().count("wrong")
    with pytest.raises(paramiko.AuthenticationException):
        camera.connect(password=WRONG)
    assert camera.log().count("wrong") == before + 1
    assert WRONG not in camera.log()


def test_other_users_are_refused_with_the_right_password(camera: Camera) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        camera.connect(username="root")


def test_a_listed_key_logs_in_and_another_does_not(camera: Camera) -> None:
    key, stranger = paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()
    file = camera.root / "home" / "recamera" / ".ssh" / "authorized_keys"
    file.write_text(f"{key.get_name()} {key.get_base64()} test\n", encoding="utf-8")
    try:
        camera.connect(password=None, pkey=key).close()
        with pytest.raises(paramiko.SSHException):
            camera.connect(password=None, pkey=stranger)
    finally:
        file.unlink()


def test_a_damaged_key_file_leaves_the_password_working(camera: Camera) -> None:
    file = camera.root / "home" / "recamera" / ".ssh" / "authorized_keys"
    file.write_bytes(b"\xff\xfe ssh-rsa nonsense\n")
    try:
        camera.connect().close()
    finally:
        file.unlink()


@pytest.mark.parametrize("name", ["plain.bin", "a b; touch CANARY", "$(touch CANARY)", "ü", "-rf"])
def test_scp_carries_eight_megabytes_both_ways(
    client: paramiko.SSHClient, camera: Camera, tmp_path: Path, name: str
) -> None:
    data = os.urandom(8 * MIB)
    target = camera.root / "userdata" / name
    transport = client.get_transport()
    assert transport
    with scp.SCPClient(transport, socket_timeout=60) as copier:
        copier.putfo(io.BytesIO(data), str(target))
        assert target.read_bytes() == data
        copier.get(str(target), str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data
    assert not list(camera.root.rglob("CANARY"))
    target.unlink()


def test_sftp_carries_eight_megabytes_both_ways(client: paramiko.SSHClient, camera: Camera) -> None:
    data, back = os.urandom(8 * MIB), io.BytesIO()
    name = f"{camera.root}/userdata/file"
    with client.open_sftp() as sftp:
        sftp.putfo(io.BytesIO(data), name)
        sftp.chmod(name, 0o755)
        sftp.posix_rename(name, name + "2")
        sftp.getfo(name + "2", back)
        assert sftp.stat(name + "2").st_mode == 0o100755
        sftp.remove(name + "2")
    assert back.getvalue() == data


def test_sftp_renames_do_not_overwrite_unless_asked(
    client: paramiko.SSHClient, camera: Camera
) -> None:
    first, second = (f"{camera.root}/userdata/{n}" for n in ("first", "second"))
    with client.open_sftp() as sftp:
        for name in (first, second):
            sftp.putfo(io.BytesIO(name.encode()), name)
        with pytest.raises(OSError):
            sftp.rename(first, second)
        sftp.posix_rename(first, second)
    assert Path(second).read_text(encoding="utf-8") == first


def _link(sftp: paramiko.SFTPClient, camera: Camera, target: str) -> str:
    """A symbolic link inside the root made from inside, by a command."""
    link = camera.root / "userdata" / "link"
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    return str(link)


@pytest.mark.parametrize(
    "act",
    [
        lambda sftp, outside, link: sftp.open(outside),
        lambda sftp, outside, link: sftp.open(outside, "w"),
        lambda sftp, outside, link: sftp.open(link),
        lambda sftp, outside, link: sftp.open(link, "w"),
        lambda sftp, outside, link: sftp.chmod(link, 0o777),
        lambda sftp, outside, link: sftp.truncate(link, 0),
        lambda sftp, outside, link: sftp.stat(outside),
        lambda sftp, outside, link: sftp.stat(link),
        lambda sftp, outside, link: sftp.listdir(str(Path(outside).parent)),
        lambda sftp, outside, link: sftp.remove(outside),
        lambda sftp, outside, link: sftp.posix_rename(outside, link + "2"),
        lambda sftp, outside, link: sftp.posix_rename(link, outside),
        lambda sftp, outside, link: sftp.mkdir(outside + "-folder"),
        lambda sftp, outside, link: sftp.symlink(outside, link + "3"),
        lambda sftp, outside, link: sftp.open(link + "/../../../password"),
    ],
)
def test_sftp_reaches_nothing_outside_the_root(
    client: paramiko.SSHClient, camera: Camera, tmp_path: Path, act: Callable[..., Any]
) -> None:
    outside = tmp_path / "precious"
    outside.write_text("untouched", encoding="utf-8")
    with client.open_sftp() as sftp:
        link = _link(sftp, camera, str(outside))
        with pytest.raises(OSError):
            act(sftp, str(outside), link)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["precious"]
    assert outside.read_text(encoding="utf-8") == "untouched"
    assert outside.stat().st_mode & 0o777 == 0o644


def test_sftp_can_look_at_and_remove_a_link_that_leads_outside(
    client: paramiko.SSHClient, camera: Camera, tmp_path: Path
) -> None:
    outside = tmp_path / "precious"
    outside.touch()
    with client.open_sftp() as sftp:
        link = _link(sftp, camera, str(outside))
        assert sftp.readlink(link) == str(outside)
        sftp.lstat(link)
        sftp.remove(link)
    assert outside.exists()


def test_scp_reaches_nothing_outside_the_root(
    client: paramiko.SSHClient, camera: Camera, tmp_path: Path
) -> None:
    transport = client.get_transport()
    assert transport
    with scp.SCPClient(transport, socket_timeout=20) as copier:
        with pytest.raises((scp.SCPException, paramiko.SSHException)):
            copier.putfo(io.BytesIO(b"evil"), str(tmp_path / "evil"))
        with pytest.raises((scp.SCPException, paramiko.SSHException)):
            copier.get(str(camera.folder / "password"), str(tmp_path / "stolen"))
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "stolen").exists() or not (tmp_path / "stolen").read_bytes()


def _alive(marker: str) -> bool:
    """Does a process with this text among its arguments run?"""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker.encode() in (entry / "cmdline").read_bytes():
                return True
        except OSError:
            continue
    return False


def _gone(marker: str) -> bool:
    deadline = time.monotonic() + 10
    while _alive(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _alive(marker)


@pytest.mark.parametrize(
    "command",
    [
        "sleep {n}",
        "sleep {n} & wait",
        "trap '' TERM HUP; sleep {n}; sleep {n}",
        "sudo -S sleep {n}",
        "timeout 1000 sudo -S sh -c 'sleep {n}; true'",
    ],
)
@pytest.mark.parametrize("close", ["channel", "connection"])
def test_closing_ends_what_the_command_started(camera: Camera, command: str, close: str) -> None:
    marker = str(86400 + int(time.monotonic() * 1000) % 1_000_000_000)
    client = camera.connect()
    stdin, stdout, _ = client.exec_command(f"echo on; {command.format(n=marker)}", timeout=30)
    stdin.write(f"{CAMERA_PASSWORD}\n".encode())
    assert stdout.readline() == "on\n"
    deadline = time.monotonic() + 10
    while not _alive(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _alive(marker)
    if close == "channel":
        stdout.channel.close()
    else:
        client.close()
    assert _gone(marker)
    client.close()


def test_the_log_names_commands_but_no_password(
    serve: Callable[..., Camera], execute: Execute, tmp_path: Path
) -> None:
    # No secret of the tests, for it does stand on a command line here.
    known = "recamera"
    file = keep(tmp_path / "password-file", f"{known}\n")
    camera = serve(tmp_path / "d", "--password-file", str(file))
    lawful(camera.folder / "virtual.log")
    client = camera.connect(password=known)
    execute(client, "echo recamera | sudo -S true; ls /home/recamera")
    client.close()
    assert "echo *** | sudo -S true; ls /home/recamera" in camera.log()


def test_a_terminal_session_has_the_profiles_library_path(camera: Camera) -> None:
    client = camera.connect()
    channel = client.invoke_shell(width=100, height=40)
    channel.settimeout(20)
    channel.sendall(b"stty size; echo [$LD_LIBRARY_PATH]; exit 5\n")
    output = b""
    while data := channel.recv(4096):
        output += data
    assert b"40 100" in output
    assert b"/mnt/system/lib" in output.split(b"\n[")[1]
    assert channel.recv_exit_status() == 5
    client.close()
