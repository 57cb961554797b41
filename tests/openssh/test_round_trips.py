"""How often a real OpenSSH server is asked: each command costs a camera on a radio link dearly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from cvimodels import description, seal, yolo11_tensors
from fault_proxy import Proxy
from sshd_parts import known_hosts

from recam_deploy.artifact import Artifact
from recam_deploy.camera.deployment import Deployment
from recam_deploy.camera.remote import connect
from recam_deploy.cli.camera_actions import deploy_artifact
from recam_deploy.progress import SilentProgress
from recam_deploy.settings import load_settings

if TYPE_CHECKING:
    from tests.openssh.conftest import Server

SIZE = 600_000


@pytest.fixture
def proxy(plain: Server) -> Iterator[Proxy]:
    """Counts what goes to the server."""
    proxy = Proxy(plain.port)
    yield proxy
    proxy.close()


@pytest.fixture
def artifact(make_artifact: Callable[[bytes], Artifact]) -> Artifact:
    return make_artifact(seal(description(*yolo11_tensors(64)), bytes(SIZE), "cv181x"))


def deploy(plain: Server, proxy: Proxy, artifact: Artifact) -> Deployment:
    """As `recam deploy` does once it has read its arguments."""
    known = known_hosts(plain.folder, proxy.port, plain.folder / "host_key")
    camera = dict(plain.settings_with(port=proxy.port, known_hosts=known))
    settings = load_settings().with_flags(camera=camera)
    with connect(settings.camera) as remote:
        return deploy_artifact(remote, settings, artifact, SilentProgress(), wait=0)


def sessions(plain: Server) -> int:
    """How many commands the server has been asked for."""
    return plain.log_text().count("Starting session: command")


def test_an_unchanged_model_costs_one_command_on_one_connection_and_none_of_its_bytes(
    plain: Server, proxy: Proxy, artifact: Artifact
) -> None:
    assert deploy(plain, proxy, artifact).changed
    assert proxy.bytes_to_server > SIZE
    commands, connections, sent = sessions(plain), proxy.connections, proxy.bytes_to_server
    assert not deploy(plain, proxy, artifact).changed
    assert sessions(plain) - commands == 1
    assert proxy.connections - connections == 1
    assert proxy.bytes_to_server - sent < 20_000
