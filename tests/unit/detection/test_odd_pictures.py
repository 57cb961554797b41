"""Odd, malformed and foreign files under a picture's name: read, or refused with the cause."""

from __future__ import annotations

import io
import os
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from recam_deploy.detection.metadata import orientation_of, without_metadata
from recam_deploy.detection.pictures import read_header, read_picture, read_thumbnail
from recam_deploy.errors import InputError

ORIENTATION_6 = (0x0112, 3, 1, struct.pack("<HH", 6, 0))


def exif(
    *entries: tuple[int, int, int, bytes], more: bytes = b"", count: int | None = None
) -> bytes:
    """A TIFF structure with these entries in its first directory, `more` behind them."""
    body = b"".join(struct.pack("<HHL", tag, kind, n) + value for tag, kind, n, value in entries)
    head = struct.pack("<2sHLH", b"II", 42, 8, len(entries) if count is None else count)
    return head + body + struct.pack("<L", 0) + more


BEHIND = struct.pack("<L", 8 + 2 + 2 * 12 + 4)
MALFORMED = {
    "a rational of -1/0": exif(
        ORIENTATION_6, (0x011A, 10, 1, BEHIND), more=struct.pack("<ll", -1, 0)
    ),
    "a rational of 1/0": exif(ORIENTATION_6, (0x011A, 5, 1, BEHIND), more=struct.pack("<LL", 1, 0)),
    "a resolution in text": exif(ORIENTATION_6, (0x011A, 2, 4, b"abc\0")),
    "a NaN": exif(ORIENTATION_6, (0x011A, 11, 1, struct.pack("<f", float("nan")))),
    "a width in text": exif(ORIENTATION_6, (0x0100, 2, 4, b"12a\0")),
    "text beyond the end": exif(ORIENTATION_6, (0x010F, 2, 5000, struct.pack("<L", 90000))),
    "a directory beyond the end": exif(ORIENTATION_6, (0x8769, 4, 1, struct.pack("<L", 90000))),
    "a directory in text": exif(ORIENTATION_6, (0x8825, 2, 4, b"abc\0")),
    "an unknown type": exif(ORIENTATION_6, (0x9999, 77, 1, b"abcd")),
    "more entries than there are": exif(ORIENTATION_6, count=60000),
    "a second header": b"Exif\0\0" + exif(ORIENTATION_6),
    "a long orientation": exif((0x0112, 4, 1, struct.pack("<L", 6))),
}


@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_case_9_a_picture_is_turned_whatever_else_its_exif_holds(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    path = tmp_path / f"phone.{suffix}"
    Image.new("RGB", (40, 20)).save(path, exif=b"Exif\0\0" + MALFORMED[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture(path).size == (20, 40)


@pytest.mark.parametrize(
    "block",
    [b"", b"garbage", exif(), exif((0x0112, 3, 1, b"\x09\0\0\0")), exif((0x0112, 2, 2, b"6\0\0\0"))]
    + [exif(ORIENTATION_6)[:length] for length in range(0, 20, 3)],
)
def test_case_9_exif_without_an_orientation_turns_nothing(tmp_path: Path, block: bytes) -> None:
    assert orientation_of(block) is None
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + block)
    assert read_picture(tmp_path / "a.jpg").size == (40, 20)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "tif", "avif"])
def test_all_orientations_are_turned_as_pillow_turns_them(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    from PIL import ImageOps

    path = tmp_path / f"turned.{suffix}"
    tags = Image.Exif()
    tags[0x0112] = orientation
    noise = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)
    Image.fromarray(noise).save(path, exif=tags)
    with Image.open(path) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert np.array_equal(np.asarray(read_picture(path)), wanted)


def big_text(image: Image.Image, path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "A" * 3_000_000, zip=True)
    image.save(path, pnginfo=info)


def big_international_text(image: Image.Image, path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("Comment", "A" * 3_000_000, zip=True)
    image.save(path, pnginfo=info)


def big_profile(image: Image.Image, path: Path) -> None:
    image.save(path, icc_profile=b"\0" * 3_000_000)


def much_text(image: Image.Image, path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    for number in range(66):
        info.add_text(f"Comment {number}", "A" * 1_000_000, zip=True)
    image.save(path, pnginfo=info)


def turned_with_text(image: Image.Image, path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "A" * 3_000_000, zip=True)
    turned = image.transpose(Image.Transpose.ROTATE_90)  # which orientation 6 turns back
    turned.save(path, pnginfo=info, exif=b"Exif\0\0" + exif(ORIENTATION_6))


@pytest.mark.parametrize(
    "save", [big_text, big_international_text, big_profile, much_text, turned_with_text]
)
def test_case_8_metadata_of_any_size_leave_the_pixels_as_they_are(
    tmp_path: Path, save: Callable[[Image.Image, Path], None]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 40, 3), np.uint8)
    save(Image.fromarray(pixels), tmp_path / "a.png")
    assert np.array_equal(np.asarray(read_picture(tmp_path / "a.png")), pixels)
    assert read_thumbnail(tmp_path / "a.png").shape == (16, 16)


FORMATS = {"JPEG": ("L", "RGB", "CMYK"), "PNG": ("L", "P", "RGB", "RGBA"), "WEBP": ("RGB", "RGBA")}


@pytest.mark.parametrize(
    ("kind", "mode"), [(kind, mode) for kind, modes in FORMATS.items() for mode in modes]
)
def test_a_picture_without_its_metadata_has_the_same_pixels(kind: str, mode: str) -> None:
    stream = io.BytesIO()
    profile = bytes(range(256))
    Image.new("L", (24, 16), 90).convert(mode).save(
        stream, kind, exif=b"Exif\0\0" + exif(ORIENTATION_6), icc_profile=profile, comment="a"
    )
    bare = without_metadata(stream.getvalue())
    assert bare is not None
    assert orientation_of(bare.exif) == 6
    assert len(bare.data) < len(stream.getvalue()) - 256
    with Image.open(stream) as whole, Image.open(io.BytesIO(bare.data)) as stripped:
        assert not stripped.getexif()
        assert whole.mode == stripped.mode
        assert np.array_equal(np.asarray(whole), np.asarray(stripped))


SCALE = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
DEEP = {
    "floats to 1": SCALE,
    "floats to 255": SCALE * 255,
    "floats to 65535": SCALE * 65535,
    "floats from -1": SCALE * 2 - 1,
    "bright floats": SCALE * 2.5,
    "faint floats": SCALE * 1e-3,
    "huge floats": SCALE * 1e30,
    "12 bits": (SCALE * 4095).astype(np.uint16),
    "10 bits": (SCALE * 1023).astype(np.uint16),
    "16 bits": (SCALE * 65535).astype(np.uint16),
    "8 bits in 16": (SCALE * 255).astype(np.uint16),
    "32 bits": (SCALE * (1 << 30)).astype(np.int32),
    "signed 32 bits": ((SCALE - 0.5) * (1 << 30)).astype(np.int32),
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_and_float_pictures_are_scaled_and_never_black(tmp_path: Path, kind: str) -> None:
    """Found on the way: a float TIFF was calibrated on as all black."""
    Image.fromarray(DEEP[kind]).save(tmp_path / "deep.tif")
    (tmp_path / "deep.tif").rename(tmp_path / "deep.jpg")
    found = np.asarray(read_picture(tmp_path / "deep.jpg"))[..., 0]
    assert np.abs(found.astype(int) - SCALE * 255).max() <= 2


def test_values_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    holes = SCALE.copy()
    holes[0, :2], holes[1, 0] = np.nan, np.inf
    Image.fromarray(holes).save(tmp_path / "holes.tif")
    found = np.asarray(read_picture(tmp_path / "holes.tif"))[..., 0]
    assert (found[0, 0], found[1, 0], found[-1, -1]) == (0, 255, 255)
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(tmp_path / "none.tif")
    with pytest.raises(InputError, match="no finite values"):
        read_picture(tmp_path / "none.tif")


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif", "avif"])
def test_of_an_animation_the_first_frame_is_read(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    found = read_picture(tmp_path / f"a.{suffix}")
    assert found.getpixel((3, 3)) == pytest.approx((255, 0, 0), abs=8)


def test_what_a_file_is_counts_and_not_its_name(tmp_path: Path) -> None:
    for name in ("GIF", "TIFF", "PPM", "ICO", "TGA", "QOI"):
        Image.new("RGB", (16, 16), "red").save(tmp_path / "a.jpg", name)
        assert read_picture(tmp_path / "a.jpg").getpixel((0, 0)) == (255, 0, 0), name


def test_a_heic_picture_is_read_upright(tmp_path: Path) -> None:
    """As an iPhone's: the file itself says how it is turned."""
    pillow_heif = pytest.importorskip("pillow_heif")
    Image.new("RGB", (64, 32), "red").save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        pillow_heif.from_pillow(image).save(tmp_path / "IMG_1.jpg")
    found = read_picture(tmp_path / "IMG_1.jpg")
    assert found.size == (64, 32)
    assert found.getpixel((9, 9)) == pytest.approx((255, 0, 0), abs=8)


MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"
NO_PICTURES: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "it is empty", "Download"),
    "zeros": (bytes(2000), "nothing but zeros", "Download"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer", "git lfs pull"),
    "git-annex": (b"/annex/objects/SHA256E-s1--a.jpg\n", "git-annex", "git annex get"),
    "web page": (b"\n<!DOCTYPE html><html>", "a web page", "not the page"),
    "error page": (b'<?xml version="1.0"?><Error>', "an XML document", "error message"),
    "SVG": (b'<?xml version="1.0"?><svg width="1">', "an SVG drawing", "Save it as"),
    "text": (b"hello", "not a picture, but text", "Replace"),
    "ZIP": (b"PK\x03\x04rest", "a zip archive", "Unpack"),
    "PDF": (b"%PDF-1.7", "a PDF document", "Save it as"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript", "Save it"),
    "MP4": (MP4, "a video", "ffmpeg"),
    "AVI": (b"RIFF\x10\0\0\0AVI LIST", "a video", "ffmpeg"),
    "WebM": (b"\x1a\x45\xdf\xa3\x01", "a video", "ffmpeg"),
    "JPEG XL": (b"\xff\x0a\x00", "a JPEG XL picture", "Save it as"),
    "macOS": (b"\x00\x05\x16\x07\x00", "macOS", "copy the file"),
    "bytes": (bytes(range(200, 256)), "not a picture", "Replace"),
    "cut JPEG": (b"\xff\xd8\xff", "cut short", "Replace"),
    "cut PNG": (b"\x89PNG\r\n\x1a\n", "cut short", "Replace"),
}


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_what_is_no_picture_is_named_with_the_cause(tmp_path: Path, kind: str) -> None:
    content, cause, hint = NO_PICTURES[kind]
    path = tmp_path / "bus.jpg"
    path.write_bytes(content)
    for read in (read_picture, read_thumbnail):
        with pytest.raises(InputError, match=r"bus\.jpg cannot be read as a picture: ") as caught:
            read(path)
        assert cause in caught.value.message
        assert hint in caught.value.hint
    assert read_header(path) is None


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe would be waited for without end."""
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", tmp_path, tmp_path / "none.jpg", Path("/dev/zero")):
        with pytest.raises(InputError, match="cannot be read as a picture: "):
            read_picture(path)


@pytest.mark.parametrize(
    "error", [ValueError("a"), TypeError, struct.error, RecursionError, MemoryError, KeyError(3)]
)
def test_whatever_pillow_raises_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = tmp_path / "bus.jpg"
    Image.new("RGB", (16, 16)).save(path)

    def failing(*_: Any) -> None:
        raise error

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", failing)
    with pytest.raises(InputError, match=r"bus\.jpg cannot be read as a picture: "):
        read_picture(path)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "bomb.ppm").write_bytes(b"P6 60000 60000 255\n")
    with pytest.raises(InputError, match="too large"):
        read_picture(tmp_path / "bomb.ppm")
