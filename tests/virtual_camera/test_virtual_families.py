"""The camera's decoders of pose, YOLO26 and YOLOv5, faults included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from virtual.sscma.factory import choose
from virtual.sscma.families import (
    DECODERS,
    yolo11_pose,
    yolo26,
    yolov5,
    yolov8_pose,
)
from virtual.sscma.results import Box, Pose, Result
from virtual.sscma.tensors import Model, UnsupportedTypeError

from .test_virtual_decoding import GRIDS, SIZE, described, sides

Array = NDArray[Any]

CELLS = sum(grid * grid for grid in GRIDS)


def rows(channels: int) -> NDArray[np.float32]:
    return np.zeros((1, channels, CELLS, 1), np.float32)


def by_factory(arrays: list[Array], *, mended: bool = False) -> tuple[str, list[Result]]:
    """The family that the camera would choose, and what that family finds."""
    model = described(arrays)
    family = choose(model)
    assert family is not None
    return family.name, list(DECODERS[family.name](model, arrays, mended))


def pose_of(result: Result) -> Pose:
    assert isinstance(result, Pose)
    return result


def box_of(result: Result) -> Box:
    assert isinstance(result, Box)
    return result


# Pose: one output.


def people(keypoints: int = 2) -> NDArray[np.float32]:
    """Two people far apart: one of 0.9 at cell 7, one of 0.5 at cell 70."""
    data = rows(5 + 3 * keypoints)
    data[0, :5, 7, 0] = 16, 32, 8, 24, 0.9
    data[0, 5:11, 7, 0] = 8, 16, 0.99, 24, 48, 0.01
    data[0, :5, 70, 0] = 48, 32, 8, 24, 0.5
    return data


def test_poses_come_least_certain_first_with_points_as_fractions() -> None:
    name, found = by_factory([people()])
    assert name == "YOLO11-pose"
    less, more = map(pose_of, found)
    assert (less.box.x, less.box.score) == (0.75, 0.5)
    assert (more.box.x, more.box.y, more.box.w, more.box.h) == (0.25, 0.5, 0.125, 0.375)
    assert more.points == ((0.125, 0.25), (0.375, 0.75))


def test_a_pose_prints_its_box_and_then_a_line_for_every_point() -> None:
    _, found = by_factory([people()])
    assert found[1].lines() == (
        "x: 0.250000, y: 0.500000, w: 0.125000, h: 0.375000, score: 0.900000 target: 0\n"
        "x: 0.125000, y: 0.250000\n"
        "x: 0.375000, y: 0.750000\n"
    )


def test_a_pose_scoring_just_a_quarter_is_dropped() -> None:
    data = people()
    data[0, 4, 70] = 0.25
    assert len(by_factory([data])[1]) == 1


def test_of_two_poses_in_one_place_the_better_stays() -> None:
    data = people()
    data[0, :4, 70, 0] = 17, 33, 8, 24
    (kept,) = by_factory([data])[1]
    assert pose_of(kept).box.score == pytest.approx(0.9)


def test_an_uncut_detector_of_four_classes_is_read_as_a_pose() -> None:
    data = rows(4 + 4)
    data[0, :4, 3, 0] = 16, 16, 8, 8
    data[0, 4 + 2, 3, 0] = 0.95
    name, found = by_factory([data])
    assert (name, found) == ("YOLO11-pose", [])
    data[0, 4, 3, 0] = 0.5
    (misread,) = by_factory([data])[1]
    # Class 1 and 2 became a point; class 2 is not found.
    assert pose_of(misread).box.target == 0
    ((x, y),) = pose_of(misread).points
    assert [x, y] == pytest.approx([0, 0.95 / SIZE])


def test_a_pose_of_four_classes_is_read_as_one_class_and_a_point_too_many() -> None:
    keypoints = 2
    data = rows(4 + 4 + 3 * keypoints)
    data[0, :4, 3, 0] = 16, 16, 8, 8
    data[0, 4:8, 3, 0] = 0.5, 0.6, 0.7, 0.8
    data[0, 8:10, 3, 0] = 32, 48
    (misread,) = by_factory([data])[1]
    points = pose_of(misread).points
    assert len(points) == keypoints + 1
    assert points[0] == pytest.approx((0.6 / SIZE, 0.7 / SIZE))
    assert points[1] == (0.5, 0.75)


def test_int8_pose_is_read_as_float_and_only_mended_firmware_finds_it() -> None:
    scale = 0.5
    data = people(keypoints=17)
    data[0, 4] *= 2
    quantized = np.clip(np.round(data / scale), -128, 127).astype(np.int8)
    model = described([quantized], [scale])
    assert [p.box.x for p in yolo11_pose.decode(model, [quantized], True)] == [0.75, 0.25]
    stock = yolo11_pose.decode(model, [quantized], False)
    assert all(pose.box.score not in (0.9, 1.0, 2.0) for pose in stock)


def test_int8_pose_cuts_the_floats_it_thinks_it_sees_to_whole_numbers() -> None:
    shape = (1, 5 + 3 * 5, CELLS, 1)
    # The camera looks for scores at four times their place: in the last row of bytes.
    seen = np.zeros(5 * CELLS, np.float32)
    for row, value in enumerate((16.9, 32.2, -8.7, 24.0, 2.5)):
        seen[row * CELLS + 9] = value
    array = seen.view(np.int8).reshape(shape)
    (pose,) = yolo11_pose.decode(described([array], [0.5]), [array], False)
    box = pose.box
    assert (box.x * SIZE, box.y * SIZE, box.w * SIZE, box.h * SIZE) == (8, 16, -4, 12)
    assert box.score == 1.0


def test_what_is_neither_float_nor_int8_is_not_decoded_as_pose() -> None:
    array = people().astype(np.uint8)
    with pytest.raises(UnsupportedTypeError, match="uint8"):
        yolo11_pose.decode(described([array]), [array], False)


# Pose: seven outputs.


def seven(dtype: str = "int8") -> tuple[Model, list[Array]]:
    """One person at row 1, column 2 of stride 16, with one keypoint."""
    scores = [np.full((1, g * g, 1), -100, dtype) for g in GRIDS]
    boxes = [np.full((1, g * g, 64), -60, dtype) for g in GRIDS]
    points = np.zeros((1, CELLS, 3), dtype)
    cell = 1 * GRIDS[1] + 2
    scores[1][0, cell] = 20
    boxes[1][0, cell] = sides(1, 0, 2, 3).astype(dtype)
    points[0, GRIDS[0] ** 2 + cell] = 30, 40, 50
    arrays: list[Array] = [points, *boxes, *reversed(scores)]
    return described(arrays, [0.5, 1, 1, 1, 0.1, 0.1, 0.1]), arrays


def test_seven_output_poses_stay_in_cells_and_in_the_models_numbers() -> None:
    model, arrays = seven()
    family = choose(model)
    assert family is not None
    assert family.name == "YOLOv8-pose"
    (pose,) = yolov8_pose.decode(model, arrays, False)
    box = pose.box
    assert (box.x, box.y, box.w, box.h) == (3.0, 3.0, 3.0, 3.0)
    assert box.score == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert pose.points == ((15.0, 20.0),)


def test_seven_float_outputs_show_nothing() -> None:
    model, arrays = seven("float32")
    with pytest.raises(UnsupportedTypeError, match="not int8"):
        yolov8_pose.decode(model, arrays, False)


# YOLO26.


def heads(number: int) -> tuple[list[Array], list[Array]]:
    """Box and class maps with one object of the middle class at row 2, column 3, stride 8."""
    box_maps: list[Array] = [np.zeros((1, 4, g, g), np.float32) for g in GRIDS]
    class_maps: list[Array] = [np.full((1, number, g, g), -8, np.float32) for g in GRIDS]
    box_maps[0][0, :, 2, 3] = 1.5, 1, 0.5, 2
    class_maps[0][0, number // 2, 2, 3] = 2
    return box_maps, class_maps


def arranged(number: int, *, grouped: bool) -> list[Array]:
    box_maps, class_maps = heads(number)
    if grouped:
        return box_maps + class_maps
    return [array for pair in zip(box_maps, class_maps, strict=True) for array in pair]


@pytest.mark.parametrize(
    ("number", "grouped"),
    [(1, True), (4, True), (7, True), (80, True), (1, False), (7, False), (80, False)],
)
def test_one_to_one_heads_are_read_in_either_order(number: int, grouped: bool) -> None:
    name, found = by_factory(arranged(number, grouped=grouped))
    assert name == "YOLO26"
    (box,) = map(box_of, found)
    # Cell centre (28, 20); edges 12, 8, 4, 16 pixels away.
    assert (box.x * SIZE, box.y * SIZE, box.w * SIZE, box.h * SIZE) == (24, 24, 16, 24)
    assert box.target == number // 2
    assert box.score == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_four_classes_interleaved_are_misread() -> None:
    arrays = arranged(4, grouped=False)
    name, stock = by_factory(arrays)
    assert name == "YOLO26"
    mended = by_factory(arrays, mended=True)[1]
    assert [(box_of(box).x, box_of(box).target) for box in mended] == [(0.375, 2)]
    assert (0.375, 2) not in [(box_of(box).x, box_of(box).target) for box in stock]
    # Past the end of the wrong map lie zeros, which count as scores of a half.
    assert stock
    assert {box_of(box).score for box in stock} == {0.5}


def test_int8_heads_are_scaled_each_by_its_own() -> None:
    arrays = arranged(7, grouped=True)
    scales = [0.5] * 3 + [0.25] * 3
    arrays = [
        np.round(array / scale).astype(np.int8) for array, scale in zip(arrays, scales, strict=True)
    ]
    (box,) = yolo26.decode(described(arrays, scales), arrays, False)
    assert (box.x * SIZE, box.w * SIZE, box.target) == (24, 16, 3)
    assert box.score == pytest.approx(1 / (1 + np.exp(-2.0)))


# YOLOv5.


def anchors(*, pixels: bool, score: float) -> Array:
    """One object of class 2 of 3, with a box that reaches over the right edge."""
    data = np.zeros((1, 3 * CELLS, 8, 1), np.float32)
    data[0, 0, 0] = 4.0 if pixels else 0.0625
    unit = 1 if pixels else 1 / SIZE
    data[0, 30, :, 0] = [70 * unit, 32 * unit, 16 * unit, 24 * unit, score, 0.1, 0.2, 0.6]
    return data


def test_plain_yolov5_scores_are_divided_away() -> None:
    data = anchors(pixels=True, score=0.95)
    assert by_factory([data]) == ("YOLOv5", [])
    (box,) = map(box_of, by_factory([data], mended=True)[1])
    assert (box.x, box.y, box.w, box.h) == (1.0, 0.5, 0.25, 0.375)


def test_yolov5_scores_in_percent_are_found() -> None:
    (box,) = map(box_of, by_factory([anchors(pixels=True, score=95)])[1])
    assert box.score == pytest.approx(0.95)
    assert (box.x, box.w, box.target) == (1.0, 0.25, 2)


def test_yolov5_fractions_are_taken_as_they_are() -> None:
    (box,) = map(box_of, by_factory([anchors(pixels=False, score=0.95)])[1])
    # The objectness, not multiplied by the class.
    assert box.score == pytest.approx(0.95)
    assert (box.x, box.w) == (1.0, 0.25)


def test_of_equal_yolov5_classes_the_earlier_wins() -> None:
    data = anchors(pixels=False, score=0.95)
    data[0, 30, 5:] = 0.3
    assert box_of(by_factory([data])[1][0]).target == 0


@pytest.mark.parametrize(("scale", "number"), [(0.0078125, 1), (1.0, 1), (0.5, 0)])
def test_int8_yolov5_is_percent_and_pixels_when_the_scale_is_large(
    scale: float, number: int
) -> None:
    data = np.full((1, 3 * CELLS, 8, 1), 0, np.int8)
    data[0, 30, :, 0] = [64, 32, 16, 24, 48, -5, -3, -9]
    found = yolov5.decode(described([data], [scale]), [data], False)
    assert len(found) == number
    if number:
        (box,) = found
        assert box.score == pytest.approx(0.375 if scale < 0.1 else 0.48)
        assert box.x == (0.5 if scale < 0.1 else 1.0)
        assert box.target == 1


def test_other_types_of_yolov5_and_yolo26_are_not_decoded() -> None:
    anchor = anchors(pixels=True, score=1).astype(np.uint8)
    with pytest.raises(UnsupportedTypeError, match="uint8"):
        yolov5.decode(described([anchor]), [anchor], False)
    maps = [array.astype(np.uint8) for array in arranged(2, grouped=True)]
    with pytest.raises(UnsupportedTypeError, match="uint8"):
        yolo26.decode(described(maps), maps, False)


# Nothing found.


@pytest.mark.parametrize(
    ("name", "arrays"),
    [
        ("YOLO11-pose", [rows(5 + 3 * 17)]),
        ("YOLO11-seg", [rows(37), np.zeros((1, 32, SIZE // 4, SIZE // 4), np.float32)]),
        ("classifier", [np.zeros((1, 10, 1, 1), np.float32)]),
        ("YOLOv5", [np.zeros((1, 3 * CELLS, 85, 1), np.float32)]),
        ("YOLOv8-pose", [np.full_like(array, -100) for array in seven()[1]]),
        ("YOLO26", [np.full_like(array, -8) for array in arranged(3, grouped=True)]),
    ],
)
def test_where_nothing_is_nothing_is_found(name: str, arrays: list[Array]) -> None:
    assert by_factory(arrays) == (name, [])


# Models of no use that the camera takes all the same.


def test_a_single_feature_map_is_taken_for_fomo() -> None:
    family = choose(described([np.zeros((1, 8, 8, 3), np.float32)]))
    assert family is not None
    assert family.name == "FOMO"


def test_grouped_dfl_maps_go_to_the_class_that_misreads_them() -> None:
    maps: list[Array] = [np.zeros((1, 64, g, g), np.float32) for g in GRIDS]
    scores: list[Array] = [np.full((1, 80, g, g), -8, np.float32) for g in GRIDS]
    maps[0][0, :, 2, 3] = sides(1, 1, 1, 1)
    scores[0][0, 5, 2, 3] = 4.0
    name, (stock,) = by_factory(maps + scores)
    assert name == "YOLOv8"
    (mended,) = by_factory(maps + scores, mended=True)[1]
    assert box_of(mended).w == pytest.approx(16 / SIZE)
    assert box_of(stock).w != pytest.approx(16 / SIZE)
