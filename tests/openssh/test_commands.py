"""Commands, sudo and copying against a real OpenSSH server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import paramiko
import pytest
from planted import WRONG
from pydantic import SecretStr
from sshd_parts import USERS_PASSWORD

from recam_deploy.errors import CameraError, ConnectionFailedError, SudoError
from recam_deploy.ssh import sudo
from recam_deploy.ssh.command import RemoteCommand
from recam_deploy.ssh.connection import connect

if TYPE_CHECKING:
    from tests.openssh.conftest import Server, StartCamera

PASSWORD = SecretStr(USERS_PASSWORD)
PASSWORDS = "UsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
NO_PASSWORD_RULE = "recamera ALL=(ALL:ALL) NOPASSWD: ALL"


def processes_with(word: str) -> list[str]:
    """Command lines of running processes, in any namespace below ours, that hold `word`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and entry.name != str(os.getpid()):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if word in line:
                found.append(line)
    return found


def gone(word: str, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while processes_with(word) and time.monotonic() < until:
        time.sleep(0.05)
    return not processes_with(word)


def test_a_hanging_command_is_ended_here_and_there(plain: Server) -> None:
    with connect(plain.settings) as connection:
        with pytest.raises(CameraError, match="did not finish within 1 s"):
            connection.run(RemoteCommand.of("sleep", "4711.25"), timeout=1)
        assert gone("4711.25")
        assert connection.run(RemoteCommand.of("echo", "still here")).stdout == "still here\n"


def test_a_hanging_command_under_sudo_is_ended_too(camera: Server) -> None:
    with connect(camera.settings, password=PASSWORD) as connection:
        with pytest.raises(CameraError, match="did not finish within 1 s"):
            connection.sudo(RemoteCommand.of("sleep", "4712.25"), timeout=1)
        assert gone("4712.25")


def test_a_command_that_ignores_polite_requests_is_ended_too(plain: Server) -> None:
    script = "trap '' TERM; while :; do sleep 4713.25; done"
    with connect(plain.settings) as connection:
        with pytest.raises(CameraError, match="did not finish"):
            connection.run(RemoteCommand.shell(script), timeout=1)
        assert gone("4713.25")


def test_output_without_end_is_refused(plain: Server) -> None:
    with connect(plain.settings) as connection, pytest.raises(CameraError, match="more than 4 MiB"):
        connection.run(RemoteCommand.of("cat", "/dev/zero"), timeout=30)


def test_output_that_is_not_utf8_is_shown_escaped(plain: Server) -> None:
    with connect(plain.settings) as connection:
        assert connection.run(RemoteCommand.of("printf", r"a\377b")).stdout == "a\\xffb"


def test_a_program_that_fails_says_so(plain: Server) -> None:
    with connect(plain.settings) as connection:
        result = connection.run(RemoteCommand.shell("echo no >&2; exit 3"), check=False)
        assert (result.exit_status, result.stderr) == (3, "no\n")
        with pytest.raises(CameraError, match="exit status 3: no"):
            connection.run(RemoteCommand.shell("echo no >&2; exit 3"))


def test_stdin_reaches_the_program_and_ends(plain: Server) -> None:
    data = bytes(range(256)) * 2000
    with connect(plain.settings) as connection:
        assert connection.run(RemoteCommand.of("wc", "-c"), stdin=data).stdout.strip() == "512000"
        assert connection.run(RemoteCommand.of("true"), stdin=data).ok


def test_a_wrong_sudo_password_is_tried_once_and_told_apart(
    camera: Server, client_key: Callable[[Server], Path]
) -> None:
    settings = camera.settings_with(key=client_key(camera))
    with connect(settings, password=SecretStr(WRONG)) as connection:
        with pytest.raises(SudoError, match="refused the password of recamera") as caught:
            connection.sudo(RemoteCommand.of("touch", "/userdata/canary"))
        assert "one attempt" in caught.value.message
    assert not (camera.root / "userdata/canary").exists()


def test_sudo_without_a_password_given_says_what_is_missing(
    camera: Server, client_key: Callable[[Server], Path]
) -> None:
    with (
        connect(camera.settings_with(key=client_key(camera))) as connection,
        pytest.raises(SudoError, match="asks for the password of recamera"),
    ):
        connection.sudo(RemoteCommand.of("true"))


def test_a_user_who_may_not_use_sudo_is_told_so(start_camera: StartCamera) -> None:
    camera = start_camera(sudoers="")
    with (
        connect(camera.settings, password=PASSWORD) as connection,
        pytest.raises(SudoError, match="not in the sudoers file"),
    ):
        connection.sudo(RemoteCommand.of("true"))


@pytest.mark.parametrize("sudoers", ["recamera ALL=(ALL:ALL) ALL", NO_PASSWORD_RULE])
def test_the_program_gets_its_own_input_and_never_the_password(
    start_camera: StartCamera, sudoers: str
) -> None:
    camera = start_camera(sudoers=sudoers)
    with connect(camera.settings, password=PASSWORD) as connection:
        result = connection.sudo(RemoteCommand.shell("id -u; cat; tr '\\0' ' ' </proc/$$/environ"))
        assert result.stdout.startswith("0\n")
        assert USERS_PASSWORD not in result.stdout
        result = connection.sudo(RemoteCommand.of("cat"), stdin=b"of its own\n")
        assert (result.stdout, result.stderr) == ("of its own\n", "")


def test_the_password_stands_in_no_command_that_is_sent(
    camera: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    send = paramiko.Channel.exec_command

    def record(channel: paramiko.Channel, command: bytes) -> None:
        sent.append(command)
        send(channel, command)

    monkeypatch.setattr(paramiko.Channel, "exec_command", record)
    with connect(camera.settings, password=PASSWORD) as connection:
        environment = connection.sudo(RemoteCommand.of("env")).stdout
    assert any(b"sudo -S" in command for command in sent)
    assert all(PASSWORD.get_secret_value().encode() not in command for command in sent)
    assert USERS_PASSWORD not in environment
    assert "SUDO_PASSWORD" not in environment


def test_a_sudo_that_asks_and_hangs_is_given_up_and_ended(
    start_camera: StartCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sudo, "SUDO_SECONDS", 2.0)
    camera = start_camera(PASSWORDS + "SetEnv PATH=/standins:/usr/bin:/bin\n")
    standin = camera.root / "standins/sudo"
    standin.parent.mkdir()
    standin.write_text('#!/bin/sh\nprintf %s "$3" >&2; while :; do sleep 4715.25; done\n')
    standin.chmod(0o755)
    with connect(camera.settings, password=PASSWORD) as connection:
        with pytest.raises(SudoError, match="did not start the command within 2 s"):
            connection.sudo(RemoteCommand.of("true"))
        assert gone("4715.25")


def test_a_lost_connection_is_called_that(camera: Server) -> None:
    with connect(camera.settings, password=PASSWORD) as connection:
        connection.run(RemoteCommand.of("true"))
        camera.process.kill()
        with pytest.raises(ConnectionFailedError, match="was lost"):
            connection.run(RemoteCommand.of("true"))


AWKWARD = [
    "a b; touch CANARY",
    "$(touch CANARY)",
    "`touch CANARY`",
    "-rf",
    "new\nline",
    "quote'\"quote",
    "~",
    "*",
    os.fsdecode(b"not-utf8-\xff"),
]


@pytest.mark.parametrize("name", AWKWARD)
def test_files_land_under_exactly_their_name(plain: Server, name: str) -> None:
    folder = plain.folder / "names"
    folder.mkdir()
    path = PurePosixPath(folder) / name
    with connect(plain.settings) as connection:
        connection.upload(b"content", path)
        assert [entry.name for entry in folder.iterdir()] == [name]
        assert (folder / name).read_bytes() == b"content"
        assert connection.exists(path)
        assert connection.sha256(path) is not None
        connection.download(path, plain.folder / "back", limit=100)
        assert (plain.folder / "back").read_bytes() == b"content"
        connection.remove(path)
        assert list(folder.iterdir()) == []
        connection.make_dir(path)
        assert (folder / name).is_dir()
    assert not list(plain.folder.rglob("CANARY"))
    assert not Path("CANARY").exists()


def test_a_download_larger_than_expected_leaves_the_old_file(plain: Server) -> None:
    (plain.folder / "large").write_bytes(bytes(1000))
    local = plain.folder / "local"
    local.write_text("old")
    with connect(plain.settings) as connection:
        with pytest.raises(CameraError, match="large on the camera is larger than the"):
            connection.download(PurePosixPath(plain.folder / "large"), local, limit=999)
        with pytest.raises(CameraError, match="No such file"):
            connection.download(PurePosixPath(plain.folder / "none"), local, limit=999)
        assert connection.sha256(PurePosixPath(plain.folder / "none")) is None
    assert local.read_text() == "old"


def test_an_upload_that_cannot_be_stored_says_why(plain: Server) -> None:
    with (
        connect(plain.settings) as connection,
        pytest.raises(CameraError, match="nonexistent|No such file"),
    ):
        connection.upload(b"x", PurePosixPath(plain.folder / "missing/file"))


def test_empty_files_travel_too(plain: Server) -> None:
    path = PurePosixPath(plain.folder / "empty")
    with connect(plain.settings) as connection:
        connection.upload(b"", path)
        assert connection.download(path, plain.folder / "back", limit=10) == 0


class CutStep:
    """Cuts the connection once half of a file has gone."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def update(
        self, done: float | None = None, total: float | None = None, note: str | None = None
    ) -> None:
        if done and done > (total or 10_000_000) / 2:
            self._server.process.kill()


def test_a_connection_lost_while_copying_is_called_that(camera: Server) -> None:
    (camera.root / "userdata/large").write_bytes(bytes(20_000_000))
    local = camera.folder / "local"
    local.write_text("old")
    with (
        connect(camera.settings, password=PASSWORD) as connection,
        pytest.raises(ConnectionFailedError, match="was lost while downloading large"),
    ):
        connection.download(
            PurePosixPath("/userdata/large"), local, limit=1 << 30, step=CutStep(camera)
        )
    assert local.read_text() == "old"
    assert not list(camera.folder.glob(".local*"))


def test_a_connection_lost_while_uploading_is_called_that(camera: Server) -> None:
    with (
        connect(camera.settings, password=PASSWORD) as connection,
        pytest.raises(ConnectionFailedError, match="was lost while uploading large"),
    ):
        connection.upload(bytes(50_000_000), PurePosixPath("/userdata/large"), step=CutStep(camera))
