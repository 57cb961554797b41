"""The virtual camera fills a model's input with the bytes that the camera fills it with."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from virtual.sscma.factory import families
from virtual.sscma.input_image import Format, InputImage, frame_bytes, image_of, input_bytes
from virtual.sscma.tensors import Model

from .recorded import CASES, described, tensor

NAMES = {"yolo11_pose": "YOLO11-pose", "yolo11_seg": "YOLO11-seg", "IMCLS": "classifier"}
NAMES |= {"Yolo11": "YOLO11"}
"""The camera's classes to the names here."""

FORMATS = {1: Format.PACKED, 8: Format.PLANAR, 4: Format.GREY}
"""By ma_pixel_format_t."""

SIZES = json.loads((CASES / "classifier_sizes.json").read_text(encoding="utf-8"))


def recorded() -> tuple[NDArray[np.uint8], list[tuple[dict[str, Any], bytes]]]:
    """Read the picture, and of each case its description and the bytes in the tensor."""
    with np.load(CASES / "input_bytes.npz") as file:
        cases = json.loads(str(file["meta"]))["cases"]
        return file["picture"], [(case, file[case["bytes"]].tobytes()) for case in cases]


PICTURE, FILLED = recorded()


@pytest.mark.parametrize(("case", "expected"), FILLED)
def test_the_input_gets_the_cameras_bytes(case: dict[str, Any], expected: bytes) -> None:
    model = Model((tensor({"shape": case["input"], "dtype": case["dtype"]}, "in"),), ())
    image = image_of(model, families()[NAMES[case["family"]]])
    assert [image.width, image.height] == case["image"][:2]
    assert image.format is FORMATS[case["image"][2]]
    assert input_bytes(model, image, PICTURE) == expected


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_a_classifier_takes_a_packed_height_for_the_width(
    shape: list[int], size: list[int]
) -> None:
    image = image_of(described([shape], [[1, 10]]), families()["classifier"])
    assert [image.width, image.height] == size


def test_live_a_planar_model_gets_brightness_and_colours_of_a_video_frame() -> None:
    grey = np.full((32, 32, 3), 90, np.uint8)
    model = described([[1, 3, 32, 32]], [])
    image = image_of(model, families()["YOLO11"])
    rows = np.frombuffer(frame_bytes(model, image, grey), np.uint8).reshape(48, 64)
    # Rows of 64 bytes: 32 of brightness, then 16 of colours, and the other half unused.
    assert (rows[:32, :32] == 90).all()
    assert (rows[32:, :32] == 128).all()
    assert not rows[:, 32:].any()


def test_live_a_packed_model_gets_its_rows_padded() -> None:
    pixels = np.full((32, 32, 3), 7, np.uint8)
    model = described([[1, 32, 32, 3]], [])
    filled = frame_bytes(model, InputImage(32, 32, Format.PACKED), pixels)
    rows = np.frombuffer(filled, np.uint8).reshape(24, 128)
    assert (rows[:, :96] == 7).all()
    assert not rows[:, 96:].any()
