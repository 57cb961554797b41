"""The camera's decoders of segmentation and of classes of the whole picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from virtual.sscma.families import classifier, yolo11_seg
from virtual.sscma.tensors import UnsupportedTypeError

from .test_virtual_decoding import SIZE, described
from .test_virtual_families import Array, by_factory, rows

# Segmentation.


def scene(classes: int = 3) -> list[Array]:
    """One object of the last class filling a box of 16 x 32 pixels, shape of prototype 5."""
    data = rows(4 + classes + 32)
    data[0, :4, 11, 0] = 32, 32, 16, 32
    data[0, 4 + classes - 1, 11, 0] = 0.75
    data[0, 4 + classes + 5, 11, 0] = 2.0
    prototypes = np.zeros((1, 32, SIZE // 4, SIZE // 4), np.float32)
    prototypes[0, 5, :, 8:] = 1.0
    prototypes[0, 5, 8, 9] = 0.25
    return [data, prototypes]


def segments(arrays: list[Array]) -> list[Any]:
    return list(yolo11_seg.decode(described(arrays), arrays, False))


def test_a_mask_is_its_prototypes_inside_its_box() -> None:
    assert by_factory(scene())[0] == "YOLO11-seg"
    (segment,) = segments(scene())
    expected = np.zeros((16, 16), np.bool_)
    expected[4:12, 8:10] = True
    # 2 * 0.25 is not above 0.5.
    expected[8, 9] = False
    assert segment.mask.tolist() == expected.tolist()
    assert segment.box.target == 2


def test_a_segment_prints_its_box_alone() -> None:
    assert segments(scene())[0].lines() == (
        "x: 0.500000, y: 0.500000, w: 0.250000, h: 0.500000, score: 0.750000 target: 2\n"
    )


def test_a_segment_scoring_just_a_quarter_stays_and_the_later_class_wins() -> None:
    arrays = scene()
    arrays[0][0, 4:7, 11, 0] = 0.25
    (segment,) = segments(arrays)
    assert (segment.box.score, segment.box.target) == (0.25, 2)


def test_segments_hide_one_another_within_their_class_only() -> None:
    arrays = scene()
    arrays[0][0, :, 12] = arrays[0][0, :, 11]
    assert len(segments(arrays)) == 1
    arrays[0][0, 4:7, 12, 0] = 0, 0.5, 0
    assert [segment.box.target for segment in segments(arrays)] == [1, 2]


def test_int8_segments_are_not_decoded() -> None:
    arrays = [array.astype(np.int8) for array in scene()]
    with pytest.raises(UnsupportedTypeError, match="int8"):
        segments(arrays)


# Classes.


def classes(values: list[float], dtype: str = "float32", scale: float = 1.0) -> list[Any]:
    array = np.array(values).astype(dtype).reshape(1, -1, 1, 1)
    return list(classifier.decode(described([array], [scale]), [array], False))


def test_classes_above_a_tenth_come_best_first() -> None:
    found = classes([0.1, 0.15, 0.5, 0.05, 0.15])
    assert [label.target for label in found] == [2, 4, 1]
    assert found[0].lines() == "score: 0.500000 target: 2\n"


def test_a_tenth_is_the_float_next_to_it() -> None:
    above = float(np.nextafter(np.float32(0.1), np.float32(1)))
    assert [label.target for label in classes([float(np.float32(0.1)), above])] == [1]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint16"])
def test_quantized_classes_are_percent_when_the_scale_is_large(dtype: str) -> None:
    (label,) = classes([3, 60], dtype, 0.0078125)
    assert (label.target, label.score) == (1, 60 * 0.0078125)
    (label,) = classes([3, 60], dtype, 1.0)
    assert label.score == pytest.approx(0.6)


def test_int32_classes_are_not_decoded() -> None:
    with pytest.raises(UnsupportedTypeError, match="int32"):
        classes([1, 0], "int32")
