"""Pictures of any kind are read as the compiler reads them, or refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recam_deploy.detection import pictures
from recam_deploy.detection.letterbox import Letterbox
from recam_deploy.detection.pictures import read_picture
from recam_deploy.errors import InputError


def test_grey_pictures_of_16_bits_keep_their_upper_byte(tmp_path: Path) -> None:
    """As OpenCV reads them; cut off at 255 they would be white."""
    grey = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    found = np.asarray(read_picture(tmp_path / "grey.png"))
    assert (found == (grey >> 8).astype(np.uint8)[..., None]).all()


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "wanted"),
    [
        ("L", 90, "jpg", (90, 90, 90)),
        ("LA", (90, 0), "png", (90, 90, 90)),
        ("RGBA", (200, 100, 50, 0), "png", (200, 100, 50)),
        ("P", 0, "png", (0, 0, 0)),
        ("1", 1, "png", (255, 255, 255)),
        ("CMYK", (0, 0, 0, 0), "jpg", (255, 255, 255)),
        ("YCbCr", (128, 128, 128), "tif", (128, 128, 128)),
        ("LAB", (255, 128, 128), "tif", (255, 255, 255)),
    ],
)
def test_every_kind_of_picture_becomes_rgb(
    tmp_path: Path, mode: str, colour: int | tuple[int, ...], suffix: str, wanted: tuple[int, ...]
) -> None:
    path = tmp_path / f"picture.{suffix}"
    Image.new(mode, (16, 8), colour).save(path)
    found = read_picture(path)
    assert (found.mode, found.size) == ("RGB", (16, 8))
    assert found.getpixel((3, 3)) == pytest.approx(wanted, abs=2)


def test_a_picture_is_turned_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (16, 8))
    picture.putpixel((0, 0), (255, 255, 255))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    found = read_picture(tmp_path / "turned.png")
    assert found.size == (8, 16)
    assert found.getpixel((7, 0)) == (255, 255, 255)


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000)])
def test_the_thinnest_pictures_can_be_letterboxed(size: tuple[int, int]) -> None:
    fitted = Letterbox.fit(size, (64, 64)).apply(Image.new("RGB", size, "white"))
    assert fitted.size == (64, 64)
    assert np.asarray(fitted).max() == 255


def test_a_picture_that_would_exhaust_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_PIXELS", 16 * 16)
    Image.new("RGB", (16, 16)).save(tmp_path / "good.png")
    Image.new("RGB", (17, 16)).save(tmp_path / "large.png")
    read_picture(tmp_path / "good.png")
    with pytest.raises(InputError, match="too large, with 17×16 pixels"):
        read_picture(tmp_path / "large.png")


def test_tall_pictures_are_sampled_as_whole_ones(tmp_path: Path) -> None:
    """They are taken out of Pillow strip by strip."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (1300, 20, 3), np.uint8)
    fitted = Letterbox.fit((20, 1300), (1300, 1300)).apply(Image.fromarray(pixels))
    assert (np.asarray(fitted)[:, 640:660] == pixels).all()
