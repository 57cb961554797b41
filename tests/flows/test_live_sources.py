"""Live results over real sockets: a real broker where one is installed, and a real websocket."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import paho.mqtt.client as paho
import pytest
from node_red_runs import free_port
from paho.mqtt import publish
from typer.testing import CliRunner
from websockets.sync.server import ServerConnection, serve

from recam_deploy.cli.main import app
from recam_deploy.errors import ConnectionFailedError
from recam_deploy.live.events import LiveEvent, NodeReply
from recam_deploy.live.mqtt import MqttSource
from recam_deploy.live.preview import PreviewSource
from recam_deploy.live.watching import collect, open_source
from recam_deploy.settings import CameraSettings

EVENT = {"resolution": [640, 480], "boxes": [[10, 10, 4, 4, 50, 0]], "labels": ["a"]}


def invoke(count: int) -> str:
    data = {**EVENT, "count": count, "perf": [[1, 2, 3]]}
    return json.dumps({"type": 1, "name": "invoke", "code": 0, "data": data})


def tell(port: int, node: str, text: str | bytes, client: str = "recamera") -> None:
    publish.single(f"sscma/v0/{client}/node/out/{node}", text, hostname="127.0.0.1", port=port)


def soon() -> float:
    return time.monotonic() + 5


def test_messages_of_the_broker_come_with_their_node(broker: int) -> None:
    with MqttSource("127.0.0.1", broker, timeout=5) as source:
        tell(broker, "m1", invoke(7))
        tell(broker, "m1", b"\xff no message")
        tell(broker, "c1", json.dumps({"type": 0, "name": "create", "code": 0, "data": ""}), "x")
        first, second = source.next(soon()), source.next(soon())
        assert first and isinstance(first.content, LiveEvent)
        assert (first.node, first.content.count) == ("m1", 7)
        assert second and second.content == NodeReply("create", 0, "")
        assert source.next(time.monotonic() + 0.2) is None


def test_the_time_is_up_however_much_is_waiting(broker: int) -> None:
    with MqttSource("127.0.0.1", broker, timeout=5) as source:
        for count in range(3):
            tell(broker, "m1", invoke(count))
        assert source.next(soon())
        assert source.next(time.monotonic() - 0.1) is None


def test_a_topic_that_is_no_text_is_passed_over(broker: int) -> None:
    """A broker may send any bytes; an exception in the library's thread would end it."""
    with MqttSource("127.0.0.1", broker, timeout=5) as source:
        strange = paho.MQTTMessage(topic=b"sscma/v0/x/node/out/\xff")
        strange.payload = invoke(1).encode()
        source._received(source._client, None, strange)
        tell(broker, "m1", invoke(2))
        message = source.next(soon())
        assert message and isinstance(message.content, LiveEvent)
        assert message.content.count == 2


def test_what_was_there_before_can_be_forgotten(broker: int) -> None:
    with MqttSource("127.0.0.1", broker, timeout=5) as source:
        tell(broker, "m1", invoke(1))
        time.sleep(0.3)
        source.drain()
        tell(broker, "m1", invoke(2))
        message = source.next(soon())
        assert message and isinstance(message.content, LiveEvent)
        assert message.content.count == 2


def test_a_broker_that_is_closed_or_mute_is_told() -> None:
    with pytest.raises(ConnectionFailedError, match="MQTT broker .* refused"):
        MqttSource("127.0.0.1", free_port(), timeout=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        with pytest.raises(ConnectionFailedError, match="did not answer"):
            MqttSource("127.0.0.1", listener.getsockname()[1], timeout=0.5)
        assert time.monotonic() - began < 10


@pytest.fixture
def preview() -> Iterator[int]:
    """A model node's socket: three events, then it closes, as when the node is made anew."""

    def talk(link: ServerConnection) -> None:
        for count in range(3):
            link.send(invoke(count))

    with serve(talk, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.socket.getsockname()[1]
        server.shutdown()


def test_case_65_the_preview_socket_is_read_where_the_broker_is_closed(preview: int) -> None:
    camera = CameraSettings(
        host="127.0.0.1", mqtt_port=free_port(), preview_port=preview, timeout=2
    )
    source = open_source(camera)
    report = collect(source, count=3, seconds=None, first_within=5)
    source.close()
    assert [event.count for event in report.events] == [0, 1, 2]
    assert report.first[0].box == (8, 8, 12, 12)


def test_case_65_watch_says_that_it_reads_the_preview_instead_of_the_broker(
    preview: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "HOST": "127.0.0.1",
        "MQTT_PORT": str(free_port()),
        "PREVIEW_PORT": str(preview),
        "SETTINGS": "",
    }.items():
        monkeypatch.setenv(f"RECAM_{name}", value)
    done = CliRunner().invoke(app, ["watch", "--count", "2", "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["count"] == 2
    assert (
        f"closed from outside; reading the camera's preview socket (127.0.0.1 port {preview})"
        in (done.stderr)
    )


def test_a_camera_that_offers_neither_is_said_to_at_once() -> None:
    camera = CameraSettings(
        host="127.0.0.1", mqtt_port=free_port(), preview_port=free_port(), timeout=2
    )
    with pytest.raises(ConnectionFailedError, match="MQTT broker.*preview socket"):
        open_source(camera, runs=True)


def test_a_preview_socket_that_closes_is_opened_again(preview: int) -> None:
    with PreviewSource("127.0.0.1", preview, timeout=2) as source:
        report = collect(source, count=5, seconds=None, first_within=5)
    assert [event.count for event in report.events] == [0, 1, 2, 0, 1]
