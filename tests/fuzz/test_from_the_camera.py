"""What a camera says, however malformed: understood or refused, never a crash, never endless."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from malformed import damaged, documents, fuzz, nothing_but_refusals

from recam_deploy.camera.http import ActiveInfo, CameraApi
from recam_deploy.camera.sscma_output import explain_failure, parse_output
from recam_deploy.doctor.camera_facts import parse, parse_ion
from recam_deploy.flows.client import Login, NodeRed
from recam_deploy.http import HttpService
from recam_deploy.live.events import MESSAGE_LIMIT, LiveEvent, parse_message
from recam_deploy.settings import CameraSettings

PRINTED = (
    b"\x1b[32mI (12) sscma pre: 5ms, infer: 61ms, post: 3ms\x1b[0m\n"
    b"x: 0.493750, y: 0.446875, w: 0.731250, h: 0.468750, score: 0.932000, target: 5\n"
    b"x: 0.1, y: 0.2\nscore: 0.897000 target: 1\n"
    b"x: nan, y: 1e999, w: -1, h: 0, score: inf target: -7\n"
)


def text_of(data: bytes) -> str:
    """As `Remote` gives what was printed."""
    return data.decode("utf-8", errors="backslashreplace")


@fuzz
@given(damaged(PRINTED), damaged(PRINTED), st.integers(-1, 255))
def test_what_sscma_model_prints(stdout: bytes, stderr: bytes, status: int) -> None:
    with nothing_but_refusals():
        output = parse_output(text_of(stdout), text_of(stderr))
        assert all(box.class_id >= 0 for box in output.boxes)
    assert explain_failure(status, text_of(stdout), text_of(stderr)).message


EVENT = {
    "type": 1,
    "name": "invoke",
    "code": 0,
    "data": {
        "count": 3,
        "boxes": [[400, 560, 760, 480, 93, 5]],
        "classes": [[90, 1]],
        "keypoints": [[[1, 2, 3, 4, 5, 0], [[1, 2, 3]]]],
        "segments": [[[1, 2, 3, 4, 5, 0], [1, 2]]],
        "labels": ["bus"],
        "resolution": [810, 1080],
        "perf": [[5, 60, 3]],
        "image": "",
    },
}


@fuzz
@example(b'{"name": "invoke", "code": 0, "data": {"boxes": [[1%s, 1, 1, 1, 1, 1]]}}' % (b"0" * 400))
@given(documents(EVENT) | documents({"type": 0, "name": "create", "code": 5, "data": "no"}))
def test_live_events(payload: bytes) -> None:
    message = parse_message(payload, "node")
    if message and isinstance(message.content, LiveEvent):
        json.dumps(message.content.as_json(), allow_nan=False)
    assert parse_message(b"0" * (MESSAGE_LIMIT + 1)) is None


FACTS = (
    b"motd\nN uid=1000\nN issue=reCamera 0.2.4\nN clock=1700000000\nN memory_kib=1000\n"
    b"N disk=100 50 /userdata\nN missing= scp\nN runner=present\nN runtime=present\n"
    b"N model=" + b"0" * 64 + b'\nN info=present\n{"classes": []}\nN end=yes\n'
)


@fuzz
@given(damaged(FACTS), damaged(b"[0] carveout heap size:62914560 bytes, used:1\n"))
def test_the_doctors_facts(data: bytes, ion: bytes) -> None:
    with nothing_but_refusals():
        facts = parse(text_of(data), "N")
        assert facts.clock is None or facts.clock >= 0
    assert (parse_ion(text_of(ion)) or 0) >= 0


class Server:
    """Answers every connection with the same bytes, and hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            with link:
                link.settimeout(5)
                try:
                    asked = b""
                    while b"\r\n\r\n" not in asked and (more := link.recv(65536)):
                        asked += more
                    link.sendall(self.answer)
                    link.shutdown(socket.SHUT_WR)
                    link.recv(1)
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n'


def answered(body: bytes) -> bytes:
    return HEAD % len(body) + body


@fuzz
@given(damaged(answered(b'{"code": 0}')) | damaged(CHUNKED))
def test_http_replies(server: Server, answer: bytes) -> None:
    server.answer = answer
    service = HttpService("127.0.0.1", server.port, "it", timeout=10, hint="Look.")
    with nothing_but_refusals():
        reply = service.exchange("GET", "/", limit=1 << 20)
        assert len(reply.body) <= 1 << 20
    service.close()


DEVICE = {
    "code": 0,
    "msg": "OK",
    "data": {
        "deviceName": "recamera",
        "osName": "reCamera",
        "osVersion": "0.2.4",
        "sscmaNode": 0,
        "nodeRed": 0,
        "model_info": '{"model_name": "m", "classes": ["a"]}',
    },
}


@fuzz
@given(documents(DEVICE))
def test_the_web_api(server: Server, body: bytes) -> None:
    server.answer = answered(body)
    camera = CameraSettings(host="127.0.0.1", http_port=server.port, timeout=10)
    with CameraApi(camera) as api:
        for call in (api.device, api.services, api.model_info):
            with nothing_but_refusals():
                call()
    ActiveInfo.parse(body.decode("utf-8", "surrogateescape"))


NODES = [{"id": "x", "types": ["model"], "enabled": True, "version": "1"}]
FLOWS = {
    "rev": "1",
    "state": "start",
    "version": "4.0.9",
    "flows": [{"id": "t", "type": "tab"}, {"id": "m", "type": "model", "wires": [[]]}],
}


@fuzz
@example(b'[{"types": 1, "enabled": true}]')
@given(documents(FLOWS) | documents(NODES))
def test_node_red(server: Server, body: bytes) -> None:
    server.answer = answered(body)
    with NodeRed("127.0.0.1", server.port, Login(), timeout=10) as client:
        for call in (client.read, client.facts, client.runs):
            with nothing_but_refusals():
                call()
