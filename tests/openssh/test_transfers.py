"""What goes over the connection to a real OpenSSH server: how often, and how many bytes."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from cvimodels import description, seal, yolo11_tensors
from fault_proxy import Faults, Proxy
from sshd_parts import known_hosts

from recam_deploy.artifact import Artifact
from recam_deploy.camera.deployment import Deployment
from recam_deploy.errors import ConnectionFailedError
from recam_deploy.interaction import NoInteraction
from recam_deploy.settings import CameraSettings, load_settings
from recam_deploy.ssh.connection import connect
from recam_deploy.workflows.deploy import (
    deploy_artifact,
    deploy_tested,
    open_camera,
    prepare_smoke_test,
)

if TYPE_CHECKING:
    from tests.openssh.conftest import Server

WEIGHTS = bytes(random.Random(1).choices(range(16), k=3_000_000))
"""They pack to about 0.6 of their size."""
SLOW = Faults(rate=3e6)


@pytest.fixture
def proxy(plain: Server) -> Iterator[Proxy]:
    """Stands before the server, and counts."""
    proxy = Proxy(plain.port)
    yield proxy
    proxy.close()


@pytest.fixture
def artifact(make_artifact: Callable[[bytes], Artifact]) -> Artifact:
    return make_artifact(seal(description(*yolo11_tensors(64)), WEIGHTS, "cv181x"))


def through(plain: Server, proxy: Proxy) -> CameraSettings:
    known = known_hosts(plain.folder, proxy.port, plain.folder / "host_key")
    return plain.settings_with(port=proxy.port, known_hosts=known)


def deploy(plain: Server, proxy: Proxy, artifact: Artifact) -> Deployment:
    """As `recam deploy` does once it has read its arguments."""
    settings = load_settings().with_flags(camera=dict(through(plain, proxy)))
    with open_camera(settings, NoInteraction()) as camera:
        return deploy_artifact(camera, artifact, wait=20)


def commands(plain: Server) -> int:
    """How many the server has been asked to run on connections that have all ended."""
    until = time.monotonic() + 10
    while True:
        log = plain.log_text()
        if log.count("Closing connection to") == log.count("Accepted publickey for"):
            return log.count("Starting session: command")
        assert time.monotonic() < until, "a connection did not end"
        time.sleep(0.05)


def test_an_unchanged_model_costs_one_command_on_one_connection_and_none_of_its_bytes(
    plain: Server, proxy: Proxy, artifact: Artifact
) -> None:
    assert deploy(plain, proxy, artifact).changed
    assert proxy.bytes_to_server > artifact.size / 2
    before, connections, sent = commands(plain), proxy.connections, proxy.bytes_to_server
    assert not deploy(plain, proxy, artifact).changed
    assert commands(plain) - before == 1
    assert proxy.connections - connections == 1
    assert proxy.bytes_to_server - sent < 20_000


def test_a_new_model_goes_over_one_connection(
    plain: Server, proxy: Proxy, artifact: Artifact
) -> None:
    deploy(plain, proxy, artifact)
    assert proxy.connections == 1


@pytest.mark.skipif(os.getuid() != 0, reason="the test binary runs as root")
def test_testing_a_model_that_is_in_place_costs_eight_commands(
    plain: Server, proxy: Proxy, artifact: Artifact, picture: Path, runner: Path
) -> None:
    """The lock, the look, a folder, the picture, the run, its result's hash, its result, the end of
    the folder."""
    settings = load_settings().with_flags(camera=dict(through(plain, proxy)))
    inputs = prepare_smoke_test(settings, picture, runner, plain.folder / "Out.jpg")
    for _ in range(2):
        before = commands(plain)
        with (
            open_camera(settings, NoInteraction()) as camera,
            camera.hold_lock("testing", wait=0) as lock,
        ):
            deploy_tested(camera, artifact, inputs, lock)
    assert commands(plain) - before == 8


def test_a_slow_link_gets_the_rest_of_it_packed(plain: Server, proxy: Proxy) -> None:
    proxy.faults = lambda: SLOW
    with connect(through(plain, proxy)) as connection:
        connection.upload(WEIGHTS, PurePosixPath(plain.folder / "file"))
    assert (plain.folder / "file").read_bytes() == WEIGHTS
    assert commands(plain) == 2
    assert proxy.bytes_to_server < 0.9 * len(WEIGHTS)


def test_row_01_an_upload_cut_while_it_was_packed_is_gone_on_with(
    plain: Server, proxy: Proxy, artifact: Artifact
) -> None:
    cuts = iter([Faults(cut_after=1_700_000, reset=False, rate=SLOW.rate)])
    proxy.faults = lambda: next(cuts, Faults())
    with pytest.raises(ConnectionFailedError, match="uploading shapes"):
        deploy(plain, proxy, artifact)
    (part,) = (plain.folder / "Models").glob(".recam-*")
    until = time.monotonic() + 10
    while part.stat().st_size <= 1_750_000 and time.monotonic() < until:
        time.sleep(0.05)
    there = part.read_bytes()
    assert len(there) > 1_750_000, "it was not packed when it was cut off"
    assert artifact.cvimodel.read_bytes().startswith(there)
    assert deploy(plain, proxy, artifact).uploaded_bytes < artifact.size - 1_000_000
    active = plain.folder / "Models/model.cvimodel"
    assert active.read_bytes() == artifact.cvimodel.read_bytes()
