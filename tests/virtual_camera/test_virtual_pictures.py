"""What the virtual camera sees: the pictures that a user gives it, whatever else lies there."""

from __future__ import annotations

import logging
import os
import shlex
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from virtual import picture_file, pictures
from virtual.layout import SetupError
from virtual.picture_file import PictureError, read_frame
from virtual.pictures import Pictures
from virtual.sscma.letterbox import read_image


def put(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 8), colour).save(path, "PNG")
    return path


def malformed(path: Path) -> Path:
    """Orientation 6, and a resolution of another type than EXIF's."""
    entries = struct.pack("<HHLHH", 0x0112, 3, 1, 6, 0) + struct.pack(
        "<HHL4s", 0x011A, 2, 4, b"abc"
    )
    block = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + entries + bytes(4)
    Image.new("RGB", (40, 20)).save(path, exif=block)
    return path


def test_case_9_malformed_exif_turns_the_picture_and_harms_nothing(tmp_path: Path) -> None:
    """As the camera's test program reads it, and as its sensor sees it."""
    path = malformed(tmp_path / "a.jpg")
    read = read_image(path)
    assert read is not None
    assert read.shape == read_frame(path).shape == (40, 20, 3)


def test_case_8_text_of_any_size_in_a_png_is_passed_over(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "A" * 3_000_000, zip=True)
    Image.new("RGB", (16, 8), "red").save(tmp_path / "a.png", pnginfo=info)
    read = read_image(tmp_path / "a.png")
    assert read is not None
    assert (read == read_frame(tmp_path / "a.png")).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"<!DOCTYPE html>", "web page"),
        (b"\xff\xd8\xff", "no picture, or damaged"),
        (None, "no file"),
    ],
)
def test_what_is_no_picture_is_told(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is None:
        os.mkfifo(tmp_path / "a.jpg")
    else:
        (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(PictureError, match=reason):
        read_frame(tmp_path / "a.jpg")


@pytest.mark.parametrize("scale", [1.0, 255.0, 3.0, 65535.0])
def test_float_pictures_are_scaled_and_not_black(tmp_path: Path, scale: float) -> None:
    values = np.linspace(0, scale, 256, dtype=np.float32).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "a.tif")
    frame = read_frame(tmp_path / "a.tif")[..., 0].astype(int)
    assert np.abs(frame.ravel() - np.arange(256)).max() <= 1


def test_subfolders_are_seen_and_links_back_are_not_followed(tmp_path: Path) -> None:
    put(tmp_path / "images" / "val" / "a.png")
    put(tmp_path / "masks" / "a.png", "white")
    (tmp_path / "images" / "up").symlink_to("..")
    put(tmp_path / ".hidden" / "b.png", "blue")
    seen = Pictures(tmp_path, 0.001)
    assert {tuple(seen.now()[0, 0]) for _ in range(20)} == {(255, 0, 0)}


def test_unreadable_pictures_are_passed_over_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    put(tmp_path / "b.png", "red")
    (tmp_path / "c.jpg").write_bytes(b"text")
    put(tmp_path / "d.png", "blue")
    clock = [0.0]
    monkeypatch.setattr("virtual.pictures.time.monotonic", lambda: clock[0])
    with caplog.at_level(logging.WARNING):
        seen = Pictures(tmp_path, 1.0)
        colours = []
        for second in range(5):
            clock[0] = second + 0.5
            colours.append(tuple(int(value) for value in seen.now()[0, 0]))
    red, blue = (255, 0, 0), (0, 0, 255)
    assert colours == [red, red, blue, blue, red]
    assert [record.message.split(" is passed")[0] for record in caplog.records] == [
        f"picture {tmp_path / 'a.jpg'}",
        f"picture {tmp_path / 'c.jpg'}",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jpg", b"text", "no picture that can be read; .*a.jpg"),
        ("a.txt", b"text", "holds no pictures"),
        (None, b"", "No such file"),
    ],
)
def test_a_folder_without_pictures_is_refused_at_the_start(
    tmp_path: Path, name: str | None, content: bytes, message: str
) -> None:
    folder = tmp_path / "folder"
    if name:
        folder.mkdir()
        (folder / name).write_bytes(content)
    with pytest.raises(SetupError, match=message):
        Pictures(folder, 1.0)


def test_case_14_a_folder_of_heic_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package that reads them is hidden, as where it is not installed."""
    monkeypatch.setattr(pictures, "endings", lambda: {".jpg", ".png"})
    for number in range(3):
        (tmp_path / f"IMG_{number}.HEIC").write_bytes(b"x")
    with pytest.raises(SetupError, match="3 HEIC pictures.*to JPEG, or run: ") as caught:
        Pictures(tmp_path, 1.0)
    words = shlex.split(str(caught.value).rpartition("run: ")[2])
    assert sys.executable in words
    assert words[-1] == "pillow-heif"
    put(tmp_path / "a.png")
    assert Pictures(tmp_path, 1.0).now().shape == (8, 16, 3)


def test_case_14_one_heic_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_file, "formats", lambda: ("JPEG", "PNG"))
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(PictureError, match="HEIC is not read.* pillow-heif"):
        read_frame(tmp_path / "IMG_1.HEIC")


def test_one_picture_is_seen_alone(tmp_path: Path) -> None:
    assert Pictures(put(tmp_path / "a.png"), 1.0).now().shape == (8, 16, 3)
