"""The readers of foreign bytes, and what each must keep: take them, or refuse them in words.

Bytes are thrown at them by hypothesis in `tests/fuzz/test_*.py`, and by atheris in `guided.py`.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cvimodels import DATA, PARTS, cvimodel_bytes, description, seal, yolo11_tensors
from framework_readers import (
    CAFFE_TEXT,
    PICKLES,
    TFLITE,
    TORCH,
    TORCHSCRIPT_CONFIG,
    read_caffe_files,
    read_saved,
    read_scripted,
    read_tflite_file,
    read_torch,
)
from host_readers import (
    ADDRESSES,
    KNOWN_HOSTS,
    PRIVATE,
    SSH_CONFIG,
    read_address,
    read_key,
    read_known_hosts,
    read_ssh_config,
)
from label_readers import (
    COCO_SEEDS,
    YOLO_LABELS,
    YOLO_YAML,
    read_coco,
    read_yolo,
    read_yolo_yaml,
)
from onnx_reader import SEEDS, read_onnx
from picture_readers import (
    DATA_YAML,
    LIST,
    PICTURES,
    read_metadata,
    read_pictures,
    read_sets,
)
from rig import Rig, nothing_but_refusals
from text_readers import LABELS, TABLE, read_names, read_record, read_tables

from recam_deploy import cvimodel
from recam_deploy.artifact import load_artifact
from recam_deploy.camera.facts import parse_facts, parse_ion
from recam_deploy.camera.raw_outputs import parse_report
from recam_deploy.camera.smoke_test.output import explain_failure, parse_output
from recam_deploy.camera.web_api import ActiveInfo, CameraApi
from recam_deploy.cvimodel.classes import class_count
from recam_deploy.cvimodel.values import read_packed
from recam_deploy.doctor.camera import WebFacts
from recam_deploy.doctor.camera import judge as judge_camera
from recam_deploy.doctor.model import ModelFacts
from recam_deploy.doctor.model import judge as judge_model
from recam_deploy.flows.client import NodeRed, NodeRedLogin
from recam_deploy.flows.diff import compare
from recam_deploy.flows.document import check_own, parse_document
from recam_deploy.flows.record import Record
from recam_deploy.flows.target import MergeTarget
from recam_deploy.flows.templates import ModelChoice, fill, load_flow_file
from recam_deploy.http import HttpService
from recam_deploy.live.events import LiveEvent, parse_message
from recam_deploy.settings import CameraSettings, load_settings
from recam_deploy.ssh.session import Result

_TENSORS = yolo11_tensors()
DESCRIPTION = description(*_TENSORS, PARTS, {})
WHOLE = cvimodel_bytes(*_TENSORS)


def read_cvimodel(rig: Rig, data: bytes) -> None:
    path = rig.folder / "m.cvimodel"
    path.write_bytes(data)
    with nothing_but_refusals():
        model = cvimodel.read_model(path)
        assert model.ion_bytes >= 0
        assert model.family is None or isinstance(class_count(model), (int, type(None)))
        assert len(model.input_size) == 2
    checks = judge_model(ModelFacts(data, '{"classes": ["a", "b"]}'), None)
    assert all(check.fact for check in checks)


def read_description(rig: Rig, data: bytes) -> None:
    """A cvimodel's description behind a right checksum: so the description itself is read."""
    read_cvimodel(rig, seal(data, DATA, "cv181x"))


FLOW: list[dict[str, Any]] = [
    {"id": "t", "type": "tab", "label": "a", "disabled": False, "env": []},
    {"id": "m", "type": "model", "z": "t", "classes": "a,b", "wires": [["p"]], "splitter": "0"},
    {"id": "p", "type": "preview", "z": "t", "wires": []},
    {"id": "l", "type": "link out", "z": "t", "links": ["l"], "wires": []},
    {"id": "s", "type": "subflow", "in": [{}], "out": [{}], "nodes": ["m"]},
]


def read_flow(rig: Rig, text: bytes) -> None:
    """A user's flow file, pushed to a camera with flows of its own that had it before."""
    with nothing_but_refusals():
        nodes = parse_document(text.decode("utf-8", "surrogateescape"), "it")
        check_own(nodes, "it")
    (rig.folder / "flow.json").write_bytes(text)
    with nothing_but_refusals():
        addition = fill("flow.json", load_flow_file(rig.folder / "flow.json"), ModelChoice())
        there = tuple(node for node in FLOW if node["id"] != "s")
        target = MergeTarget(addition, Record.parse(json.dumps(PUSHED).encode()))
        after = target(there)
        target.overwritten(there, compare(there, after))
        target.record_after(there, after)


PUSHED: list[dict[str, Any]] = [
    node | {"recam": {"file": "flow.json", "id": node["id"], "added": True}} for node in FLOW
]


def read_pushed(_rig: Rig, text: bytes) -> None:
    """The record of what was pushed, which anybody may have changed on the camera."""
    record = Record.parse(text)
    with nothing_but_refusals():
        addition = fill("flow.json", tuple(FLOW[:2]), ModelChoice())
        target = MergeTarget(addition, record)
        after = target(tuple(FLOW))
        target.overwritten(tuple(FLOW), compare(tuple(FLOW), after))
        assert Record.parse(json.dumps(target.record_after(tuple(FLOW), after).as_json()).encode())


MANIFEST: dict[str, Any] = {
    "format": 1,
    "name": "m",
    "cvimodel": "good.cvimodel",
    "sha256": hashlib.sha256(WHOLE).hexdigest(),
    "size": len(WHOLE),
    "chip": "cv181x",
    "family": "yolo11-detect",
    "labels": ["a", "b", "c"],
    "quantization": "int8",
    "input": {"height": 64, "width": 64},
    "outputs": [{"name": "a", "shape": [1, 2], "dtype": "int8"}],
    "verification": {"cosine": 0.99},
}


def read_manifest(rig: Rig, text: bytes) -> None:
    (rig.folder / "good.cvimodel").write_bytes(WHOLE)
    manifest = rig.folder / "good.json"
    manifest.write_bytes(text)
    for path in (manifest, rig.folder / "good.cvimodel"):
        with nothing_but_refusals():
            artifact = load_artifact(path)
            assert isinstance(artifact.label(0), str)


SETTINGS = b"""
cache_limit_mb = 10
secrets_in_file = false
[camera]
user = "a"
port = 22
models = "/userdata/Models"
timeout = 1.5
[camera.porch]
host = "10.0.0.1"
[convert]
images = 3
mean = [0, 0, 0]
input_shapes = [[1, 3, 64, 64]]
tolerance = "0.9,0.9"
[discover]
seconds = 1
"""


def read_settings(rig: Rig, data: bytes, environment: Mapping[str, str] | None = None) -> None:
    path = rig.folder / "recam.toml"
    path.write_bytes(data)
    for camera in (None, "porch"):
        with nothing_but_refusals():
            settings = load_settings({**(environment or {}), "RECAM_SETTINGS": str(path)}, camera)
            assert settings.cache_dir.is_absolute()


PRINTED = (
    b"\x1b[32mI (12) sscma pre: 5ms, infer: 61ms, post: 3ms\x1b[0m\n"
    b"x: 0.493750, y: 0.446875, w: 0.731250, h: 0.468750, score: 0.932000, target: 5\n"
    b"x: 0.1, y: 0.2\nscore: 0.897000 target: 1\n"
    b"x: nan, y: 1e999, w: -1, h: 0, score: inf target: -7\n"
)


def _text(data: bytes) -> str:
    """As `Connection` gives what was printed."""
    return data.decode("utf-8", errors="backslashreplace")


RAW_REPORT: Any = {
    "outputs": [
        {
            "dtype": one.dtype,
            "shape": list(one.shape),
            "bytes": 4 * math.prod(one.shape),
            "qscale": 1.0,
            "zero_point": 0,
        }
        for one in _TENSORS[1]
    ],
    "images": [{"index": 0, "forward_ms": [1.5]}],
}


def read_raw_report(rig: Rig, text: bytes, status: int = 0) -> None:
    """What `tpu_run.py` prints for a model; whatever is taken describes its outputs."""
    path = rig.folder / "m.cvimodel"
    path.write_bytes(WHOLE)
    layout = cvimodel.read_model(path)
    result = Result(status, text.decode(errors="backslashreplace"), "", 0.0)
    with nothing_but_refusals():
        report = parse_report(result, layout, 1)
        outputs = rig.folder / "out.bin"
        outputs.write_bytes(bytes(sum(one["bytes"] for one in report.tensors)))
        (values,) = read_packed(outputs, report.tensors, 1)
        sizes = [math.prod(one.shape) for one in layout.outputs]
        assert [one.array.size for one in values] == sizes


def read_output(_rig: Rig, stdout: bytes, stderr: bytes = b"", status: int = 1) -> None:
    """What `sscma-model` prints."""
    with nothing_but_refusals():
        output = parse_output(_text(stdout), _text(stderr))
        assert all(box.class_id >= 0 for box in output.boxes)
    assert explain_failure(status, _text(stdout), _text(stderr)).message


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
CREATED = {"type": 0, "name": "create", "code": 5, "data": "no"}


def read_event(_rig: Rig, payload: bytes) -> None:
    message = parse_message(payload, "node")
    if message and isinstance(message.content, LiveEvent):
        json.dumps(message.content.as_json(), allow_nan=False)


_FOLDER = "".join(
    f"N {folder}_{fact}\n"
    for folder in ("models", "work", "history")
    for fact in (
        *("exists=yes", "is_link=no", "writable=yes", "size_kib=100", "free_kib=50"),
        *("mount=/userdata", "read_only=no", "leftover_bytes=12"),
    )
)
FACTS = (
    "motd\nN machine=riscv64\nN device=Cvitek\nN firmware=reCamera 0.2.4\nN clock=1700000000\n"
    "N uid=1000\nN has_timeout=yes\nN has_sha256sum=yes\nN has_python3=no\nN has_sudo=yes\n"
    "N missing= cp\nN ram_kib=1000\nN ion_total=\n"
    f"N ion_reserved=0000000003c00000\n{_FOLDER}N active_sha256={'0' * 64}\nN active_bytes=4\n"
    "N active_is_folder=no\nN info_sha256=absent\nN runner_sha256=unreadable\nN runner_runs=no\n"
    f"N has_library=yes\nN kept= 00000002-bbbbbbbbbbbb:{'b' * 64}\nN record={{}}\nN pending=\n"
    'N lock=anna@desk deploying\nN info=present\n{"classes": []}\nN end=yes\n'
).encode()
ION = b"[0] carveout heap size:62914560 bytes, used:1\n"


def read_facts(_rig: Rig, data: bytes) -> None:
    """What `facts.sh` prints on the camera."""
    with nothing_but_refusals():
        facts = parse_facts(_text(data), "N")
        assert facts.clock is None or facts.clock >= 0
        checks = judge_camera(WebFacts(None, {}), facts, None, CameraSettings(host="cam"), 0)
        assert all(check.fact for check in checks)


def read_ion(_rig: Rig, data: bytes) -> None:
    """The TPU's memory, as its driver tells of it."""
    assert (parse_ion(_text(data)) or 0) >= 0


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n'


def answered(body: bytes) -> bytes:
    """A whole reply."""
    return _HEAD % len(body) + body


def read_reply(rig: Rig, answer: bytes) -> None:
    """Any answer of any HTTP server."""
    rig.server.answer = answer
    service = HttpService("127.0.0.1", rig.server.port, "it", timeout=10, hint="Look.")
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
        "sshEnabled": True,
        "model_info": '{"model_name": "m", "classes": ["a"]}',
    },
}


def read_web_api(rig: Rig, body: bytes) -> None:
    rig.server.answer = answered(body)
    camera = CameraSettings(host="127.0.0.1", http_port=rig.server.port, timeout=10)
    with CameraApi(camera) as api:
        for call in (api.device, api.services, api.model_info, api.ssh_enabled):
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


def read_node_red(rig: Rig, body: bytes) -> None:
    rig.server.answer = answered(body)
    with NodeRed("127.0.0.1", rig.server.port, NodeRedLogin(), timeout=10) as client:
        credentials = functools.partial(client.credentials, FLOW[1])
        for call in (client.read, client.facts, client.runs, client.recorded, credentials):
            with nothing_but_refusals():
                call()


@dataclass(frozen=True)
class Reader:
    """A reader of bytes, and good input to start from."""

    read: Callable[[Rig, bytes], None]
    seeds: tuple[bytes, ...]


def _json(*values: Any) -> tuple[bytes, ...]:
    return tuple(json.dumps(value).encode() for value in values)


READERS = {
    "cvimodel": Reader(read_cvimodel, (WHOLE,)),
    "description": Reader(read_description, (DESCRIPTION,)),
    "flow": Reader(read_flow, _json(FLOW, {"flows": FLOW, "rev": "1"})),
    "pushed": Reader(read_pushed, _json(PUSHED)),
    "manifest": Reader(read_manifest, _json(MANIFEST)),
    "address": Reader(read_address, ADDRESSES),
    "ssh-config": Reader(read_ssh_config, (SSH_CONFIG,)),
    "known-hosts": Reader(read_known_hosts, (KNOWN_HOSTS,)),
    "key": Reader(read_key, (PRIVATE, b"PuTTY-User-Key-File-3: ssh-rsa\r\n")),
    "names": Reader(read_names, LABELS),
    "pictures": Reader(read_pictures, PICTURES),
    "metadata": Reader(read_metadata, PICTURES),
    "sets": Reader(read_sets, (DATA_YAML, LIST)),
    "yolo": Reader(read_yolo, YOLO_LABELS),
    "yolo-yaml": Reader(read_yolo_yaml, (YOLO_YAML,)),
    "coco": Reader(read_coco, COCO_SEEDS),
    "tables": Reader(read_tables, (TABLE, b"a BF16\nb INT8\n", b"a.jpg\nb.png\n")),
    "record": Reader(read_record, _json({"files": {"a": "0"}}, {"files": {}})),
    "onnx": Reader(read_onnx, SEEDS),
    "torch": Reader(read_torch, TORCH),
    "pickle": Reader(read_saved, PICKLES),
    "torchscript": Reader(read_scripted, (TORCHSCRIPT_CONFIG,)),
    "tflite": Reader(read_tflite_file, (TFLITE,)),
    "caffe": Reader(read_caffe_files, (CAFFE_TEXT,)),
    "settings": Reader(read_settings, (SETTINGS,)),
    "output": Reader(read_output, (PRINTED,)),
    "raw": Reader(read_raw_report, (json.dumps(RAW_REPORT).encode(),)),
    "event": Reader(read_event, _json(EVENT, CREATED)),
    "facts": Reader(read_facts, (FACTS,)),
    "ion": Reader(read_ion, (ION,)),
    "reply": Reader(read_reply, (answered(b'{"code": 0}'), CHUNKED)),
    "web-api": Reader(read_web_api, _json(DEVICE)),
    "node-red": Reader(read_node_red, _json(FLOWS, NODES)),
}
