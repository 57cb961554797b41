"""A real broker, and real Node-REDs of the virtual camera's that speak with it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from virtual.nodered.runtime import NodeRed

from recam_deploy.settings import load_settings

from .rig import Admin, Service, broker, free_port, mosquitto

Start = Callable[..., "Running"]


class Running:
    """A Node-RED of the virtual camera's in an event loop of its own."""

    def __init__(self, folder: Path, mqtt_port: int, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        cache = load_settings().cache_dir
        options = {"http_port": free_port(), **options}
        self.runtime = NodeRed(folder=folder, mqtt_port=mqtt_port, cache_dir=cache, **options)
        try:
            self.url = self._loop.run_until_complete(self.runtime.start())
        except BaseException:
            self._loop.close()
            raise
        self.admin = Admin(self.url)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def log(self) -> str:
        return self.runtime.folder.log.read_text(encoding="utf-8")

    def let_run(self, seconds: float) -> None:
        """Let its own tasks run: here they do only when they are let."""
        self._loop.run_until_complete(asyncio.sleep(seconds))

    def stop(self) -> None:
        if not self._loop.is_closed():
            self._loop.run_until_complete(self.runtime.stop())
            self._loop.close()


@pytest.fixture(scope="session")
def mqtt_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if mosquitto() is None:
        pytest.skip("there is no mosquitto on this machine")
    with broker(tmp_path_factory.mktemp("broker")) as port:
        yield port


@pytest.fixture(scope="session")
def websockets() -> dict[str, int]:
    """The ports at which the browser finds the camera's video and the model's results."""
    return {"video_port": free_port(), "preview_port": free_port()}


@pytest.fixture(scope="session")
def node_red(
    mqtt_port: int, websockets: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """One Node-RED for many tests, in a folder whose name has a space."""
    running = Running(tmp_path_factory.mktemp("virtual camera"), mqtt_port, **websockets)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def older(mqtt_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One with the nodes that the camera had before firmware 0.2.1."""
    folder = tmp_path_factory.mktemp("older camera")
    running = Running(folder, mqtt_port, nodes_version="0.2.7")
    yield running
    running.stop()


@pytest.fixture
def start(mqtt_port: int) -> Iterator[Start]:
    """Start others; every one is stopped at the end."""
    with contextlib.ExitStack() as stack:

        def begin(folder: Path, **options: Any) -> Running:
            running = Running(folder, mqtt_port, **options)
            stack.callback(running.stop)
            return running

        yield begin


@pytest.fixture
def service(mqtt_port: int) -> Iterator[Service]:
    listening = Service(mqtt_port)
    yield listening
    listening.close()


@pytest.fixture(scope="session")
def picture() -> str:
    """A grey 320 × 240 JPEG, as an event carries it."""
    data = io.BytesIO()
    Image.new("RGB", (320, 240), (90, 90, 90)).save(data, "JPEG")
    return base64.b64encode(data.getvalue()).decode()
