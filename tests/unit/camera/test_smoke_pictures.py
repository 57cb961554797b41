"""Pictures on their way to the camera, and boxes on their way back."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from recam_deploy.artifact import Artifact
from recam_deploy.camera.smoke_test.output import RawBox, RawClass, SscmaOutput
from recam_deploy.camera.smoke_test.picture import CameraPicture, prepare_picture
from recam_deploy.camera.smoke_test.run import find_detections
from recam_deploy.errors import InputError

ARTIFACT = Artifact(Path("m.cvimodel"), None, "m", "a" * 64, 1, "cv181x", labels=("zero",))


def test_a_plain_jpeg_is_sent_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "in.jpg"
    Image.new("RGB", (40, 20), "red").save(path)
    picture = prepare_picture(path)
    assert picture.jpeg == path.read_bytes()
    assert picture.sent_size == (40, 20)


def test_a_rotated_picture_is_sent_upright(tmp_path: Path) -> None:
    path = tmp_path / "in.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20), "red").save(path, exif=exif)
    picture = prepare_picture(path)
    sent = Image.open(io.BytesIO(picture.jpeg))
    assert (sent.size, picture.sent_size, picture.original.size) == ((20, 40),) * 3
    assert sent.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "1", "LA"])
def test_a_png_is_sent_as_an_rgb_jpeg(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "in.png"
    Image.new(mode, (40, 20)).save(path)
    sent = Image.open(io.BytesIO(prepare_picture(path).jpeg))
    assert (sent.format, sent.mode, sent.size) == ("JPEG", "RGB", (40, 20))


def test_a_cmyk_jpeg_is_sent_as_rgb(tmp_path: Path) -> None:
    path = tmp_path / "in.jpg"
    Image.new("CMYK", (40, 20)).save(path)
    assert Image.open(io.BytesIO(prepare_picture(path).jpeg)).mode == "RGB"


def test_a_huge_picture_is_sent_smaller_and_kept_as_it_is_here(tmp_path: Path) -> None:
    path = tmp_path / "in.jpg"
    Image.new("RGB", (8192, 16)).save(path)
    picture = prepare_picture(path)
    assert picture.sent_size == (4096, 8)
    assert picture.original.size == (8192, 16)


def test_a_picture_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.jpg"
    Image.effect_noise((200, 200), 50).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError):
        prepare_picture(path)


def picture(original: tuple[int, int], sent: tuple[int, int]) -> CameraPicture:
    return CameraPicture(b"", sent, Image.new("RGB", original))


def test_boxes_come_back_in_pixels_of_the_original() -> None:
    # 200 x 100 in a 100 x 100 input: half the size, rows 25 to 75.
    said = SscmaOutput(boxes=(RawBox(0.5, 0.5, 0.5, 0.25, 0.9, 0),))
    (found,) = find_detections(said, ARTIFACT, picture((200, 100), (200, 100)), (100, 100))
    assert found.box == pytest.approx((50, 25, 150, 75))
    assert (found.label, found.score) == ("zero", 0.9)


def test_boxes_of_a_picture_sent_smaller_are_scaled_back() -> None:
    said = SscmaOutput(boxes=(RawBox(0.5, 0.5, 0.5, 0.25, 0.9, 0),))
    (found,) = find_detections(said, ARTIFACT, picture((800, 400), (200, 100)), (100, 100))
    assert found.box == pytest.approx((200, 100, 600, 300))


def test_the_surest_comes_first_and_unknown_classes_are_numbers() -> None:
    boxes = (RawBox(0.5, 0.5, 2, 2, 0.4, 7), RawBox(0.5, 0.5, 0.1, 0.1, 0.8, 0))
    found = find_detections(
        SscmaOutput(boxes=boxes), ARTIFACT, picture((100, 100), (100, 100)), (100, 100)
    )
    assert [d.label for d in found] == ["zero", "7"]
    assert found[1].box == (0, 0, 100, 100)


def test_a_class_stands_for_the_whole_picture() -> None:
    said = SscmaOutput(classes=(RawClass(0.7, 0),))
    (found,) = find_detections(said, ARTIFACT, picture((30, 20), (30, 20)), (100, 100))
    assert (found.label, found.box) == ("zero", (0, 0, 30, 20))
