"""What `sscma-model` prints is read, whatever stands between."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recam_deploy.camera.smoke_test.output import (
    RawBox,
    SmokeTimings,
    explain_failure,
    parse_output,
)
from recam_deploy.errors import RecamError, SmokeTestError

BOX = "x: 0.493750, y: 0.446875, w: 0.731250, h: 0.468750, score: 0.932000, target: 5"
BUS = RawBox(0.49375, 0.446875, 0.73125, 0.46875, 0.932, 5)
TIMES = "pre: 5ms, infer: 61ms, post: 3ms"


@pytest.mark.parametrize("line", [BOX, BOX.replace(", target", " target")])
def test_both_builds_lines_are_read(line: str) -> None:
    assert parse_output(f"{line}\n").boxes == (BUS,)


def test_noise_line_ends_and_timings_on_either_stream_do_not_matter() -> None:
    noise = "\x1b[32m[I][main] engine load model /x: 1\x1b[0m\r\n"
    said = parse_output(f"{noise}{BOX}\r\nversion: 1.4.0\r\n{BOX}", f"I main {TIMES}\n")
    assert said.boxes == (BUS, BUS)
    assert said.timings == SmokeTimings(5, 61, 3)
    assert parse_output(f"{noise}[INFO] {TIMES}\n").timings == SmokeTimings(5, 61, 3)


def test_a_log_line_without_its_line_end_does_not_hide_a_detection() -> None:
    assert parse_output(f"loading 100% {BOX}").boxes == (BUS,)


def test_nothing_found_is_no_error() -> None:
    said = parse_output(f"{TIMES}\n")
    assert (said.boxes, said.classes) == ((), ())
    assert parse_output("").timings is None


def test_classes_are_read_and_not_taken_for_boxes() -> None:
    said = parse_output("score: 0.897000 target: 1\nscore: 0.050000, target: 0\n")
    assert [(c.class_id, c.score) for c in said.classes] == [(1, 0.897), (0, 0.05)]
    assert said.boxes == ()


def test_keypoints_belong_to_the_box_before_them() -> None:
    said = parse_output(f"x: 0.9, y: 0.9\n{BOX}\nx: 0.1, y: 0.2\nx: 0.3, y: 0.4\n{BOX}\n")
    assert [box.keypoints for box in said.boxes] == [((0.1, 0.2), (0.3, 0.4)), ()]


def test_odd_but_finite_numbers_are_kept() -> None:
    line = "x: -0.01, y: 1.5e-01, w: .5, h: 1., score: 1.2, target: 0"
    assert parse_output(line).boxes == (RawBox(-0.01, 0.15, 0.5, 1.0, 1.2, 0),)


@pytest.mark.parametrize(("old", "new"), [("0.493750", "nan"), ("0.932000", "-inf"), ("5", "-1")])
def test_numbers_that_make_no_sense_are_an_error(old: str, new: str) -> None:
    head, _, tail = BOX.rpartition(old)
    with pytest.raises(SmokeTestError, match="an invalid detection"):
        parse_output(head + new + tail)


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (1, "E model not supported", "does not support this model"),
        (1, "engine load model failed", "could not load the model"),
        (1, "engine init failed", "TPU could not be started"),
        (1, "read image failed", "could not read the picture"),
        (134, "Assertion failed: p (cvi_device_mem.cpp: device_init: 62)", "use the TPU"),
        (127, "Error loading shared library libae.so: No such file", "needs the library libae.so"),
        (
            127,
            "x: error while loading shared libraries: libae.so.1: cannot open",
            "needs the library libae.so.1,",
        ),
        (127, "env: '/home/recamera/sscma-model': No such file", "cannot be started"),
        (139, "", "crashed"),
        (-1, "", "crashed"),
        (255, "Usage:\n  ./x cvimodel", r"exit status 255: Usage: \| ./x cvimodel"),
        (3, "", "printed nothing"),
    ],
)
def test_failures_are_explained(status: int, text: str, message: str) -> None:
    for streams in ((text, ""), ("", text), ("other\n" * bool(text), text)):
        error = explain_failure(status, *streams)
        with pytest.raises(SmokeTestError, match=message):
            raise error
        assert error.hint


PIECES = st.sampled_from(
    [*BOX.split(), BOX, TIMES, "\n", "\r", "\0", "x: ", "score: ", "nan", "9" * 5000, "1e999"]
)


@settings(max_examples=500)
@given(st.lists(st.one_of(PIECES, st.text()), max_size=30), st.text(), st.integers(-1, 255))
def test_any_output_is_read_or_refused(pieces: list[str], stderr: str, status: int) -> None:
    said = " ".join(pieces)
    with contextlib.suppress(RecamError):
        parse_output(said, stderr)
    assert explain_failure(status, said, stderr).message


def test_colours_of_the_log_are_not_repeated() -> None:
    error = explain_failure(1, "\x1b[31mE something new\x1b[0m\r\n", "")
    assert error.message.endswith(": E something new")
