"""Masks are decoded as the camera does, and keep every pixel on their way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from recam_deploy.detection.decode import decode_rows
from recam_deploy.detection.draw import draw_detections
from recam_deploy.detection.letterbox import Letterbox
from recam_deploy.detection.mask import Mask
from recam_deploy.detection.types import Detection

CLASSES, PROTOTYPES, INPUT, GRID = 3, 32, 64, 16
Column = NDArray[np.float32]


def column(box: tuple[float, float, float, float], seed: int) -> Column:
    """One object of class 1: centre and size in input pixels, scores, and weights at random."""
    weights = np.random.default_rng(seed).normal(0, 0.2, PROTOTYPES)
    return np.array([*box, 0.1, 0.9, 0.2, *weights], np.float32)


def pixels_by_hand(
    values: Column, prototypes: NDArray[np.float32], source: tuple[int, int]
) -> list[list[bool]]:
    """`ma_model_yolo11_seg.cpp` in plain loops, asked about the middle of each source pixel."""
    scale = min(INPUT / source[0], INPUT / source[1])
    left = (INPUT - int(source[0] * scale)) // 2
    top = (INPUT - int(source[1] * scale)) // 2
    x, y, w, h = (float(value) / INPUT * GRID for value in values[:4])
    x1, x2 = math.trunc(x - w / 2), math.trunc(x + w / 2)
    y1, y2 = math.trunc(y - h / 2), math.trunc(y + h / 2)
    picture = []
    for row in range(source[1]):
        line = []
        for across in range(source[0]):
            cell_x = int(((across + 0.5) * scale + left) * GRID / INPUT)
            cell_y = int(((row + 0.5) * scale + top) * GRID / INPUT)
            total = sum(
                float(values[4 + CLASSES + index]) * float(prototypes[index, cell_y, cell_x])
                for index in range(PROTOTYPES)
            )
            inside = x1 <= cell_x < x2 and y1 <= cell_y < y2
            line.append(inside and total > 0.5)
        picture.append(line)
    return picture


@pytest.mark.parametrize("source", [(64, 64), (40, 20), (21, 50), (100, 75)])
def test_masks_are_those_of_the_cameras_arithmetic(source: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    prototypes = random.standard_normal((1, PROTOTYPES, GRID, GRID), np.float32)
    objects = [column((20, 30, 25, 18), 2), column((44, 40, 30.5, 41.3), 3)]
    rows = np.zeros((1, 4 + CLASSES + PROTOTYPES, 84, 1), np.float32)
    for index, values in enumerate(objects):
        rows[0, :, 5 + index, 0] = values
    letterbox = Letterbox.fit(source, (INPUT, INPUT))
    found = decode_rows(rows, CLASSES, letterbox, (), prototypes=prototypes)
    assert len(found) == len(objects)
    wanted = [np.array(pixels_by_hand(values, prototypes[0], source)) for values in objects]
    assert all(0 < bitmap.sum() < bitmap.size for bitmap in wanted)
    for detection in found:
        assert detection.mask is not None
        assert detection.mask.size == source
        assert any(np.array_equal(detection.mask.pixels, bitmap) for bitmap in wanted)


def test_a_box_that_leaves_the_picture_cuts_its_mask() -> None:
    rows = np.zeros((1, 4 + CLASSES + PROTOTYPES, 84), np.float32)
    rows[0, :, 0] = column((0, 0, 40, 40), 4)
    prototypes = np.zeros((1, PROTOTYPES, GRID, GRID), np.float32)
    rows[0, -1, 0], prototypes[0, -1] = 1, 1
    letterbox = Letterbox.fit((INPUT, INPUT), (INPUT, INPUT))
    (found,) = decode_rows(rows, CLASSES, letterbox, (), prototypes=prototypes)
    assert found.mask is not None
    assert found.mask.pixels[:20, :20].all()
    assert found.mask.area == 400


def test_models_without_masks_have_none() -> None:
    rows = np.zeros((1, 4 + CLASSES + PROTOTYPES, 84), np.float32)
    rows[0, :, 0] = column((30, 30, 20, 20), 5)
    (found,) = decode_rows(rows, CLASSES, Letterbox.fit((64, 64), (64, 64)), ())
    assert found.mask is None
    assert "mask" not in found.as_json()


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_every_pixel_survives_the_run_lengths(width: int, height: int, seed: int) -> None:
    bitmap = np.random.default_rng(seed).random((height, width)) < (seed % 5) / 4
    mask = Mask.of(bitmap)
    assert mask.size == (width, height)
    assert mask.area == bitmap.sum()
    assert np.array_equal(mask.pixels, bitmap)


def test_the_document_is_cocos_uncompressed_run_lengths() -> None:
    bitmap = np.array([[0, 1, 1], [0, 0, 1]], bool)
    assert Mask.of(bitmap).as_json() == {"size": [2, 3], "counts": [2, 1, 1, 2]}
    assert Mask.of(~bitmap).as_json() == {"size": [2, 3], "counts": [0, 2, 1, 1, 2]}
    detection = Detection(0, "a", 0.5, (0, 0, 3, 2), mask=Mask.of(bitmap))
    assert detection.as_json()["mask"] == Mask.of(bitmap).as_json()
    assert hash(detection) == hash(Detection(0, "a", 0.5, (0, 0, 3, 2), mask=Mask.of(bitmap)))


def test_masks_agree_by_intersection_over_union() -> None:
    left, right = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    left[:, :3], right[:, 1:] = True, True
    assert Mask.of(left).iou(Mask.of(right)) == 4 / 8
    nothing = Mask.of(np.zeros((2, 4), bool))
    assert nothing.iou(nothing) == 1
    assert nothing.iou(Mask.of(left)) == 0


def test_a_mask_follows_its_picture_to_another_size() -> None:
    bitmap = np.zeros((4, 6), bool)
    bitmap[1:3, 2:5] = True
    large = Mask.of(bitmap).resized((12, 8))
    assert np.array_equal(large.pixels, bitmap.repeat(2, axis=0).repeat(2, axis=1))


def test_the_picture_shines_through_the_mask_and_its_edge_does_not() -> None:
    image = Image.new("RGB", (200, 200), (0, 0, 100))
    bitmap = np.zeros((200, 200), bool)
    bitmap[60:140, 60:140] = True
    detection = Detection(0, "a", 0.9, (10, 10, 190, 190), mask=Mask.of(bitmap))
    drawn = draw_detections(image, [detection])
    edge, middle, outside = (drawn.getpixel(at) for at in ((60, 100), (100, 100), (40, 100)))
    assert outside == (0, 0, 100)
    assert edge == (230, 159, 0)
    assert middle == (115, 80, 50)
    assert image.getpixel((100, 100)) == (0, 0, 100)
