"""What a camera says, however malformed: understood or refused, never a crash, never endless."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st
from malformed import damaged, documents, fuzz
from readers import (
    CHUNKED,
    CREATED,
    DEVICE,
    EVENT,
    FACTS,
    FLOWS,
    ION,
    NODES,
    PRINTED,
    RAW_REPORT,
    answered,
    read_event,
    read_facts,
    read_ion,
    read_node_red,
    read_output,
    read_raw_report,
    read_reply,
    read_web_api,
)
from rig import Rig

from recam_deploy.live.events import MESSAGE_LIMIT, parse_message


@fuzz
@given(damaged(PRINTED), damaged(PRINTED), st.integers(-1, 255))
def test_what_sscma_model_prints(rig: Rig, stdout: bytes, stderr: bytes, status: int) -> None:
    read_output(rig, stdout, stderr, status)


@fuzz
@example(json.dumps(RAW_REPORT).encode(), 0)
@given(documents(RAW_REPORT), st.integers(0, 1))
def test_what_tpu_run_reports(rig: Rig, text: bytes, status: int) -> None:
    read_raw_report(rig, text, status)


@fuzz
@example(b'{"name": "invoke", "code": 0, "data": {"boxes": [[1%s, 1, 1, 1, 1, 1]]}}' % (b"0" * 400))
@given(documents(EVENT) | documents(CREATED))
def test_live_events(rig: Rig, payload: bytes) -> None:
    read_event(rig, payload)


def test_an_endless_live_event_is_not_read() -> None:
    assert parse_message(b"0" * (MESSAGE_LIMIT + 1)) is None


@fuzz
@given(damaged(FACTS), damaged(ION))
def test_the_doctors_facts(rig: Rig, data: bytes, ion: bytes) -> None:
    read_facts(rig, data)
    read_ion(rig, ion)


@fuzz
@given(damaged(answered(b'{"code": 0}')) | damaged(CHUNKED))
def test_http_replies(rig: Rig, answer: bytes) -> None:
    read_reply(rig, answer)


@fuzz
@given(documents(DEVICE))
def test_the_web_api(rig: Rig, body: bytes) -> None:
    read_web_api(rig, body)


@fuzz
@example(b'[{"types": 1, "enabled": true}]')
@given(documents(FLOWS) | documents(NODES))
def test_node_red(rig: Rig, body: bytes) -> None:
    read_node_red(rig, body)
