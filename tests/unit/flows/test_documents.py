"""What is taken for a flow, and what is refused before it is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recam_deploy.errors import FlowError
from recam_deploy.flows.document import (
    SIZE_LIMIT,
    canonical,
    check_own,
    parse_document,
    read_document,
    same,
)

TAB = {"id": "t", "type": "tab"}
WRONG: list[tuple[Any, str]] = [
    ({}, "not a list"),
    ("text", "not a list"),
    ([1], "node 1 is not an object"),
    ([TAB, {"type": "debug"}], "node 2 (debug) has no usable `id`"),
    ([{"id": "a"}], "no usable `type`"),
    ([{"id": "a b", "type": "debug"}], "`id` that Node-RED cannot use"),
    ([{"id": "constructor", "type": "debug"}], "`id` that Node-RED cannot use"),
    ([{"id": "a", "type": "debug", "wires": "b"}], "`wires`"),
    ([{"id": "a", "type": "debug", "wires": [["b", 1]]}], "`wires`"),
    ([{"id": "a", "type": "debug", "z": 1}], "`z` that is not text"),
    ([{"id": "a", "type": "model", "classes": ["b"]}], "`classes` that is not text"),
    ([{"id": "a", "type": "model", "splitter": None}], "`splitter` that is not text"),
    ([{"id": "a", "type": "link in", "links": {}}], "`links`"),
    ([{"id": "a", "type": "tab", "env": {}}], "`env`"),
    ([{"id": "a", "type": "debug", "deep": {"__proto__": 1}}], "`__proto__`"),
]


@pytest.mark.parametrize(("value", "problem"), WRONG, ids=[problem for _, problem in WRONG])
def test_a_malformed_document_is_refused_with_the_first_thing_wrong(
    value: Any, problem: str
) -> None:
    with pytest.raises(FlowError) as caught:
        parse_document(json.dumps(value), "it")
    assert problem in caught.value.message
    assert caught.value.hint


OWN: list[tuple[list[dict[str, Any]], str]] = [
    ([], "no nodes"),
    ([TAB, TAB], "'t' occurs twice"),
    ([{"id": "a", "type": "debug", "wires": [["b"]]}], "wired to 'b', which is missing"),
    ([{"id": "a", "type": "debug", "z": "b"}], "lies on 'b', which is no tab"),
    ([{"id": "a", "type": "camera"}, {"id": "b", "type": "camera"}], "more than one camera"),
]


@pytest.mark.parametrize(("nodes", "problem"), OWN, ids=[problem for _, problem in OWN])
def test_a_flow_to_be_added_must_be_whole(nodes: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(FlowError, match=problem):
        check_own(nodes, "it")


@pytest.mark.parametrize("text", ["", "{", "[NaN]", "[" * 100_000, '[{"id": 1e999}]', "\ufeff[]"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(FlowError, match="is not JSON"):
        parse_document(text, "it")


def test_the_editors_export_and_the_admin_apis_document_are_both_taken() -> None:
    assert parse_document(json.dumps([TAB]), "it") == (TAB,)
    assert parse_document(json.dumps({"flows": [TAB], "rev": "x"}), "it") == (TAB,)


def test_a_file_is_refused_by_its_size_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flow.json"
    with path.open("wb") as file:
        file.truncate(SIZE_LIMIT + 1)
    with pytest.raises(FlowError, match="accepts at most"):
        read_document(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flow.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(FlowError, match="not UTF-8"):
        read_document(path)
    with pytest.raises(FlowError, match="cannot be read"):
        read_document(tmp_path)


def test_numbers_are_those_of_javascript() -> None:
    """1.0 comes back from Node-RED as 1, and 2**53 + 1 as 2**53."""
    (node,) = parse_document('[{"id":"a","type":"b","n":[1.0,-0.0,9007199254740993]}]', "it")
    assert canonical(node["n"]) == b"[1,0,9007199254740992.0]"


def test_one_and_true_are_not_the_same() -> None:
    assert not same({"a": 1}, {"a": True})
    assert same({"a": [1, None]}, {"a": [1, None]})


@given(st.text() | st.from_regex(r"\[(\{.*\},?)*\]", fullmatch=True))
def test_any_text_gives_nodes_or_one_clear_error(text: str) -> None:
    try:
        nodes = parse_document(text, "it")
    except FlowError as error:
        assert error.hint
    else:
        assert all(isinstance(node["id"], str) for node in nodes)
