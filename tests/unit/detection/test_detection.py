"""Boxes land where the object is, in pixels of the original picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from recam_deploy.detection.decode import (
    Array,
    decode_anchored,
    decode_classes,
    decode_heads,
    decode_rows,
    grouped,
    interleaved,
    suppress,
)
from recam_deploy.detection.draw import draw_detections
from recam_deploy.detection.letterbox import Letterbox
from recam_deploy.detection.match import Agreement, agreement
from recam_deploy.detection.types import Box, Detection


def empty_heads(size: int = 64, classes: int = 2) -> list[Array]:
    heads = []
    for stride in (8, 16, 32):
        grid = size // stride
        heads.append(np.zeros((1, 64, grid, grid), np.float32))
        heads.append(np.full((1, classes, grid, grid), -20, np.float32))
    return heads


def put(heads: list[Array], scale: int, row: int, column: int, sides: Box, logit: float) -> None:
    """An object of class 1 whose sides are `sides` grid cells away from the cell's middle."""
    for side, distance in enumerate(sides):
        heads[2 * scale][0, side * 16 + round(distance), row, column] = 50
    heads[2 * scale + 1][0, 1, row, column] = logit


def test_a_box_is_decoded_from_its_distances() -> None:
    heads = empty_heads()
    put(heads, 1, row=1, column=2, sides=(1, 1, 1, 2), logit=2.0)
    letterbox = Letterbox.fit((64, 64), (64, 64))
    (found,) = decode_heads(interleaved(heads), letterbox, ("a", "b"))
    assert found.box == pytest.approx((24, 8, 56, 56), abs=0.01)
    assert (found.class_id, found.label) == (1, "b")
    assert found.score == pytest.approx(1 / (1 + np.exp(-2.0)), abs=1e-5)


def test_boxes_are_put_back_into_the_original_picture() -> None:
    heads = empty_heads()
    put(heads, 0, row=4, column=4, sides=(1, 1, 1, 1), logit=3.0)
    letterbox = Letterbox.fit((128, 64), (64, 64))
    (found,) = decode_heads(interleaved(heads), letterbox, ())
    assert found.box == pytest.approx((56, 24, 88, 56), abs=0.01)
    assert found.label == "1"


def test_suppression_is_across_classes_as_on_the_camera() -> None:
    heads = empty_heads()
    put(heads, 0, row=4, column=4, sides=(2, 2, 2, 2), logit=3.0)
    put(heads, 0, row=4, column=5, sides=(3, 2, 1, 2), logit=2.0)
    heads[1][0, :, 4, 5] = (2.0, -20)
    found = decode_heads(interleaved(heads), Letterbox.fit((64, 64), (64, 64)), ())
    assert [d.class_id for d in found] == [1]


def test_nothing_over_the_threshold_gives_nothing() -> None:
    assert decode_heads(interleaved(empty_heads()), Letterbox.fit((64, 64), (64, 64)), ()) == []


def test_plain_distances_are_read_from_grouped_heads() -> None:
    """YOLO26's boxes: four distances in grid cells, all box tensors before all class tensors."""
    outputs = [np.ones((1, 4, 64 // s, 64 // s), np.float32) for s in (8, 16, 32)]
    outputs += [np.full((1, 4, 64 // s, 64 // s), -20, np.float32) for s in (8, 16, 32)]
    outputs[4][0, 2, 1, 2] = 2.0
    letterbox = Letterbox.fit((64, 64), (64, 64))
    (found,) = decode_heads(grouped(outputs), letterbox, ("a", "b", "c", "d"))
    assert found.box == pytest.approx((24, 8, 56, 40), abs=0.01)
    assert found.label == "c"


def test_rows_hold_boxes_scores_and_keypoints() -> None:
    output = np.zeros((1, 4 + 1 + 6, 84), np.float32)
    output[0, :, 7] = (32, 24, 20, 10, 0.9, 30, 22, 1, 40, 26, 1)
    (found,) = decode_rows(output, 1, Letterbox.fit((128, 128), (64, 64)), ("x",), keypoints=True)
    assert found.box == pytest.approx((44, 38, 84, 58), abs=0.01)
    assert found.as_json()["keypoints"] == [[60.0, 44.0], [80.0, 52.0]]


def test_rows_of_a_segmentation_model_give_the_best_class() -> None:
    output = np.zeros((1, 4 + 3 + 32, 84, 1), np.float32)
    output[0, :7, 7, 0] = (32, 24, 20, 10, 0.1, 0.2, 0.8)
    (found,) = decode_rows(output, 3, Letterbox.fit((64, 64), (64, 64)), ("x", "y", "z"))
    assert (found.label, found.keypoints) == ("z", ())


def test_rows_are_suppressed_within_a_class_only() -> None:
    output = np.zeros((1, 4 + 2 + 32, 84), np.float32)
    output[0, :6, 7] = (32, 24, 20, 10, 0.8, 0.1)
    output[0, :6, 8] = (32, 24, 20, 10, 0.1, 0.7)
    output[0, :6, 9] = (33, 24, 20, 10, 0.6, 0.1)
    found = decode_rows(output, 2, Letterbox.fit((64, 64), (64, 64)), ("x", "y"))
    assert [(d.label, round(d.score, 1)) for d in found] == [("x", 0.8), ("y", 0.7)]


def test_a_classifier_names_the_whole_picture() -> None:
    letterbox = Letterbox.fit((100, 50), (64, 64))
    scores = np.array([[[[0.1]], [[0.9]]]], np.float32)
    (found,) = decode_classes(scores, letterbox, ("a", "b"), 0.5)
    assert (found.label, found.box) == ("b", (0, 0, 100, 50))
    assert decode_classes(scores, letterbox, ("a", "b"), 0.95) == []
    assert decode_classes(np.full((1, 2), np.nan, np.float32), letterbox, (), 0.5) == []


def test_suppression_keeps_the_best_of_each_pile() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], np.float32)
    assert list(suppress(boxes, np.array([0.5, 0.9, 0.6], np.float32), 0.45)) == [1, 2]


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (100, 100), (1, 1000), (1920, 1080)])
def test_letterboxing_is_centred_on_black_and_reversible(size: tuple[int, int]) -> None:
    letterbox = Letterbox.fit(size, (320, 320))
    image = letterbox.apply(Image.new("RGB", size, "white"))
    pixels = np.asarray(image)
    rows, columns = pixels.any(axis=(1, 2)).nonzero()[0], pixels.any(axis=(0, 2)).nonzero()[0]
    assert abs(int(rows[0]) - (319 - int(rows[-1]))) <= 1
    assert abs(int(columns[0]) - (319 - int(columns[-1]))) <= 1
    inside = (float(columns[0]), float(rows[0]), columns[-1] + 1.0, rows[-1] + 1.0)
    assert letterbox.to_source(inside) == pytest.approx((0, 0, *size), abs=2 / letterbox.scale)


def test_sampling_does_not_smooth() -> None:
    """The camera's INTER_LINEAR reads single pixels; averaging them would change the input."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, 1::4] = stripes[:, 2::4] = 255
    shrunk = np.asarray(Letterbox.fit((64, 64), (16, 16)).apply(Image.fromarray(stripes)))
    assert set(np.unique(shrunk)) == {255}


def detection(class_id: int, score: float, box: Box) -> Detection:
    return Detection(class_id, str(class_id), score, box)


def test_agreement_counts_matches_misses_and_extras() -> None:
    reference = [
        detection(0, 0.9, (0, 0, 10, 10)),
        detection(1, 0.8, (20, 0, 30, 10)),
        detection(1, 0.3, (50, 0, 60, 10)),
    ]
    found = [
        detection(0, 0.7, (0, 0, 10, 9)),
        detection(0, 0.8, (20, 0, 30, 10)),
        detection(1, 0.6, (50, 0, 60, 10)),
        detection(1, 0.45, (80, 0, 90, 10)),
    ]
    assert agreement(reference, found) == Agreement(reference=2, matched=1, extra=1)


def test_one_box_cannot_match_twice() -> None:
    twice = [detection(0, 0.9, (0, 0, 10, 10)), detection(0, 0.8, (0, 0, 10, 10))]
    assert agreement(twice, twice[:1]) == Agreement(reference=2, matched=1, extra=0)


def test_scores_around_the_threshold_still_match() -> None:
    pair = [detection(0, 0.51, (0, 0, 10, 10))], [detection(0, 0.49, (0, 0, 10, 10))]
    assert agreement(*pair).recall == 1


@pytest.mark.parametrize("box", [(5, 5, 95, 55), (0, 0, 0, 0), (90, 0, 100, 1), (0, 59, 100, 60)])
def test_drawing_marks_the_box_and_leaves_the_original_alone(box: Box) -> None:
    image = Image.new("RGB", (100, 60), "white")
    drawn = draw_detections(image, [detection(3, 0.5, box)])
    assert drawn.size == image.size
    assert drawn.tobytes() != image.tobytes()
    assert image.getcolors() == [(6000, (255, 255, 255))]


def test_a_pose_output_with_nobody_in_it_is_no_bug() -> None:
    letterbox = Letterbox.fit((64, 64), (64, 64))
    nobody = np.zeros((1, 20, 84, 1), np.float32)
    assert decode_rows(nobody, 1, letterbox, ("person",), keypoints=True) == []


def test_yolov5_rows_are_fractions_and_their_score_is_the_objectness() -> None:
    letterbox = Letterbox.fit((128, 64), (64, 64))
    rows = np.zeros((1, 252, 8, 1), np.float32)
    rows[0, 7, :, 0] = (0.5, 0.5, 0.25, 0.25, 0.9, 0.1, 0.2, 0.15)
    rows[0, 8, :, 0] = (0.5, 0.5, 0.25, 0.25, 0.2, 0.9, 0.9, 0.9)
    (found,) = decode_anchored(rows, letterbox, ("a", "b", "c"))
    assert (found.class_id, found.label) == (1, "b")
    assert found.score == pytest.approx(0.9)
    assert found.box == pytest.approx((48, 16, 80, 48))
