"""The model's input and the drawn output, against OpenCV's own numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from virtual.sscma import drawing
from virtual.sscma.letterbox import letterbox, read_image, resize
from virtual.sscma.results import Box, Label, Pose, Segment


def ramp(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    values = np.arange(height * width * 3, dtype=np.int64) * 37 % 251
    return values.astype(np.uint8).reshape(height, width, 3)


# Made with cv2.resize (OpenCV 4.10, no IPP), INTER_LINEAR.
OPENCV = {
    (5, 7, 3, 4): [[49, 212, 187, 130], [90, 33, 227, 170], [129, 73, 47, 106]],
    (3, 4, 5, 6): [
        [0, 55, 129, 203, 152, 82],
        [77, 82, 106, 180, 129, 59],
        [193, 123, 71, 146, 94, 24],
        [158, 163, 162, 136, 134, 140],
        [135, 190, 223, 129, 161, 217],
    ],
    (1, 9, 2, 3): [[111, 193, 24], [111, 193, 24]],
    (6, 4, 4, 6): [
        [48, 72, 115, 189, 138, 68],
        [150, 174, 185, 133, 145, 169],
        [63, 118, 161, 109, 120, 145],
        [164, 125, 105, 179, 128, 58],
    ],
}


@pytest.mark.parametrize("size", sorted(OPENCV))
def test_interpolation_is_opencvs_to_the_last_bit(size: tuple[int, int, int, int]) -> None:
    height, width, new_height, new_width = size
    expected = OPENCV[size]
    assert resize(ramp(height, width), new_width, new_height)[:, :, 0].tolist() == expected


def test_exactly_half_averages_two_by_two() -> None:
    image = np.array([[0, 1], [2, 4]], np.uint8)[:, :, None].repeat(3, axis=2)
    assert resize(image, 1, 1)[0, 0].tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("height", "width", "inside"),
    [
        (100, 50, (slice(0, 64), slice(16, 48))),
        (50, 100, (slice(16, 48), slice(0, 64))),
        (64, 64, (slice(0, 64), slice(0, 64))),
        # 64 / 3 = 21.33: truncated, and the odd row of padding goes below.
        (10, 30, (slice(21, 42), slice(0, 64))),
    ],
)
def test_the_picture_stands_centred_on_zeros(
    height: int, width: int, inside: tuple[slice, slice]
) -> None:
    canvas = letterbox(np.full((height, width, 3), 200, np.uint8), 64, 64)
    assert (canvas[inside] == 200).all()
    canvas[inside] = 0
    assert not canvas.any()


def test_a_hair_thin_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="narrow"):
        letterbox(np.zeros((1, 1000, 3), np.uint8), 64, 64)


def test_pictures_are_turned_as_their_exif_says(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    read = read_image(tmp_path / "turned.jpg")
    assert read is not None
    assert read.shape == (40, 20, 3)


def test_grey_and_transparent_pictures_become_rgb(tmp_path: Path) -> None:
    for mode in ("L", "RGBA", "P"):
        Image.new(mode, (8, 6)).save(tmp_path / "picture.png")
        read = read_image(tmp_path / "picture.png")
        assert read is not None
        assert read.shape == (6, 8, 3)


def test_a_truncated_jpeg_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "picture.jpg"
    Image.effect_noise((200, 200), 60).convert("RGB").save(file, quality=95)
    file.write_bytes(file.read_bytes()[:6000])
    read = read_image(file)
    assert read is not None
    assert read.shape == (200, 200, 3)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp", "ppm"])
def test_of_a_file_cut_short_only_a_jpeg_is_read(tmp_path: Path, ending: str) -> None:
    whole, cut = tmp_path / f"whole.{ending}", tmp_path / f"cut.{ending}"
    Image.effect_noise((200, 200), 60).convert("RGB").save(whole)
    cut.write_bytes(whole.read_bytes()[:6000])
    assert read_image(whole) is not None
    assert read_image(cut) is None


def test_a_gif_is_not_read(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.gif")
    assert read_image(tmp_path / "picture.gif") is None


def test_transparency_counts_in_a_tiff_alone(tmp_path: Path) -> None:
    half = Image.new("RGBA", (4, 4), (200, 100, 0, 128))
    for ending, expected in (("tif", [100, 50, 0]), ("png", [200, 100, 0])):
        half.save(tmp_path / f"half.{ending}")
        read = read_image(tmp_path / f"half.{ending}")
        assert read is not None
        assert read[0, 0].tolist() == expected


def test_a_picture_that_its_format_has_no_colours_for_is_not_written(tmp_path: Path) -> None:
    assert not drawing.save(np.zeros((4, 4, 3), np.uint8), tmp_path / "out.pgm")
    assert not (tmp_path / "out.pgm").exists()


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_of_a_picture_of_16_bits_the_upper_byte_counts(tmp_path: Path, ending: str) -> None:
    values = np.array([[0, 255, 256], [0x1234, 0x8000, 0xFFFF]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"picture.{ending}")
    read = read_image(tmp_path / f"picture.{ending}")
    assert read is not None
    assert read[:, :, 0].tolist() == [[0, 0, 1], [0x12, 0x80, 0xFF]]
    assert (read == read[:, :, :1]).all()


@pytest.mark.parametrize("ending", ["png", "bmp", "webp", "tif", "tiff", "ppm"])
def test_a_picture_is_written_by_its_ending_without_loss(tmp_path: Path, ending: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    assert drawing.save(pixels, tmp_path / f"out.{ending}")
    read = read_image(tmp_path / f"out.{ending}")
    assert read is not None
    assert (read == pixels).all()


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff"])
def test_what_is_no_picture_reads_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    assert read_image(tmp_path / "x.jpg") is None
    assert read_image(tmp_path / "missing.jpg") is None


def test_boxes_are_drawn_in_their_class_colour_and_place() -> None:
    blank = np.zeros((320, 320, 3), np.uint8)
    box = Box(0.5, 0.5, 0.5, 0.25, 0.876, 5)
    picture = drawing.draw(blank, [box])
    assert picture[160, 80].tolist() == list(drawing.colour(5))
    assert picture[120, 160].tolist() == list(drawing.colour(5))
    assert not picture[160, 160].any()
    label = picture[90:112, 80:160]
    assert label.any()
    assert not blank.any()


def test_boxes_reaching_out_of_the_picture_do_no_harm() -> None:
    blank = np.zeros((64, 64, 3), np.uint8)
    drawing.draw(blank, [Box(0.0, 0.0, 3.0, 3.0, 0.5, 79), Box(0.9, 0.9, -0.1, -0.1, 0.3, 0)])


def painted(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> list[str]:
    return ["".join(".#"[bool(pixel.any())] for pixel in row) for row in picture]


# Made with cv2.rectangle (OpenCV 4.10) from (6, 6) to (16, 15), widths 2 and 3: the rows
# from the top to below the upper side.
CORNERS = {
    drawing.POSE_LINE: [
        "...................",
        "......###########..",
        ".....#############.",
        ".....#############.",
        ".....###.......###.",
    ],
    drawing.BOX_LINE: [
        "......###########..",
        ".....#############.",
        "....###############",
        "....###############",
        "....###############",
        "....#####.....#####",
    ],
}


@pytest.mark.parametrize("line", sorted(CORNERS))
def test_outlines_are_opencvs_to_the_pixel(line: int) -> None:
    blank = np.zeros((32, 32, 3), np.uint8)
    box = Box(11 / 32, 10.5 / 32, 10 / 32, 9 / 32, 0.5, 0)
    result = box if line == drawing.BOX_LINE else Pose(box, ())
    picture = drawing.draw(blank, [result])
    expected = CORNERS[line]
    assert painted(picture[4 : 4 + len(expected), :19]) == expected


def test_keypoints_are_opencvs_discs_whether_visible_or_not() -> None:
    blank = np.zeros((64, 64, 3), np.uint8)
    pose = Pose(Box(0.9, 0.9, 0.1, 0.1, 0.5, 3), ((10 / 64, 12 / 64), (-5.0, 9.0)))
    picture = drawing.draw(blank, [pose])
    # Made with cv2.circle (OpenCV 4.10), radius 4, filled.
    assert painted(picture[8:17, 6:15]) == [
        "....#....",
        "..#####..",
        ".#######.",
        ".#######.",
        "#########",
        ".#######.",
        ".#######.",
        "..#####..",
        "....#....",
    ]
    assert picture[12, 10].tolist() == list(drawing.colour(3))


def test_a_pixel_is_found_in_single_precision() -> None:
    blank = np.zeros((640, 640, 3), np.uint8)
    point = float(np.float32(84) / np.float32(640))
    picture = drawing.draw(blank, [Pose(Box(0.9, 0.9, 0, 0, 0.5, 0), ((point, point),))])
    assert painted(picture[80:81, 84:85]) == ["#"]


def masked(target: int, *cells: tuple[int, int]) -> Segment:
    mask = np.zeros((8, 8), np.bool_)
    for cell in cells:
        mask[cell] = True
    return Segment(Box(0.5, 0.5, 1.0, 1.0, 0.5, target), mask)


def test_masks_are_blended_half_and_half_with_no_box_or_number() -> None:
    pixels = np.full((32, 32, 3), 101, np.uint8)
    picture = drawing.draw(pixels, [masked(0, (2, 3), (2, 4)), masked(1, (2, 4))])
    # 101 / 2 and 255 / 2 to the nearest even number: 50 and 128.
    assert picture[8:12, 12:16].reshape(-1, 3).tolist() == [[50, 178, 50]] * 16
    # Class 1 (0, 170, 255) stands over class 0.
    assert picture[8:12, 16:20].reshape(-1, 3).tolist() == [[50, 135, 178]] * 16
    picture = picture.copy()
    picture[8:12, 12:20] = 101
    assert (picture == 101).all()
    assert (pixels == 101).all()


def test_white_under_a_mask_does_not_wrap_round() -> None:
    pixels = np.full((32, 32, 3), 255, np.uint8)
    assert drawing.draw(pixels, [masked(0, (0, 0))])[0, 0].tolist() == [128, 255, 128]


def test_the_class_of_a_picture_stands_in_its_corner() -> None:
    blank = np.zeros((224, 224, 3), np.uint8)
    picture = drawing.draw(blank, [Label(0.367, 734)])
    rows, columns = np.nonzero(picture.any(axis=2))
    assert 0 <= rows.min() <= 3
    assert 24 <= rows.max() <= 28
    assert 18 <= columns.min() <= 23
    ink = drawing.colour(734)
    assert tuple(picture.reshape(-1, 3).max(axis=0).tolist()) == ink


def test_scores_that_are_no_numbers_and_far_places_do_no_harm() -> None:
    blank = np.zeros((64, 64, 3), np.uint8)
    worst = Box(float("nan"), float("inf"), 3e38, -3e38, float("nan"), 0)
    points = ((float("nan"), 1e30), (-1e30, float("inf")))
    drawing.draw(blank, [worst, Pose(worst, points), Label(float("inf"), 3)])


def test_every_number_can_be_lettered() -> None:
    assert set("0123456789(.)-") <= set(drawing.GLYPHS)


def test_saving_follows_the_names_ending(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    assert drawing.save(pixels, tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.format == "JPEG"
    assert not drawing.save(pixels, tmp_path / "no" / "folder.jpg")
    with pytest.raises(ValueError, match="extension"):
        drawing.save(pixels, tmp_path / "out.xyz")
