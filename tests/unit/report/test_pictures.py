"""Pictures fit a phone, and what differs is marked without colours."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from recam_deploy.detection.match import Pairing
from recam_deploy.report.pictures import draw_pair

from .comparisons import HOSTILE, found


def opened(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg))


@pytest.mark.parametrize("size", [(4000, 3000), (640, 480), (100, 9000), (9000, 40), (1, 1)])
def test_both_pictures_are_of_one_size_that_fits(size: tuple[int, int]) -> None:
    left, right = draw_pair(Image.new("RGB", size), Pairing())
    assert opened(left).format == opened(right).format == "JPEG"
    assert opened(left).size == opened(right).size
    width, height = opened(left).size
    assert 1 <= width <= 640
    assert 1 <= height <= 960


def test_what_was_missed_is_marked_on_the_left_and_what_is_extra_on_the_right() -> None:
    picture, plain = (
        Image.new("RGB", (64, 48), "green"),
        draw_pair(Image.new("RGB", (64, 48), "green"), Pairing()),
    )
    missed = draw_pair(picture, Pairing(missed=(found("a", 0.9),)))
    extra = draw_pair(picture, Pairing(extra=(found("a", 0.9),)))
    assert missed[0] != plain[0]
    assert missed[1] == plain[1]
    assert extra[0] == plain[0]
    assert extra[1] != plain[1]


def test_a_mark_differs_from_a_match_by_black_and_white_dashes() -> None:
    picture, detection = Image.new("RGB", (320, 240), "green"), found("a", 0.9)
    detection = found("a", 0.9, box=(80.0, 80.0, 200.0, 200.0))
    matched = draw_pair(picture, Pairing(matched=((detection, detection),)))[0]
    missed = draw_pair(picture, Pairing(missed=(detection,)))[0]

    def nearly_white(jpeg: bytes) -> int:
        return int((np.asarray(opened(jpeg)).min(axis=2) > 220).sum())

    assert nearly_white(matched) == 0
    assert nearly_white(missed) > 500


@pytest.mark.parametrize("label", HOSTILE, ids=range(len(HOSTILE)))
def test_any_label_can_be_drawn(label: str) -> None:
    whole = found(label, 0.9, box=(0.0, 0.0, 48.0, 32.0))
    tiny = found(label, 0.9, box=(47.5, 31.5, 48.0, 32.0))
    left, right = draw_pair(
        Image.new("RGB", (48, 32)), Pairing(((whole, whole),), (), (tiny, whole), (tiny,))
    )
    assert opened(left).size == opened(right).size == (144, 96)
