"""Resizing agrees with OpenCV's, whose results stand here as checksums."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from recam_deploy.detection.resize import Pixels, resize_bilinear


def pattern(width: int, height: int) -> Pixels:
    """A picture that any machine makes alike: [height, width, 3]."""
    places = np.arange(width * height * 3, dtype=np.uint64)
    return ((places * 2654435761 >> 13) % 256).astype(np.uint8).reshape(height, width, 3)


@pytest.mark.parametrize(
    ("source", "target", "opencv"),
    [
        ((640, 480), (320, 240), 0x40158FA0),
        ((640, 480), (320, 320), 0x69AC45F4),
        ((100, 75), (320, 240), 0x9C363454),
        ((333, 517), (206, 320), 0xBAC0CD1C),
        ((7, 5), (64, 3), 0x7FD35F74),
        ((64, 64), (16, 16), 0x407F7D54),
        ((400, 240), (640, 384), 0x24127786),
    ],
    ids=str,
)
def test_every_pixel_is_opencvs(
    source: tuple[int, int], target: tuple[int, int], opencv: int
) -> None:
    assert zlib.crc32(resize_bilinear(pattern(*source), target).tobytes()) == opencv


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    image = pattern(20, 10)
    assert resize_bilinear(image, (20, 10)) is image


def test_halving_takes_the_rounded_mean_of_four() -> None:
    image = np.array([[[1], [2]], [[3], [4]]], np.uint8)
    assert resize_bilinear(image, (1, 1)).tolist() == [[[3]]]
