"""The pictures that the virtual camera's channels hand out."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from virtual.pictures import DEFAULT, Frame, Pictures


@pytest.mark.parametrize("size", [(64, 64), (640, 360), (320, 700), (500, 31)])
def test_a_preview_shows_what_the_model_sees(size: tuple[int, int]) -> None:
    frame = Frame(1, Pictures(DEFAULT, 1.0).now())
    with Image.open(io.BytesIO(frame.jpeg(*size))) as image:
        assert (image.format, image.size) == ("JPEG", size)
        preview = np.asarray(image).astype(int)
    seen = frame.fitted(*size).astype(int)
    difference, elsewhere = (
        float(np.abs(np.roll(preview, pixels, axis=(0, 1)) - seen).mean()) for pixels in (0, 8)
    )
    assert difference * 4 < elsewhere


@pytest.mark.parametrize("size", [(1, 1), (8, 2000), (2000, 1)])
def test_a_preview_of_any_size_can_be_made(size: tuple[int, int]) -> None:
    frame = Frame(1, np.full((3, 400, 3), 255, np.uint8))
    with Image.open(io.BytesIO(frame.jpeg(*size))) as image:
        assert image.size == size
