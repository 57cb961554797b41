"""What events are made of: pixels, outlines, labels, tracks and counts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from virtual.sscma.families import DECODERS
from virtual.sscma.results import Box, Label, Pose, Segment
from virtual.sscma_node import messages
from virtual.sscma_node.contours import longest_outline
from virtual.sscma_node.counter import FORGET_AFTER, Counter
from virtual.sscma_node.events import OUTPUT_OF, View, label_of
from virtual.sscma_node.messages import Code, Kind, NodeError
from virtual.sscma_node.tracker import Tracker

BOX = Box(0.5, 0.25, 0.1, 0.2, 0.939, 3)


def mask(*rows: str) -> NDArray[np.bool_]:
    return np.array([[cell == "#" for cell in row] for row in rows])


def test_every_family_that_is_decoded_has_its_place_in_an_event() -> None:
    assert set(OUTPUT_OF) == set(DECODERS)


def test_boxes_are_whole_pixels_and_scores_percent_cut_not_rounded() -> None:
    assert View(640, 640).result(BOX) == [320, 160, 64, 128, 93, 3]
    assert View(99, 99).result(BOX) == [49, 24, 9, 19, 93, 3]


@pytest.mark.parametrize(
    ("view", "centre"), [(View(640, 320), [320, 0]), (View(320, 640), [160, 160])]
)
def test_a_picture_that_is_not_square_lies_in_the_middle_of_the_models_square(
    view: View, centre: list[int]
) -> None:
    assert view.result(BOX)[:4] == [*centre, 64, 128]


def test_numbers_out_of_range_do_not_end_the_service() -> None:
    wild = Box(float("nan"), 1e9, -1e9, float("inf"), 1e9, 0)
    assert View(640, 640).result(wild) == [0, 32767, -32768, 32767, 127, 0]


def test_a_class_is_its_score_and_number() -> None:
    assert View(640, 640).result(Label(0.758, 4)) == [75, 4]


def test_keypoints_follow_their_box_with_how_visible_they_are() -> None:
    pose = Pose(BOX, ((0.5, 0.5), (0.25, 0.75)), (0.999, -0.5))
    assert View(640, 640).result(pose) == [
        [320, 160, 64, 128, 93, 3],
        [[320, 320, 99], [160, 480, -50]],
    ]


def test_a_mask_is_the_corners_of_its_outline_in_pixels() -> None:
    segment = Segment(BOX, mask("....", ".##.", ".##.", "...."))
    assert View(640, 640).result(segment) == [
        [320, 160, 64, 128, 93, 3],
        [160, 160, 160, 320, 320, 320, 320, 160],
    ]
    assert View(640, 640).result(Segment(BOX, mask("..", "..")))[1] == []


@pytest.mark.parametrize(
    ("rows", "outline"),
    [
        (("#",), [(0, 0)]),
        (("....", ".##.", ".##.", "...."), [(1, 1), (1, 2), (2, 2), (2, 1)]),
        (
            ("##.##", "#####", "..#.."),
            [(0, 0), (0, 1), (1, 1), (2, 2), (3, 1), (4, 1), (4, 0), (3, 0), (2, 1), (1, 0)],
        ),
        (("#####", "#...#", "#.#.#", "#...#", "#####"), [(0, 0), (0, 4), (4, 4), (4, 0)]),
        (("#....", "##...", "###.#", "##..#"), [(0, 0), (0, 3), (1, 3), (2, 2)]),
        ((".#.", "#.#", ".#."), [(1, 0), (0, 1), (1, 2), (2, 1)]),
        (("######", "##....", "#....."), [(0, 0), (0, 2), (2, 0), (5, 0)]),
    ],
)
def test_outlines_are_those_of_opencv(
    rows: tuple[str, ...], outline: list[tuple[int, int]]
) -> None:
    # Expected: cv2.findContours(..., RETR_EXTERNAL, CHAIN_APPROX_SIMPLE), the longest.
    assert longest_outline(mask(*rows)) == outline


def test_a_class_without_a_name_is_not_available() -> None:
    assert [label_of(n, ["a"]) for n in (0, 1, -1)] == ["a", "N/A-1", "N/A--1"]


def at(x: float, score: float = 0.9, target: int = 0) -> Box:
    return Box(x, 0.5, 0.2, 0.2, score, target)


def numbers(tracker: Tracker, *boxes: Box) -> list[int]:
    return [number for number, _ in tracker.update(boxes)]


def test_an_object_keeps_its_number_while_it_moves() -> None:
    tracker = Tracker()
    assert numbers(tracker, at(0.2), at(0.8)) == [1, 2]
    assert numbers(tracker, at(0.75), at(0.25)) == [1, 2]
    assert [box.x for _, box in tracker.update([at(0.7), at(0.3)])] == [0.3, 0.7]


def test_a_new_object_counts_from_its_second_picture() -> None:
    tracker = Tracker()
    tracker.update([])
    assert numbers(tracker, at(0.5)) == []
    assert numbers(tracker, at(0.5)) == [1]


def test_an_uncertain_box_keeps_an_object_but_makes_none() -> None:
    tracker = Tracker()
    assert numbers(tracker, at(0.5), at(0.1, score=0.3)) == [1]
    assert numbers(tracker, at(0.5, score=0.3), at(0.1, score=0.3)) == [1]


def test_a_lost_object_is_found_again_for_a_while() -> None:
    tracker = Tracker()
    tracker.update([at(0.5)])
    for _ in range(5):
        assert numbers(tracker) == []
    assert numbers(tracker, at(0.5)) == [1]
    for _ in range(20):
        tracker.update([])
    tracker.update([at(0.5)])
    assert numbers(tracker, at(0.5)) == [2]


def test_crossing_the_line_is_counted_by_direction() -> None:
    counter = Counter()
    counter.split([50, 0, 50, 100])
    counter.update(1, 20, 50)  # left of a line that runs down: side B
    counter.update(2, 80, 50)
    assert counter.counts() == [1, 1, 0, 0]
    counter.update(1, 60, 50)
    assert counter.counts() == [2, 0, 1, 0]
    counter.update(2, 40, 50)
    assert counter.counts() == [1, 1, 1, 1]
    counter.clear()
    assert counter.counts() == [0, 0, 0, 0]


def test_an_object_long_unseen_is_on_no_side() -> None:
    counter = Counter()
    counter.split([50, 0, 50, 100])
    counter.update(1, 20, 50)
    for _ in range(FORGET_AFTER):
        counter.update(None, 0, 0)
    assert counter.counts() == [0, 0, 0, 0]


def test_a_line_of_too_few_numbers_is_no_line() -> None:
    counter = Counter()
    counter.split([1, 2, 3])
    assert counter.splitter == [0, 0, 0, 0]


def test_messages_are_written_as_the_camera_writes_them() -> None:
    assert messages.encode(Kind.RESPONSE, "create", "", Code.EXISTS) == (
        b'{"code":11,"data":"","name":"create","type":0}'
    )


@pytest.mark.parametrize(
    ("read", "value", "wanted", "got"),
    [
        (messages.number, None, "number", "null"),
        (messages.number, True, "number", "boolean"),
        (messages.flag, "true", "boolean", "string"),
        (messages.text, [], "string", "array"),
        (messages.text, {}, "string", "object"),
        (messages.flag, 1, "boolean", "number"),
    ],
)
def test_a_setting_of_another_type_is_refused_in_the_cameras_words(
    read: Any, value: Any, wanted: str, got: str
) -> None:
    with pytest.raises(NodeError) as refused:
        read(json.loads(json.dumps({"key": value})), "key", None)
    assert refused.value.code is Code.INVALID
    assert refused.value.text == (
        f"[json.exception.type_error.302] type must be {wanted}, but is {got}"
    )
