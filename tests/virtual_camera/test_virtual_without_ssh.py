"""A camera whose SSH is switched off says so, and recam asks before it guesses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recam_deploy.camera.web_api import CameraApi, ssh_enabled
from recam_deploy.errors import ConnectionFailedError
from recam_deploy.interaction import NoInteraction
from recam_deploy.settings import CameraSettings, load_settings
from recam_deploy.workflows.connect import open_connection

from .conftest import Camera
from .nodered.rig import free_port


def settings_of(camera: Camera) -> CameraSettings:
    port = int(camera.state["http_url"].rpartition(":")[2])
    return CameraSettings(
        host=camera.state["host"], port=camera.state["ssh_port"], http_port=port, timeout=5
    )


def refusal(camera: CameraSettings) -> ConnectionFailedError:
    """Why no connection can be made."""
    with pytest.raises(ConnectionFailedError) as caught:
        settings = load_settings({}).model_copy(update={"camera": camera})
        open_connection(settings, NoInteraction(), accept_host_key=False)
    return caught.value


def test_ssh_that_is_switched_off_is_said_to_be(
    serve: Callable[..., Camera], tmp_path: Path
) -> None:
    camera = settings_of(serve(tmp_path / "d", "--no-ssh", "--broker", "embedded"))
    error = refusal(camera)
    assert error.message == "SSH is switched off on the camera at 127.0.0.1"
    assert "/#/security" in error.hint
    assert "--via http" in error.hint


def test_ssh_that_is_on_but_cannot_be_reached_is_told_apart(
    serve: Callable[..., Camera], tmp_path: Path
) -> None:
    camera = settings_of(serve(tmp_path / "d", "--broker", "embedded"))
    error = refusal(camera.model_copy(update={"port": free_port()}))
    assert "refused, though SSH is switched on at the camera" in error.message
    assert "firewall" in error.hint


def test_a_new_camera_tells_that_nobody_has_logged_in_yet(
    serve: Callable[..., Camera], tmp_path: Path
) -> None:
    camera = serve(tmp_path / "d", "--broker", "embedded")
    first = camera.root / "etc/.first_login"
    assert first.exists()
    with CameraApi(settings_of(camera)) as api:
        assert api.ssh_enabled() is True


@pytest.fixture
def old_firmware() -> Iterator[int]:
    """A web server that leads what it does not know to its page, as the camera's does."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(307)
            self.send_header("Location", "http://192.168.16.1/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_request(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_where_the_camera_does_not_tell_the_refusal_is_as_before(old_firmware: int) -> None:
    camera = CameraSettings(host="127.0.0.1", port=free_port(), http_port=old_firmware, timeout=2)
    assert ssh_enabled(camera) is None
    error = refusal(camera)
    assert error.message.endswith("connection refused")
    assert "may be switched off" in error.hint


def test_a_camera_that_cannot_be_reached_at_all_is_not_asked_twice() -> None:
    camera = CameraSettings(host="127.0.0.1", port=free_port(), http_port=free_port(), timeout=2)
    assert "may be switched off" in refusal(camera).hint
