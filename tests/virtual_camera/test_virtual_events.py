"""What events are made of: pixels, outlines and labels."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from virtual.pictures import Frame
from virtual.sscma.factory import families
from virtual.sscma.families import DECODERS
from virtual.sscma.results import Box, Label, Pose, Segment
from virtual.sscma_node import messages
from virtual.sscma_node.contours import longest_outline
from virtual.sscma_node.events import View, label_of
from virtual.sscma_node.messages import Code, Kind, NodeError

BOX = Box(0.5, 0.25, 0.1, 0.2, 0.939, 3)


def mask(*rows: str) -> NDArray[np.bool_]:
    return np.array([[cell == "#" for cell in row] for row in rows])


def test_every_family_is_decoded() -> None:
    assert set(families()) == set(DECODERS)


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


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (480, 640), (640, 640)])
@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (600, 600), (270, 480)])
def test_a_box_lies_on_what_the_model_saw_whatever_the_shape_of_picture_and_view(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    rows, columns = shape
    pixels = np.zeros((rows, columns, 3), np.uint8)
    pixels[rows // 5 : rows // 5 + 40, columns // 4 : columns // 4 + 40] = 255
    frame = Frame(0, pixels)

    def middle(view: NDArray[np.uint8]) -> tuple[float, float]:
        y, x = np.nonzero(view[:, :, 0] > 128)
        return float(x.mean()) + 0.5, float(y.mean()) + 0.5

    x, y = middle(frame.fitted(640, 640))
    found = View(*size, frame.square_in(*size)).box(Box(x / 640, y / 640, 0.1, 0.1, 0.9, 0))
    assert found[:2] == pytest.approx(middle(frame.fitted(*size)), abs=2)


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (640, 640)])
def test_pictures_as_wide_as_the_sensor_s_need_no_other_square_than_the_camera_s(
    size: tuple[int, int],
) -> None:
    assert Frame(0, np.zeros((1080, 1920, 3), np.uint8)).square_in(*size) == max(size)


def test_numbers_out_of_range_do_not_end_the_service() -> None:
    wild = Box(float("nan"), 1e9, -1e9, float("inf"), 1e9, 0)
    assert View(640, 640).result(wild) == [-1, -1, 0, -1, -1, 0]


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


def test_messages_are_written_as_the_camera_writes_them() -> None:
    assert messages.encode(Kind.RESPONSE, "create", "", Code.EXISTS) == (
        b'{"code":11,"data":"","name":"create","type":0}'
    )


@pytest.mark.parametrize(
    ("read", "value", "wanted", "got"),
    [
        (messages.number, None, "number", "null"),
        (messages.number, "1", "number", "string"),
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
