"""Outputs are compared to the bit, whatever they hold; what arrives damaged is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cvimodels import write_cvimodel
from PIL import Image

from recam_deploy.cvimodel import read_model
from recam_deploy.cvimodel.values import read_packed
from recam_deploy.errors import SimulatorError
from recam_deploy.workflows.exact import Difference, ExactReport, difference, model_input


def values(*numbers: float) -> list[Any]:
    return [np.array(numbers, np.float32).reshape(1, -1)]


def test_equal_outputs_are_equal_even_where_they_are_no_numbers() -> None:
    outputs = values(1.0, float("nan"), float("inf"), -0.0)
    assert difference(outputs, values(1.0, float("nan"), float("inf"), -0.0)) == Difference(
        4, 0, 0.0
    )


@pytest.mark.parametrize(
    ("found", "different", "largest"),
    [
        ((1.0, 2.0, 3.5), 1, 0.5),
        ((-1.0, 2.0, 3.25), 2, 2.0),
        ((1.0, 2.0, float(np.nextafter(np.float32(3), np.float32(4)))), 1, 2.0**-22),
        ((1.0, 2.0, float("nan")), 1, None),
        ((1.0, float("inf"), 2.0), 2, None),
    ],
)
def test_every_other_bit_is_counted(
    found: tuple[float, ...], different: int, largest: float | None
) -> None:
    assert difference(values(1.0, 2.0, 3.0), values(*found)) == Difference(3, different, largest)


def test_a_negative_nought_is_another_bit_pattern() -> None:
    assert difference(values(0.0), values(-0.0)) == Difference(1, 1, 0.0)


def test_outputs_of_other_sizes_are_not_compared() -> None:
    with pytest.raises(SimulatorError, match="different sizes"):
        difference(values(1.0), values(1.0, 2.0))


def test_the_document_is_json_whatever_differs() -> None:
    report = ExactReport(Difference(3, 1, None), None, "it is gone", 1.5)
    assert not report.equal
    document = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert document["simulator"]["largest_difference"] is None
    assert document["no_emulator"] == "it is gone"


def test_a_picture_is_fitted_to_the_models_input(tmp_path: Path) -> None:
    Image.new("RGB", (128, 64), (10, 20, 30)).save(tmp_path / "a.png")
    layout = read_model(write_cvimodel(tmp_path / "m.cvimodel"))
    image = model_input(layout, tmp_path / "a.png")
    assert image.shape == (64, 64, 3)
    assert image[32, 32].tolist() == [10, 20, 30]


TENSORS = [
    {"dtype": "int8", "shape": [1, 3], "bytes": 3, "qscale": 0.5, "zero_point": 0},
    {"dtype": "float32", "shape": [2], "bytes": 8, "qscale": 0.0, "zero_point": 0},
]


def test_packed_outputs_are_read_image_by_image(tmp_path: Path) -> None:
    file = tmp_path / "out.bin"
    image = np.array([1, -2, 127], np.int8).tobytes() + np.array([1.5, -1], np.float32).tobytes()
    file.write_bytes(image + image[::-1][:3] + image[3:])
    first, second = read_packed(file, TENSORS, 2)
    assert [one.array.tolist() for one in first] == [[[0.5, -1.0, 63.5]], [1.5, -1.0]]
    assert second[1].array.tolist() == [1.5, -1.0]
    assert [one.dtype for one in first] == ["int8", "float32"]


@pytest.mark.parametrize("change", [b"x", None], ids=["a byte more", "a byte less"])
def test_packed_outputs_of_another_size_are_refused(tmp_path: Path, change: bytes | None) -> None:
    file = tmp_path / "out.bin"
    file.write_bytes(bytes(22) + change if change else bytes(21))
    with pytest.raises(ValueError, match="and not 22"):
        read_packed(file, TENSORS, 2)


def test_a_report_whose_shapes_do_not_fit_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "out.bin"
    file.write_bytes(bytes(11))
    wrong = [{**TENSORS[0], "shape": [4]}, TENSORS[1]]
    with pytest.raises(ValueError, match="reshape"):
        read_packed(file, wrong, 1)
