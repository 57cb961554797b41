"""What holds of tracks in scenes of our own making."""

from __future__ import annotations

import itertools
import math

import pytest
from virtual.sscma.results import Box
from virtual.sscma_node.tracker import Tracker


def at(x: float, score: float = 0.9, target: int = 0, size: float = 0.2) -> Box:
    return Box(x, 0.5, size, size, score, target)


@pytest.fixture
def tracker() -> Tracker:
    return Tracker()


def numbers(tracker: Tracker, *boxes: Box) -> list[int]:
    return [number for number, _ in tracker.update(boxes)]


def test_objects_keep_their_numbers_while_they_move(tracker: Tracker) -> None:
    assert numbers(tracker, at(0.2), at(0.8)) == [1, 2]
    for step in range(1, 8):
        assert numbers(tracker, at(0.8 - 0.02 * step), at(0.2 + 0.02 * step)) == [1, 2]


def test_a_new_object_counts_from_its_second_picture(tracker: Tracker) -> None:
    tracker.update([])
    assert numbers(tracker, at(0.5)) == []
    assert numbers(tracker, at(0.5)) == [1]


def test_an_object_seen_once_only_never_counts_and_uses_up_a_number(tracker: Tracker) -> None:
    assert numbers(tracker, at(0.2)) == [1]
    assert numbers(tracker, at(0.2), at(0.8)) == [1]
    assert numbers(tracker, at(0.2)) == [1]
    assert numbers(tracker, at(0.2), at(0.8)) == [1]
    assert numbers(tracker, at(0.2), at(0.8)) == [1, 3]


@pytest.mark.parametrize("score", [0.3, 0.55])
def test_an_uncertain_box_keeps_an_object_but_makes_none(tracker: Tracker, score: float) -> None:
    assert numbers(tracker, at(0.5), at(0.1, score=score)) == [1]
    for _ in range(3):
        assert numbers(tracker, at(0.5, score=score), at(0.1, score=score)) == [1]


def test_class_and_label_are_those_of_the_first_box_and_the_score_is_the_last(
    tracker: Tracker,
) -> None:
    tracker.update([at(0.5, target=2)])
    ((_, box),) = tracker.update([at(0.5, target=1, score=0.7)])
    assert (box.target, box.score) == (2, 0.7)


@pytest.mark.parametrize(("missing", "number"), [(1, 1), (10, 1), (11, 1), (12, 2), (20, 2)])
def test_an_object_may_be_missing_for_eleven_pictures(
    tracker: Tracker, missing: int, number: int
) -> None:
    for _ in range(3):
        assert numbers(tracker, at(0.5)) == [1]
    for _ in range(missing):
        assert numbers(tracker) == []
    tracker.update([at(0.5)])
    assert numbers(tracker, at(0.5)) == [number]


def test_a_still_object_grows_a_little_because_its_height_is_expected_to(tracker: Tracker) -> None:
    heights = [tracker.update([at(0.5)])[0][1].h for _ in range(5)]
    assert heights[0] == pytest.approx(0.2, abs=1e-7)
    assert all(0.2 < height < 0.201 for height in heights[1:])


def test_a_box_lags_behind_an_object_that_starts_to_move(tracker: Tracker) -> None:
    for _ in range(5):
        tracker.update([at(0.2)])
    ((_, box),) = tracker.update([at(0.26)])
    assert 0.2 < box.x < 0.26


def test_numbers_go_on_when_tracks_are_cleared_and_for_another_tracker() -> None:
    count = itertools.count(1)
    tracker = Tracker(count)
    assert numbers(tracker, at(0.2), at(0.8)) == [1, 2]
    tracker.clear()
    assert numbers(tracker, at(0.2)) == [3]  # at once: it is the first picture again
    assert numbers(Tracker(count), at(0.2)) == [4]


def test_overlap_takes_the_centre_for_a_corner_and_adds_a_thousandth(tracker: Tracker) -> None:
    # By its centre the second box does not touch the first one; taken for corners they overlap.
    small = Box(0.5, 0.5, 0.1, 0.1, 0.9, 0)
    large = Box(0.505, 0.505, 0.09, 0.09, 0.9, 0)
    tracker.update([small])
    assert numbers(tracker, large) == [1]
    # Two points of a thousandth are one apart: without the added one they would not overlap.
    points = Tracker()
    points.update([Box(0.5, 0.5, 0.001, 0.001, 0.9, 0)])
    assert numbers(points, Box(0.501, 0.5, 0.001, 0.001, 0.9, 0)) == [1]


def test_boxes_are_given_out_at_the_least_distance_of_all_together(tracker: Tracker) -> None:
    # The best single pair is (track 1, left box), but then track 2 gets none.
    tracker.update([at(0.40), at(0.50)])
    ((_, first), (_, second)) = tracker.update([at(0.42), at(0.36)])
    assert first.x < second.x


@pytest.mark.parametrize(
    "box",
    [
        Box(0.5, 0.5, 0.0, 0.2, 0.9, 0),
        Box(0.5, 0.5, 0.2, 0.0, 0.9, 0),
        Box(0.5, 0.5, -0.2, -0.2, 0.9, 0),
        Box(math.nan, 0.5, 0.2, 0.2, 0.9, 0),
        Box(0.5, 0.5, math.inf, 0.2, 0.9, 0),
        Box(3e38, 0.5, 0.2, 3e38, 0.9, 0),
    ],
)
def test_a_box_of_no_size_or_place_harms_no_other(tracker: Tracker, box: Box) -> None:
    for _ in range(4):
        tracks = dict(tracker.update([at(0.5), box]))
        assert tracks[1].x == pytest.approx(0.5, abs=1e-3)
