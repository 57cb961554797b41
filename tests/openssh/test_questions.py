"""What is said when a server wants more than a password, or a new one (case 61)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from asking_server import asking
from pydantic import SecretStr
from sshd_parts import USERS_PASSWORD, make_key

from recam_deploy.errors import AuthenticationError
from recam_deploy.settings import CameraSettings
from recam_deploy.ssh.command import RemoteCommand
from recam_deploy.ssh.connection import connect

if TYPE_CHECKING:
    from tests.openssh.conftest import StartCamera

PASSWORD = SecretStr(USERS_PASSWORD)
ASKED, CODE = ("Password: ", False), ("Verification code: ", False)


@pytest.mark.parametrize(
    ("rounds", "given"),
    [(([ASKED], [CODE]), 1), (([CODE],), 0), (([ASKED, CODE],), 0), (([("Name: ", True)],), 0)],
)
def test_a_question_beyond_the_password_is_named_case_61(
    home: Path, tmp_path: Path, rounds: tuple[list[tuple[str, bool]], ...], given: int
) -> None:
    question = rounds[-1][-1][0].strip()
    with asking(make_key(tmp_path / "host_key"), *rounds) as (port, answers):
        settings = CameraSettings(host=f"127.0.0.1:{port}", known_hosts=tmp_path / "known")
        with pytest.raises(AuthenticationError, match="more than a password") as caught:
            connect(settings, password=PASSWORD, accept_host_key=True)
    assert question in caught.value.message
    assert len(answers) == given


def test_a_server_that_answers_the_password_by_demanding_a_new_one_case_61(
    home: Path, tmp_path: Path
) -> None:
    with asking(make_key(tmp_path / "host_key"), demands="Choose another") as (port, answers):
        settings = CameraSettings(host=f"me@127.0.0.1:{port}", known_hosts=tmp_path / "known")
        with pytest.raises(AuthenticationError, match="new password for me") as caught:
            connect(settings, password=PASSWORD, accept_host_key=True)
    assert "ssh me@127.0.0.1" in caught.value.hint
    assert len(answers) == 1


ONE_QUESTION = "UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes\n"
BY_PASSWORD = "UsePAM yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
WITHOUT_PAM = "UsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n"


@pytest.mark.parametrize("options", [ONE_QUESTION, BY_PASSWORD, WITHOUT_PAM])
def test_an_expired_password_is_told_as_such_case_61(
    start_camera: StartCamera, options: str
) -> None:
    camera = start_camera(options)
    shadow = camera.root / "etc/shadow"
    shadow.write_text(shadow.read_text().replace(":19000:", ":0:"))
    (camera.root / "etc/pam.d/sshd").write_text(
        "auth required pam_unix.so nodelay\naccount required pam_unix.so\n"
        "password required pam_unix.so\nsession required pam_permit.so\n"
    )
    with (
        pytest.raises(AuthenticationError, match="new password"),
        connect(camera.settings, password=PASSWORD) as connection,
    ):
        connection.run(RemoteCommand.of("true"))
