"""Flows kept on the camera before they are replaced, over a real OpenSSH server."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from sshd_parts import USERS_PASSWORD

from recam_deploy.camera.facts import gather_facts
from recam_deploy.camera.flow_backups import keep_flows
from recam_deploy.errors import CameraError
from recam_deploy.ssh.connection import connect

if TYPE_CHECKING:
    from tests.openssh.conftest import Server

PASSWORD = SecretStr(USERS_PASSWORD)


@pytest.mark.parametrize("server", ["plain", "camera"])
def test_flows_are_kept_in_the_work_folder(server: str, request: pytest.FixtureRequest) -> None:
    reached: Server = request.getfixturevalue(server)
    with connect(reached.settings, password=PASSWORD) as connection:
        facts = gather_facts(connection, reached.paths)
        path = keep_flows(connection, facts, reached.paths, "0001-abc.json", b"[1]")
        keep_flows(connection, facts, reached.paths, "0002-abc.json", b"[2]")
    assert path == reached.paths.work / "flows" / "0001-abc.json"
    kept = reached.inside(PurePosixPath(path))
    assert kept.read_bytes() == b"[1]"
    assert kept.stat().st_mode & 0o077 == 0
    assert [p.name for p in sorted(kept.parent.parent.iterdir())] == ["flows"]


def test_flows_are_not_kept_through_a_link(plain: Server) -> None:
    work = plain.inside(plain.paths.work)
    elsewhere = work.parent / "elsewhere"
    elsewhere.mkdir()
    work.mkdir(parents=True, exist_ok=True)
    (work / "flows").symlink_to(elsewhere)
    with connect(plain.settings, password=PASSWORD) as connection:
        facts = gather_facts(connection, plain.paths)
        with pytest.raises(CameraError, match="could not be backed up"):
            keep_flows(connection, facts, plain.paths, "0001-abc.json", b"[1]")
    assert not list(elsewhere.iterdir())
