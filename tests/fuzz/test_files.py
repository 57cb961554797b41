"""Files that a user gives, however malformed: taken or refused, never a crash."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from cvimodels import DATA, PARTS, cvimodel_bytes, description, seal, yolo11_tensors
from hypothesis import example, given
from hypothesis import strategies as st
from malformed import damaged, documents, fuzz, nothing_but_refusals, scalars

from recam_deploy import cvimodel
from recam_deploy.artifact import load_artifact
from recam_deploy.cvimodel.classes import class_count
from recam_deploy.doctor.model import ModelFacts
from recam_deploy.doctor.model import judge as judge_model
from recam_deploy.flows.document import check_own, parse_document
from recam_deploy.settings import CameraSettings, load_settings

INPUTS, OUTPUTS = yolo11_tensors()
DESCRIPTION = description(INPUTS, OUTPUTS, PARTS, {})
WHOLE = cvimodel_bytes(INPUTS, OUTPUTS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def read_all_of(path: Path) -> None:
    model = cvimodel.read_model(path)
    assert model.ion_bytes >= 0
    assert model.family is None or isinstance(class_count(model), (int, type(None)))
    assert len(model.input_size) == 2


# With a right checksum, the description itself is read.
@fuzz
@given(damaged(WHOLE) | damaged(DESCRIPTION).map(lambda data: seal(data, DATA, "cv181x")))
def test_a_cvimodel(folder: Path, data: bytes) -> None:
    path = folder / "m.cvimodel"
    path.write_bytes(data)
    with nothing_but_refusals():
        read_all_of(path)
    checks = judge_model(ModelFacts(data, '{"classes": ["a", "b"]}'), None)
    assert all(check.fact for check in checks)


FLOW = [
    {"id": "t", "type": "tab", "label": "a", "disabled": False, "env": []},
    {"id": "m", "type": "model", "z": "t", "classes": "a,b", "wires": [["p"]], "splitter": "0"},
    {"id": "p", "type": "preview", "z": "t", "wires": []},
    {"id": "l", "type": "link out", "z": "t", "links": ["l"], "wires": []},
    {"id": "s", "type": "subflow", "in": [{}], "out": [{}], "nodes": ["m"]},
]


@fuzz
@given(documents(FLOW) | documents({"flows": FLOW, "rev": "1"}))
def test_a_flow_document(text: bytes) -> None:
    with nothing_but_refusals():
        nodes = parse_document(text.decode("utf-8", "surrogateescape"), "it")
        check_own(nodes, "it")


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


def manifest(**changes: Any) -> bytes:
    return json.dumps(MANIFEST | changes).encode()


@fuzz
@example(manifest(cvimodel="a\0"))
@example(manifest(cvimodel="\ud800"))
@example(manifest(outputs=[{"name": "a", "shape": [math.inf], "dtype": "int8"}]))
@given(documents(MANIFEST))
def test_a_manifest(folder: Path, text: bytes) -> None:
    (folder / "good.cvimodel").write_bytes(WHOLE)
    manifest = folder / "good.json"
    manifest.write_bytes(text)
    for path in (manifest, folder / "good.cvimodel"):
        with nothing_but_refusals():
            artifact = load_artifact(path)
            assert isinstance(artifact.label(0), str)


SETTINGS = """
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
_tables = st.sampled_from(("camera", "camera.porch", "convert", "discover", "", "camera.camera"))
_keys = st.sampled_from(
    (*CameraSettings.model_fields, "images", "mean", "tolerance", "input_shapes", "seconds")
) | st.text(max_size=6)


def toml(table: str, key: str, value: object) -> bytes:
    """One key, its value as JSON, which is TOML more often than not."""
    head = f"[{table}]\n" if table else ""
    return f"{head}{json.dumps(key)} = {json.dumps(value)}\n".encode()


@fuzz
@given(
    damaged(SETTINGS.encode()) | st.builds(toml, _tables, _keys, scalars | st.lists(scalars)),
    st.dictionaries(
        _keys.map(lambda key: f"RECAM_{key.upper()}")
        | st.sampled_from(("RECAM_CAMERA", "RECAM_CONVERT_MEAN", "RECAM_CONVERT_IMGSZ")),
        st.text(max_size=20),
        max_size=2,
    ),
)
def test_a_settings_file_and_the_environment(
    folder: Path, data: bytes, environment: dict[str, str]
) -> None:
    path = folder / "recam.toml"
    path.write_bytes(data)
    for camera in (None, "porch"):
        with nothing_but_refusals():
            settings = load_settings(environment | {"RECAM_SETTINGS": str(path)}, camera)
            assert settings.cache_dir.is_absolute()
