"""Which family the camera takes a model for (SSCMA-Micro's isValid rules, in its order)."""

from __future__ import annotations

import pytest
from virtual.releases import CURRENT
from virtual.sscma.factory import SEARCHES, choose
from virtual.sscma.tensors import Model, Tensor

Shape = tuple[int, ...]


def model(*outputs: Shape, size: Shape = (1, 320, 320, 3), inputs: int = 1) -> Model:
    return Model(
        inputs=tuple(Tensor(f"in{i}", size, "uint8", 0) for i in range(inputs)),
        outputs=tuple(Tensor(f"out{i}", shape, "float32", 0) for i, shape in enumerate(outputs)),
    )


def maps(box: int, classes: int, *, grouped: bool, width: int = 320) -> list[Shape]:
    grids = [width // stride for stride in (8, 16, 32)]
    boxes: list[Shape] = [(1, box, g, g) for g in grids]
    scores: list[Shape] = [(1, classes, g, g) for g in grids]
    if grouped:
        return boxes + scores
    return [shape for pair in zip(boxes, scores, strict=True) for shape in pair]


def family(*outputs: Shape, size: Shape = (1, 320, 320, 3)) -> str | None:
    found = choose(model(*outputs, size=size))
    return found.name if found else None


@pytest.mark.parametrize("classes", [1, 2, 4, 64, 80])
def test_interleaved_dfl_maps_are_yolo11(classes: int) -> None:
    assert family(*maps(64, classes, grouped=False)) == "YOLO11"


@pytest.mark.parametrize("classes", [1, 64, 80])
def test_grouped_dfl_maps_are_taken_by_yolov8(classes: int) -> None:
    assert family(*maps(64, classes, grouped=True)) == "YOLOv8"


def test_sixty_four_classes_interleaved_are_still_yolo11() -> None:
    assert family(*maps(64, 64, grouped=False)) == "YOLO11"


@pytest.mark.parametrize("grouped", [True, False])
def test_four_channel_box_maps_are_yolo26(grouped: bool) -> None:
    assert family(*maps(4, 80, grouped=grouped)) == "YOLO26"


@pytest.mark.parametrize(
    ("classes", "expected"), [(4, "YOLO11-pose"), (80, None), (7, "YOLO11-pose")]
)
def test_uncut_detection_is_pose_or_refused_by_its_class_count(
    classes: int, expected: str | None
) -> None:
    assert family((1, 4 + classes, 2100, 1)) == expected


def test_uncut_detection_of_one_class_is_refused() -> None:
    assert family((1, 5, 2100, 1)) is None


def test_pose_and_segmentation_of_one_class() -> None:
    assert family((1, 5 + 3 * 17, 2100, 1)) == "YOLO11-pose"
    assert family((1, 36 + 2, 2100, 1), (1, 32, 80, 80)) == "YOLO11-seg"


def test_a_class_vector_is_a_classifier() -> None:
    assert family((1, 1000, 1, 1), size=(1, 224, 224, 3)) == "classifier"
    assert family((1, 1, 1, 1), size=(1, 224, 224, 3)) is None


def test_three_anchor_rows_are_yolov5() -> None:
    assert family((1, 6300, 85, 1)) == "YOLOv5"
    assert family((1, 6300, 86, 1)) != "YOLOv5"


def test_a_single_feature_map_is_fomo() -> None:
    assert family((1, 40, 40, 3)) == "FOMO"


def test_rows_of_boxes_and_scores_are_told_apart_by_their_width() -> None:
    rows: list[Shape] = [(1, 1600, 4), (1, 400, 4), (1, 100, 4)]
    scores: list[Shape] = [(1, 1600, 80), (1, 400, 80), (1, 100, 80)]
    assert family(*rows, *scores) == "RTMDet"
    wide: list[Shape] = [(1, cells, 64) for _, cells, _ in rows]
    assert family(*wide, *scores) == "YOLO-World"


@pytest.mark.parametrize(
    "size", [(1, 300, 300, 3), (2, 320, 320, 3), (1, 320, 320, 4), (320, 320, 3)]
)
def test_no_family_takes_such_an_input(size: Shape) -> None:
    assert family(*maps(64, 80, grouped=False, width=size[-2]), size=size) is None


def test_two_inputs_are_refused() -> None:
    assert choose(model(*maps(64, 80, grouped=False), inputs=2)) is None


def test_channels_first_input_is_understood() -> None:
    assert family(*maps(64, 80, grouped=False), size=(1, 3, 320, 320)) == "YOLO11"


def test_families_are_tried_in_the_cameras_order() -> None:
    numbers = [family.number for family in SEARCHES[CURRENT][0]]
    assert numbers == [1, 3, 4, 2, 5, 6, 7, 13, 8, 9, 10, 11, 14]
