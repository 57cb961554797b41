"""What the camera says of its models is read strictly, and the right one is chosen."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json

import pytest
from camera_facts import FACTS
from hypothesis import given
from hypothesis import strategies as st

from recam_deploy.camera.deployment import matching_bytes
from recam_deploy.camera.history import History, HistoryEntry, parse_history
from recam_deploy.camera.model_info import entry_id
from recam_deploy.errors import CameraError, InputError, RecamError
from recam_deploy.measured import Measured

A, B, INFO = "a" * 64, "b" * 64, "c" * 64
SAID = f"""
N entry=00000001-aaaaaaaaaaaa {A}
N info={INFO}
{{"model_name": "first", "classes": ["x", 3]}}
N entry=00000002-bbbbbbbbbbbb {B}

N end
"""
ACTIVE = dataclasses.replace(
    FACTS,
    active_sha256="d" * 64,
    info_sha256=INFO,
    info='{"model_name": "now", "classes": ["y"]}',
    record=f'{{"id": "{entry_id("d" * 64, INFO)}", "by": "anna@desk"}}',
)


def read() -> History:
    return parse_history(SAID, "N", ACTIVE)


def test_the_active_model_comes_first_and_the_rest_newest_first() -> None:
    history = read()
    assert history.active == entry_id("d" * 64, INFO)
    assert [entry.name for entry in history.entries] == ["now", "", "first"]
    assert [entry.labels for entry in history.entries] == [("y",), (), ("x", "3")]
    assert [entry.info_sha256 for entry in history.entries] == [INFO, None, INFO]
    assert history.by == "anna@desk"
    assert set(history.as_json()) == {"active", "entries"}
    keys = {"id", "sha256", "name", "labels", "accuracy"}
    assert set(history.as_json()["entries"][0]) == keys


def test_a_record_of_another_model_is_not_believed() -> None:
    other = dataclasses.replace(ACTIVE, record='{"id": "0", "by": "anna@desk"}')
    assert parse_history(SAID, "N", other).by == ""


def test_one_is_chosen_by_its_beginning_and_the_last_without_one() -> None:
    history = read()
    assert history.choose(None).id == "b" * 12
    assert history.choose("aaa").id == "a" * 12
    with pytest.raises(InputError, match="is not on the camera; kept are b{12}, a{12}"):
        history.choose("feed")
    with pytest.raises(InputError, match="is not on the camera"):
        history.choose("")


@pytest.mark.parametrize("length", range(0, len(SAID) - 1, 9))
def test_an_answer_cut_short_is_refused(length: int) -> None:
    with pytest.raises(CameraError, match="incomplete"):
        parse_history(SAID[:length], "N", ACTIVE)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for said in (text, SAID.replace("00000001", text), SAID.replace('"first"', text)):
        with contextlib.suppress(RecamError):
            parse_history(said, "N", ACTIVE)


def told(data: bytes, piece: int) -> str:
    parts = [data[i : i + piece] for i in range(0, len(data), piece)]
    return "\n".join([str(len(data)), *(hashlib.sha256(part).hexdigest() for part in parts)])


@given(st.binary(max_size=40), st.binary(max_size=60), st.integers(1, 9))
def test_only_bytes_that_are_the_same_are_gone_on_with(
    there: bytes, model: bytes, piece: int
) -> None:
    agreed = matching_bytes(told(there, piece), model, piece)
    assert there[:agreed] == model[:agreed]
    assert agreed <= min(len(there), len(model))
    whole = matching_bytes(told(model[: len(model) // 2], piece), model, piece)
    assert whole == len(model) // 2


@given(st.text())
def test_pieces_that_make_no_sense_agree_in_nothing(said: str) -> None:
    assert matching_bytes(said, b"model", 3) == 0


@pytest.mark.parametrize(
    ("info", "size", "found"),
    [
        (
            '{"author": "recam-deploy", "description": "yolo11-pose int8 cv181x rejected"}',
            " 1234",
            ("yolo11-pose", True, 1234),
        ),
        ('{"author": "recam-deploy", "description": "raw bf16"}', " 7", ("raw", False, 7)),
        ('{"author": "Seeed", "description": "raw rejected"}', "", ("", False, 0)),
        ('{"author": "recam-deploy", "description": "rejected"}', " x", ("", True, 0)),
        ('{"author": "recam-deploy", "description": ["raw"]}', " -1", ("", False, 0)),
        ("[" * 5000, "", ("", False, 0)),
    ],
)
def test_family_size_and_rejection_come_with_each_model(
    info: str, size: str, found: tuple[str, bool, int]
) -> None:
    said = f"\nN entry=00000001-aaaaaaaaaaaa {A}{size}\nN info={INFO}\n{info}\n\nN end\n"
    entry = parse_history(said, "N", ACTIVE).entries[1]
    assert (entry.family, entry.rejected, entry.size) == found


def kept_with(info: str) -> HistoryEntry:
    said = f"\nN entry=00000001-aaaaaaaaaaaa {A}\nN info={INFO}\n{info}\n\nN end\n"
    return parse_history(said, "N", ACTIVE).entries[1]


def test_what_an_evaluation_measured_is_on_the_camera_and_comes_back() -> None:
    words = "yolo11-detect int8 cv181x " + Measured("mAP50-95", 0.8469, 0.8416).words()
    info = json.dumps({"author": "recam-deploy", "description": words})
    entry = kept_with(info)
    accuracy = entry.accuracy
    assert accuracy is not None
    assert accuracy.as_json() == {
        "figure": "mAP50-95",
        "float": 0.8469,
        "cvimodel": 0.8416,
        "lost": 0.0053,
    }
    assert entry.as_json()["accuracy"] == accuracy.as_json()


def test_another_programs_words_are_no_accuracy() -> None:
    info = json.dumps({"author": "Seeed", "description": "mAP50 0.9000 (float 0.9000)"})
    entry = kept_with(info)
    assert entry.accuracy is None
