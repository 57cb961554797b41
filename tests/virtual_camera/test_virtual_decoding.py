"""The camera's DFL decoders, faults included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from virtual.sscma.families import boxes, yolo11, yolov8
from virtual.sscma.results import Box
from virtual.sscma.tensors import Model, Tensor, UnsupportedTypeError

SIZE = 64
GRIDS = (8, 4, 2)
BINS = 16
LOW = -8.0


def sides(left: int, top: int, right: int, bottom: int) -> NDArray[np.float32]:
    """64 channels whose softmax puts each side at exactly these distances in strides."""
    row = np.full((4, BINS), -60.0, np.float32)
    for side, distance in enumerate((left, top, right, bottom)):
        row[side, distance] = 60.0
    return row.reshape(-1)


class Picture:
    """Float maps of a small model, to be filled with objects."""

    def __init__(self, classes: int) -> None:
        self.boxes = [np.zeros((1, 64, g, g), np.float32) for g in GRIDS]
        self.scores = [np.full((1, classes, g, g), LOW, np.float32) for g in GRIDS]

    def put(
        self, level: int, cell: tuple[int, int], box: NDArray[np.float32], **scores: float
    ) -> None:
        """``cell`` is (row, column); ``c3=1.5`` gives class 3 the logit 1.5."""
        row, column = cell
        self.boxes[level][0, :, row, column] = box
        for name, logit in scores.items():
            self.scores[level][0, int(name[1:]), row, column] = logit

    def interleaved(self) -> list[NDArray[Any]]:
        return [a for pair in zip(self.boxes, self.scores, strict=True) for a in pair]

    def grouped(self) -> list[NDArray[Any]]:
        return [*self.boxes, *self.scores]


def described(arrays: list[NDArray[Any]], scales: list[float] | None = None) -> Model:
    outputs = tuple(
        Tensor(str(i), a.shape, a.dtype.name, a.nbytes, scales[i] if scales else 1.0)
        for i, a in enumerate(arrays)
    )
    return Model((Tensor("in", (1, SIZE, SIZE, 3), "uint8", SIZE * SIZE * 3),), outputs)


def decode11(picture: Picture, *, mended: bool = False) -> list[Box]:
    arrays = picture.interleaved()
    return yolo11.decode(described(arrays), arrays, mended)


def test_a_box_stands_where_its_cell_and_distances_say() -> None:
    picture = Picture(3)
    picture.put(0, (2, 3), sides(1, 2, 3, 4), c2=2.0)
    (box,) = decode11(picture)
    # Cell centre (28, 20); edges 8, 16, 24, 32 pixels away.
    assert (box.x, box.y, box.w, box.h) == pytest.approx((36 / 64, 28 / 64, 32 / 64, 48 / 64))
    assert box.score == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert box.target == 2


def test_scores_up_to_a_quarter_are_dropped() -> None:
    picture = Picture(1)
    threshold = float(boxes.inverse_sigmoid(0.25))
    picture.put(0, (0, 0), sides(1, 1, 1, 1), c0=threshold)
    picture.put(1, (3, 3), sides(1, 1, 1, 1), c0=np.nextafter(np.float32(threshold), np.float32(0)))
    assert len(decode11(picture)) == 1


def test_of_equal_classes_the_later_wins() -> None:
    picture = Picture(4)
    picture.put(1, (1, 1), sides(1, 1, 1, 1), c1=2.0, c3=2.0)
    assert [box.target for box in decode11(picture)] == [3]


def test_suppression_does_not_look_at_classes() -> None:
    picture = Picture(2)
    picture.put(0, (4, 4), sides(2, 2, 2, 2), c0=2.0)
    picture.put(0, (4, 5), sides(2, 2, 2, 2), c1=3.0)
    assert [box.target for box in decode11(picture)] == [1]


def test_overlap_is_measured_from_the_centres_as_if_they_were_corners() -> None:
    one = np.array([0.5, 0.5, 0.4, 0.4, 0.9, 0], np.float32)
    other = np.array([[0.65, 0.65, 0.3, 0.3, 0.8, 0]], np.float32)
    # The true overlap is 0.04 / 0.21.
    assert float(boxes.overlaps(one, other)[0]) == pytest.approx(0.0625 / 0.1875, rel=1e-5)


def test_boxes_come_sorted_from_left_to_right() -> None:
    picture = Picture(1)
    for column, logit in ((7, 1.0), (0, 2.0), (3, 3.0)):
        picture.put(0, (1, column), sides(0, 0, 0, 1), c0=logit)
    found = [box.x for box in decode11(picture)]
    assert found == sorted(found)
    assert len(found) == 3


def test_nothing_found_is_an_empty_list() -> None:
    assert decode11(Picture(5)) == []


def quantized(picture: Picture, box_scale: float, score_scale: float) -> list[NDArray[Any]]:
    arrays = []
    for index, array in enumerate(picture.interleaved()):
        scale = score_scale if index % 2 else box_scale
        arrays.append(np.clip(np.round(array / scale), -128, 127).astype(np.int8))
    return arrays


def test_int8_scores_are_scaled_by_the_box_tensors_scale() -> None:
    picture = Picture(1)
    picture.put(0, (2, 2), sides(1, 1, 1, 1), c0=2.0)
    arrays = quantized(picture, 0.5, 0.25)
    described_model = described(arrays, [0.5, 0.25] * 3)
    (stock,) = yolo11.decode(described_model, arrays, False)
    (mended,) = yolo11.decode(described_model, arrays, True)
    assert mended.score == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert stock.score == pytest.approx(1 / (1 + np.exp(-4.0)))


def test_int8_boxes_are_scaled_by_the_class_tensors_scale() -> None:
    picture = Picture(1)
    soft = np.zeros((4, BINS), np.float32)
    soft[:, 4] = 4.0
    picture.put(0, (4, 4), soft.reshape(-1), c0=3.0)
    arrays = quantized(picture, 0.5, 0.05)
    described_model = described(arrays, [0.5, 0.05] * 3)
    (stock,) = yolo11.decode(described_model, arrays, False)
    (mended,) = yolo11.decode(described_model, arrays, True)
    # A flatter softmax: the expected distance moves towards the middle of the bins.
    assert stock.w > mended.w


def test_other_tensor_types_are_refused() -> None:
    arrays = [array.astype(np.uint8) for array in Picture(1).interleaved()]
    with pytest.raises(UnsupportedTypeError, match="uint8"):
        yolo11.decode(described(arrays), arrays, False)


def test_grouped_float_maps_are_misread_by_the_yolov8_class() -> None:
    picture = Picture(80)
    picture.put(0, (2, 3), sides(1, 1, 1, 1), c5=4.0)
    arrays = picture.grouped()
    (stock,) = yolov8.decode(described(arrays), arrays, False)
    (mended,) = yolov8.decode(described(arrays), arrays, True)
    assert (mended.w, mended.h) == pytest.approx((16 / 64, 16 / 64))
    assert stock.target == mended.target == 5
    # Distances come from 64 channels of class logits.
    assert stock.w != pytest.approx(mended.w)


def test_grouped_maps_lose_classes_from_64_on() -> None:
    picture = Picture(80)
    picture.put(0, (2, 3), sides(1, 1, 1, 1), c70=4.0)
    arrays = picture.grouped()
    assert yolov8.decode(described(arrays), arrays, False) == []


def test_reading_past_a_class_map_finds_class_63_all_over() -> None:
    arrays = Picture(2).grouped()
    found = yolov8.decode(described(arrays), arrays, False)
    assert {box.target for box in found} == {63}
