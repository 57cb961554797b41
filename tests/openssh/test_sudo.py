"""What is said when sudo refuses for reasons of its own, in whatever language (case 60)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from sshd_parts import USERS_PASSWORD

from recam_deploy.camera.facts import gather_facts
from recam_deploy.errors import SudoError
from recam_deploy.ssh.command import RemoteCommand
from recam_deploy.ssh.connection import connect

if TYPE_CHECKING:
    from tests.openssh.conftest import Server, StartCamera

PASSWORD = SecretStr(USERS_PASSWORD)
OPTIONS = """UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
SetEnv PATH=/stand-in:/usr/bin:/bin
"""
LECTURE = "We trust you have received the usual lecture from the local System Administrator.\n"

StartWithSudo = Callable[[str], "Server"]


@pytest.fixture
def with_sudo(start_camera: StartCamera) -> StartWithSudo:
    """Start a camera whose sudo is a shell script; it finds the prompt in $prompt."""

    def start(body: str) -> Server:
        camera = start_camera(OPTIONS)
        folder = camera.root / "stand-in"
        folder.mkdir()
        program = folder / "sudo"
        program.write_text(f"#!/bin/sh\nprompt=$3\nheard=/tmp/heard\n{body}\n")
        program.chmod(0o755)
        return camera

    return start


def heard(camera: Server) -> str:
    path = camera.root / "tmp" / "heard"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize(
    "words",
    [
        "sudo: /etc/sudo.conf is writable by others",
        "sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set",
        "sudo: sorry, you must have a tty to run sudo",
        "sudo: Es ist ein Terminal erforderlich, um das Passwort zu lesen",
        "sudo: /etc/sudoers: 열 수 없습니다: No such file or directory",
    ],
)
def test_sudos_own_words_are_said_once_and_no_password_is_sent_case_60(
    with_sudo: StartWithSudo, words: str
) -> None:
    said = f"echo '{words}' >&2; echo '{words}' >&2"
    camera = with_sudo(f"{said}; timeout 1 cat >$heard; exit 1")
    with (
        connect(camera.settings, password=PASSWORD) as connection,
        pytest.raises(SudoError, match="did not run the command") as caught,
    ):
        connection.sudo(RemoteCommand.of("true"))
    assert caught.value.message.count(words) == 1
    assert heard(camera) == ""


@pytest.mark.parametrize(
    ("again", "message"),
    [
        ("printf '%s' \"$prompt\" >&2", "refused the password"),
        ("echo 'sudo: 1 Fehlversuch bei der Passwort-Eingabe' >&2", "1 Fehlversuch"),
        ("echo 'recamera은(는) sudoers 설정 파일에 없습니다.' >&2", "없습니다"),
    ],
)
def test_a_refusal_after_the_prompt_costs_one_password_case_60(
    with_sudo: StartWithSudo, again: str, message: str
) -> None:
    ask = f"echo '{LECTURE}' >&2; printf '%s' \"$prompt\" >&2; timeout 1 cat | wc -c >$heard"
    camera = with_sudo(f"{ask}; echo 'Das hat nicht funktioniert.' >&2; {again}; exit 1")
    with (
        connect(camera.settings, password=PASSWORD) as connection,
        pytest.raises(SudoError, match=message) as caught,
    ):
        connection.sudo(RemoteCommand.of("true"))
    assert int(heard(camera)) == len(USERS_PASSWORD) + 1
    assert USERS_PASSWORD not in caught.value.message + caught.value.hint
    assert "recam-sudo-" not in caught.value.message


def test_a_lecture_before_the_prompt_is_no_failure_case_60(with_sudo: StartWithSudo) -> None:
    camera = with_sudo(
        f"echo '{LECTURE}' >&2; printf '%s' \"$prompt\" >&2; read -r word; shift 4; exec \"$@\""
    )
    with connect(camera.settings, password=PASSWORD) as connection:
        assert connection.sudo(RemoteCommand.of("echo", "done")).stdout == "done\n"


def test_looking_at_a_camera_runs_no_sudo_row_7(with_sudo: StartWithSudo) -> None:
    camera = with_sudo('echo "$*" >>$heard; exit 1')
    with connect(camera.settings, password=PASSWORD) as connection:
        facts = gather_facts(connection, camera.paths)
    assert facts.has_sudo
    assert heard(camera) == ""


def test_sudo_that_is_not_there_is_told_by_its_status(start_camera: StartCamera) -> None:
    camera = start_camera(OPTIONS.replace("/stand-in:/usr/bin:/bin", "/tools"))
    tools = camera.root / "tools"
    tools.mkdir()
    for name in ("sh", "id", "timeout", "true"):
        (tools / name).symlink_to(Path("/usr/bin") / name)
    with (
        connect(camera.settings, password=PASSWORD) as connection,
        pytest.raises(SudoError, match="has no sudo"),
    ):
        connection.sudo(RemoteCommand.of("true"))
