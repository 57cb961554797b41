"""A picture's upright size is told by its header, as reading all of it would."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from recam_deploy.detection import pictures
from recam_deploy.detection.pictures import read_picture, read_size
from recam_deploy.errors import InputError


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_the_size_is_that_of_the_picture_as_read(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    path = tmp_path / "a"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (30, 20)).save(path, kind, exif=exif.tobytes())
    assert read_size(path, path.read_bytes()) == read_picture(path).size


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pixels_are_not_decoded_for_it(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    Image.new("RGB", (30, 20)).save(path, kind)
    monkeypatch.setattr(pictures, "read_picture", None)
    assert read_size(path, path.read_bytes()) == (30, 20)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    Image.effect_noise((300, 200), 50).convert("RGB").save(path, kind)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(InputError, match="cannot be read as a picture"):
        read_size(path, path.read_bytes())


def test_bytes_behind_the_end_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a"
    Image.new("RGB", (30, 20)).save(path, "JPEG")
    path.write_bytes(path.read_bytes() + b"more of the maker's")
    assert read_size(path, path.read_bytes()) == (30, 20)
