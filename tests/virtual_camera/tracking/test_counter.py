"""Counting tracked objects that cross a line."""

from __future__ import annotations

import math
from typing import Any

import pytest
from virtual.sscma.results import Box
from virtual.sscma_node.counter import FORGET_AFTER, Counter, place_of
from virtual.sscma_node.messages import short

from ..model_node import Service, detector

DOWN_THE_MIDDLE = [50, 0, 50, 100]


@pytest.fixture
def counter() -> Counter:
    counter = Counter()
    counter.split(DOWN_THE_MIDDLE)
    return counter


def test_crossing_the_line_is_counted_by_direction(counter: Counter) -> None:
    counter.update(1, 20, 50)  # left of a line that runs down: side B
    counter.update(2, 80, 50)
    assert counter.counts() == [1, 1, 0, 0]
    counter.update(1, 60, 50)
    assert counter.counts() == [2, 0, 1, 0]
    counter.update(2, 40, 50)
    assert counter.counts() == [1, 1, 1, 1]
    counter.clear()
    assert counter.counts() == [0, 0, 0, 0]


def test_an_object_that_stops_on_the_line_has_not_crossed_it(counter: Counter) -> None:
    for x in (40, 50, 60):
        counter.update(1, x, 50)
    assert counter.counts() == [1, 0, 0, 0]


def test_an_object_long_unseen_is_on_no_side(counter: Counter) -> None:
    counter.update(1, 20, 50)
    for _ in range(FORGET_AFTER - 1):
        assert counter.counts() == [0, 1, 0, 0]
        counter.update(None, 0, 0)
    counter.update(None, 0, 0)
    assert counter.counts() == [0, 0, 0, 0]


def test_a_line_of_too_few_numbers_is_no_line() -> None:
    counter = Counter()
    counter.split([1, 2, 3])
    assert counter.splitter == [0, 0, 0, 0]


@pytest.mark.parametrize(("x", "percent"), [(0.29, 29), (0.57, 57), (0.58, 58), (0.999, 99)])
def test_places_are_percent_in_single_precision_cut_not_rounded(x: float, percent: int) -> None:
    assert place_of(Box(x, 1 - x, 0.1, 0.1, 0.9, 0))[0] == percent


@pytest.mark.parametrize(
    ("value", "as_short"),
    [
        (-0.9, 0),
        (32767.9, 32767),
        (32768.0, -32768),
        (40000.0, -25536),
        (1e30, -1),
        (-1e30, 0),
        (math.nan, -1),
        (65537, 1),
        (2**40 + 5, 5),
        (True, 1),
    ],
)
def test_numbers_beyond_16_bits_wrap_as_on_risc_v(value: float, as_short: int) -> None:
    assert short(value) == as_short


def test_a_line_of_extremes_is_multiplied_in_32_bits(counter: Counter) -> None:
    counter.split([-32768, -32768, 0, 32767])
    counter.update(1, 32767, -32768)  # 65535 * 65535 is too much for 32 bits: the sign turns
    assert counter.counts() == [0, 1, 0, 0]


async def test_counting_follows_the_tracks_boxes_and_not_what_was_found(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Still at 40 %, then at 53 %: the track lags, and has not crossed the line yet.
    places = [0.40] * 6 + [0.53] * 6
    pictures = [[Box(x, 0.5, 0.2, 0.2, 0.9, 0)] for x in places]
    config: dict[str, Any] = {"trace": True, "counting": True, "splitter": DOWN_THE_MIDDLE}
    await service.create(monkeypatch, detector(monkeypatch, pictures), **config)
    counts = [(await service.frame())["counts"] for _ in pictures]
    assert counts[6] == [0, 1, 0, 0]
    assert counts[-1] == [1, 0, 1, 0]


async def test_without_tracking_nothing_is_counted(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [[Box(x, 0.5, 0.2, 0.2, 0.9, 0)] for x in (0.3, 0.7)]
    config: dict[str, Any] = {"counting": True, "splitter": DOWN_THE_MIDDLE}
    await service.create(monkeypatch, detector(monkeypatch, pictures), **config)
    data = [await service.frame() for _ in pictures]
    assert [each["counts"] for each in data] == [[0, 0, 0, 0]] * 2
    assert data[0]["lines"] == [DOWN_THE_MIDDLE]
    assert "tracks" not in data[0]
