"""Files that a user gives, however malformed: taken or refused, never a crash."""

from __future__ import annotations

import json
import math
from typing import Any

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
from hypothesis import example, given
from hypothesis import strategies as st
from malformed import damaged, documents, fuzz, scalars
from onnx_reader import SEEDS, random_models, read_onnx
from picture_readers import (
    DATA_YAML,
    LIST,
    PICTURES,
    read_metadata,
    read_pictures,
    read_sets,
)
from readers import (
    DESCRIPTION,
    FLOW,
    MANIFEST,
    SETTINGS,
    WHOLE,
    read_cvimodel,
    read_description,
    read_flow,
    read_manifest,
    read_settings,
)
from rig import Rig
from text_readers import LABELS, TABLE, read_names, read_record, read_tables

from recam_deploy.settings import CameraSettings


@fuzz
@given(damaged(WHOLE))
def test_a_cvimodel(rig: Rig, data: bytes) -> None:
    read_cvimodel(rig, data)


@fuzz
@given(damaged(DESCRIPTION))
def test_a_cvimodels_description_behind_a_right_checksum(rig: Rig, data: bytes) -> None:
    read_description(rig, data)


@fuzz
@given(documents(FLOW) | documents({"flows": FLOW, "rev": "1"}))
def test_a_flow_document(rig: Rig, text: bytes) -> None:
    read_flow(rig, text)


def manifest(**changes: Any) -> bytes:
    return json.dumps(MANIFEST | changes).encode()


@fuzz
@example(manifest(cvimodel="a\0"))
@example(manifest(cvimodel="\ud800"))
@example(manifest(outputs=[{"name": "a", "shape": [math.inf], "dtype": "int8"}]))
@given(documents(MANIFEST))
def test_a_manifest(rig: Rig, text: bytes) -> None:
    read_manifest(rig, text)


_CATEGORIES = {"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}


@fuzz
@example(b"names: " + b"[" * 5000)
@example(b"[" * 100_000)
@given(
    st.sampled_from(LABELS).flatmap(damaged)
    | documents(_CATEGORIES)
    | documents({"names": {"0": "a", "1": "b"}, "nc": 2})
    | st.text(alphabet="ab01:,;'\"[]{}#-= \t\n\ufeff").map(str.encode)
)
def test_class_names(rig: Rig, data: bytes) -> None:
    read_names(rig, data)


@fuzz
@given(damaged(TABLE) | damaged(b"a BF16\nb INT8\n"))
def test_tables_and_lists(rig: Rig, data: bytes) -> None:
    read_tables(rig, data)


@fuzz
@given(documents({"files": {"a": "0"}}))
def test_the_record_of_a_finished_step(rig: Rig, data: bytes) -> None:
    read_record(rig, data)


@fuzz
@given(st.one_of(*(damaged(picture) for picture in PICTURES)))
def test_a_picture(rig: Rig, data: bytes) -> None:
    read_pictures(rig, data)


@fuzz
@given(st.one_of(*(damaged(picture) for picture in PICTURES)))
def test_a_pictures_metadata(rig: Rig, data: bytes) -> None:
    read_metadata(rig, data)


@fuzz
@given(damaged(DATA_YAML) | damaged(LIST))
def test_what_names_pictures(rig: Rig, data: bytes) -> None:
    read_sets(rig, data)


@given(st.sampled_from(SEEDS).flatmap(damaged))
def test_a_damaged_onnx_file(rig: Rig, data: bytes) -> None:
    """Case 27, and rows 3 and 5 of what was found by reading."""
    read_onnx(rig, data)


@fuzz
@given(random_models())
def test_an_onnx_graph_of_anything(rig: Rig, data: bytes) -> None:
    """Cases 11, 12 and 18: operators of all opsets, put together at random."""
    read_onnx(rig, data)


@fuzz
@given(st.sampled_from(TORCH).flatmap(damaged))
def test_a_torch_archive(rig: Rig, data: bytes) -> None:
    """Row 13 of what was found by reading: this and the next ones were not fuzzed."""
    read_torch(rig, data)


@fuzz
@example(b"\x80\x02" + b"(" * 100_000)
@given(st.sampled_from(PICKLES).flatmap(damaged))
def test_a_pickle_in_a_torch_archive(rig: Rig, data: bytes) -> None:
    read_saved(rig, data)


@fuzz
@example(b"[" * 100_000)
@given(
    damaged(TORCHSCRIPT_CONFIG)
    | documents({"task": "detect", "imgsz": [64, 64], "names": {"0": "a"}, "stride": 32})
)
def test_the_metadata_of_a_torchscript_archive(rig: Rig, data: bytes) -> None:
    read_scripted(rig, data)


@fuzz
@given(damaged(TFLITE))
def test_a_tflite_file(rig: Rig, data: bytes) -> None:
    read_tflite_file(rig, data)


@fuzz
@example(b"layer { " * 20_000)
@given(damaged(CAFFE_TEXT))
def test_a_caffe_network(rig: Rig, data: bytes) -> None:
    read_caffe_files(rig, data)


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
    damaged(SETTINGS) | st.builds(toml, _tables, _keys, scalars | st.lists(scalars)),
    st.dictionaries(
        _keys.map(lambda key: f"RECAM_{key.upper()}")
        | st.sampled_from(("RECAM_CAMERA", "RECAM_CONVERT_MEAN", "RECAM_CONVERT_IMGSZ")),
        st.text(max_size=20),
        max_size=2,
    ),
)
def test_a_settings_file_and_the_environment(
    rig: Rig, data: bytes, environment: dict[str, str]
) -> None:
    read_settings(rig, data, environment)
