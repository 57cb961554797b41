"""Host keys and authentication against a real OpenSSH server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import planted
import pytest
from pydantic import SecretStr
from sshd_parts import USERS_PASSWORD

from recam_deploy.errors import (
    AuthenticationError,
    ConnectionFailedError,
    HostKeyError,
    SettingsError,
)
from recam_deploy.ssh.command import RemoteCommand
from recam_deploy.ssh.connection import connect

if TYPE_CHECKING:
    from tests.openssh.conftest import Server, StartCamera

PASSWORD = SecretStr(USERS_PASSWORD)
WRONG = SecretStr(planted.WRONG)

KEYS_ONLY = "UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
ONE_QUESTION = "UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes\n"


def never(*_: str) -> bool:
    raise AssertionError("nobody should have been asked")


def attempts(server: Server, expected: str = "Failed password") -> int:
    return server.log_text(expected).count("Failed password for recamera")


def test_a_wrong_password_is_tried_exactly_once(camera: Server) -> None:
    with pytest.raises(AuthenticationError, match="refused the password of recamera") as caught:
        connect(camera.settings, password=WRONG)
    assert attempts(camera) == 1
    assert WRONG.get_secret_value() not in caught.value.message + caught.value.hint


def test_a_password_function_is_called_once_for_login_and_sudo(camera: Server) -> None:
    calls = []

    def ask() -> SecretStr:
        calls.append(1)
        return PASSWORD

    with connect(camera.settings, password=ask) as connection:
        assert connection.sudo(RemoteCommand.of("id", "-u")).stdout == "0\n"
    assert calls == [1]


def test_a_server_that_takes_only_keys_is_named_as_such(start_camera: StartCamera) -> None:
    camera = start_camera(KEYS_ONLY)
    with pytest.raises(AuthenticationError, match="accepts only publickey"):
        connect(camera.settings, password=never_asked)
    assert attempts(camera, "") == 0


def never_asked() -> SecretStr:
    raise AssertionError("the password should not have been asked for")


def test_a_key_lets_us_in_without_asking_for_the_password(
    camera: Server, client_key: Callable[[Server], Path]
) -> None:
    settings = camera.settings_with(key=client_key(camera))
    with connect(settings, password=never_asked) as connection:
        assert connection.run(RemoteCommand.of("id", "-un")).stdout == "recamera\n"


def test_the_password_is_tried_after_keys_that_the_server_hung_up_over(
    start_camera: StartCamera, home: Path
) -> None:
    camera = start_camera(
        "UsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\nMaxAuthTries 2\n"
    )
    (home / ".ssh").mkdir()
    for name, kind in (("id_ed25519", "ed25519"), ("id_ecdsa", "ecdsa"), ("id_rsa", "rsa")):
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(home / ".ssh" / name)]
        subprocess.run(command, check=True)
    with connect(camera.settings, password=PASSWORD) as connection:
        assert connection.run(RemoteCommand.of("true")).ok


def test_a_server_that_asks_one_question_gets_the_password(start_camera: StartCamera) -> None:
    camera = start_camera(ONE_QUESTION)
    with connect(camera.settings, password=PASSWORD) as connection:
        assert connection.run(RemoteCommand.of("true")).ok


def test_a_wrong_answer_to_the_one_question_is_given_once(start_camera: StartCamera) -> None:
    camera = start_camera(ONE_QUESTION)
    with pytest.raises(AuthenticationError, match="refused"):
        connect(camera.settings, password=WRONG)
    assert camera.log_text("Failed keyboard").count("Failed keyboard-interactive/pam") == 1


def test_a_changed_host_key_is_refused_before_a_password_is_sent(
    camera: Server, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)]
    subprocess.run(command, check=True)
    known = tmp_path / "known_hosts"
    label, before = f"[127.0.0.1]:{camera.port}", Path(f"{other}.pub").read_text()
    known.write_text(f"{label} {' '.join(before.split()[:2])}\n")
    with pytest.raises(HostKeyError, match="has changed") as caught:
        connect(camera.settings, password=never_asked, accept_host_key=True, confirm=never)
    for key in (f"{other}.pub", camera.root / "etc/ssh/host_key.pub"):
        command = [str(shutil.which("ssh-keygen")), "-lf", str(key)]
        shown = subprocess.run(command, capture_output=True, text=True)
        assert shown.stdout.split()[1] in caught.value.message
    assert str(known) in caught.value.hint
    assert attempts(camera, "") == 0
    assert "userauth" not in camera.log_text()


def test_an_unknown_host_key_is_refused_unless_accepted(camera: Server, tmp_path: Path) -> None:
    known = tmp_path / "new" / "known_hosts"
    settings = camera.settings_with(known_hosts=known)
    with pytest.raises(HostKeyError, match="not known"):
        connect(settings, password=never_asked)
    with pytest.raises(HostKeyError, match="not known"):
        connect(settings, password=never_asked, confirm=lambda *_: False)
    assert not known.exists()
    asked = []

    def yes(host: str, kind: str, fingerprint: str) -> bool:
        asked.append((host, kind, fingerprint))
        return True

    connect(settings, password=PASSWORD, confirm=yes).close()
    connect(settings, password=PASSWORD, confirm=never).close()
    ((host, kind, fingerprint),) = asked
    assert (host, kind) == (f"[127.0.0.1]:{camera.port}", "ssh-ed25519")
    assert fingerprint.startswith("SHA256:")
    assert known.stat().st_mode & 0o777 == 0o600


def test_a_host_known_by_one_of_its_keys_is_asked_for_that_one(
    camera: Server, start_camera: StartCamera, tmp_path: Path
) -> None:
    camera = start_camera(
        "UsePAM no\nPasswordAuthentication yes\nHostKey /etc/ssh/rsa_key\n", rsa_host_key=True
    )
    kind, blob = (camera.root / "etc/ssh/rsa_key.pub").read_text().split()[:2]
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{camera.port} {kind} {blob}\n")
    connect(camera.settings, password=PASSWORD, confirm=never).close()


def test_a_closed_port_hints_at_the_switch_in_the_web_page(plain: Server) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        settings = plain.settings_with(port=deaf.getsockname()[1])
        with pytest.raises(ConnectionFailedError, match="refused") as caught:
            connect(settings, password=PASSWORD)
    assert "/#/security" in caught.value.hint


def test_the_library_says_nothing_on_the_terminal(
    camera: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AuthenticationError):
        connect(camera.settings, password=WRONG)
    assert capfd.readouterr() == ("", "")


def test_a_named_key_that_is_locked_or_no_key_is_told(camera: Server, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "passphrase", "-f", str(locked)]
    subprocess.run(command, check=True)
    with pytest.raises(AuthenticationError) as caught:
        connect(camera.settings_with(key=locked))
    assert f"{locked} has a passphrase" in caught.value.hint
    for wrong in (tmp_path / "none", Path(f"{locked}.pub")):
        with pytest.raises(SettingsError, match="cannot be used"):
            connect(camera.settings_with(key=wrong))


def test_an_agent_that_is_gone_does_not_matter(
    camera: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    connect(camera.settings, password=PASSWORD).close()


def test_something_that_is_no_ssh_server_is_told_apart(plain: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].close())
        thread.start()
        with pytest.raises(ConnectionFailedError, match="does not answer as an SSH server"):
            connect(plain.settings_with(port=server.getsockname()[1], timeout=5))
        thread.join()


def test_a_server_that_says_nothing_is_not_waited_for_long(plain: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(ConnectionFailedError):
        connect(plain.settings_with(port=server.getsockname()[1], timeout=1))


def test_a_name_that_cannot_be_resolved_is_told(plain: Server) -> None:
    with pytest.raises(ConnectionFailedError, match="cannot be resolved"):
        connect(plain.settings_with(host="no-such-camera.invalid"))
