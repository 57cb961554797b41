"""The picture that ``sscma-model`` writes: what it found, on the letterboxed input.

Source: ``solutions/sscma-model/main/main.cpp`` in sscma-example-sg200x. A class number
stands with its score as ``"%d(%.3f)"``, width 2: 10 pixels above a box at scale 0.6, at
(20, 20) for a class of the whole picture at scale 0.8 (several are written one over the
other). Boxes have width 3, those of a pose width 2, its keypoints are discs of radius
4; masks are blended in half and half, with neither box nor number. Lines and discs are
OpenCV's to the pixel. Strokes of the digits are those of Hershey's Roman Simplex,
OpenCV's ``FONT_HERSHEY_SIMPLEX``; their edges differ from OpenCV's by anti-aliasing.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from .results import Box, Label, Pose, Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .results import Result

Colour = tuple[int, int, int]

# As the numbers stand in the camera's palette. It draws on an RGB picture, so its
# first component comes out as red.
PALETTE: tuple[Colour, ...] = (
    (0, 255, 0), (0, 170, 255), (0, 128, 255), (0, 64, 255), (0, 0, 255), (170, 0, 255),
    (128, 0, 255), (64, 0, 255), (0, 0, 255), (255, 0, 170), (255, 0, 128), (255, 0, 64),
    (255, 128, 0), (255, 255, 0), (128, 255, 0), (0, 255, 128), (0, 255, 255),
    (0, 128, 128), (128, 0, 255), (255, 0, 255), (128, 128, 255), (255, 128, 128),
    (255, 64, 64), (64, 255, 64), (64, 64, 255), (128, 255, 255), (255, 255, 128),
)  # fmt: skip

# Hershey strokes: advance width, then polylines of x,y points, y up from the base line.
GLYPHS: dict[str, tuple[int, tuple[str, ...]]] = {
    "0": (
        20,
        ("9,21 6,20 4,17 3,12 3,9 4,4 6,1 9,0 11,0 14,1 16,4 17,9 17,12 16,17 14,20 11,21 9,21",),
    ),
    "1": (
        20,
        ("6,17 8,18 11,21 11,0",),
    ),
    "2": (
        20,
        ("4,16 4,17 5,19 6,20 8,21 12,21 14,20 15,19 16,17 16,15 15,13 13,10 3,0 17,0",),
    ),
    "3": (
        20,
        ("5,21 16,21 10,13 13,13 15,12 16,11 17,8 17,6 16,3 14,1 11,0 8,0 5,1 4,2 3,4",),
    ),
    "4": (
        20,
        ("13,21 3,7 18,7", "13,21 13,0"),
    ),
    "5": (
        20,
        ("15,21 5,21 4,12 5,13 8,14 11,14 14,13 16,11 17,8 17,6 16,3 14,1 11,0 8,0 5,1 4,2 3,4",),
    ),
    "6": (
        20,
        (
            "16,18 15,20 12,21 10,21 7,20 5,17 4,12 4,7 5,3 7,1 10,0 11,0 14,1 16,3 17,6 "
            "17,7 16,10 14,12 11,13 10,13 7,12 5,10 4,7",
        ),
    ),
    "7": (
        20,
        ("17,21 7,0", "3,21 17,21"),
    ),
    "8": (
        20,
        (
            "8,21 5,20 4,18 4,16 5,14 7,13 11,12 14,11 16,9 17,7 17,4 16,2 15,1 12,0 8,0 "
            "5,1 4,2 3,4 3,7 4,9 6,11 9,12 13,13 15,14 16,16 16,18 15,20 12,21 8,21",
        ),
    ),
    "9": (
        20,
        (
            "16,14 15,11 13,9 10,8 9,8 6,9 4,11 3,14 3,15 4,18 6,20 9,21 10,21 13,20 "
            "15,18 16,14 16,9 15,4 13,1 10,0 8,0 5,1 4,3",
        ),
    ),
    "(": (
        14,
        ("11,25 9,23 7,20 5,16 4,11 4,7 5,2 7,-2 9,-5 11,-7",),
    ),
    ")": (
        14,
        ("3,25 5,23 7,20 9,16 10,11 10,7 9,2 7,-2 5,-5 3,-7",),
    ),
    ".": (
        10,
        ("5,2 4,1 5,0 6,1 5,2",),
    ),
    "-": (
        26,
        ("4,9 22,9",),
    ),
}

BOX_TEXT = 0.6
LABEL_TEXT = 0.8
LABEL_PLACE = (20, 20)
TEXT_WIDTH = 2
BOX_LINE = 3
POSE_LINE = 2
# Half the width of each row of OpenCV's filled circle of radius 4, from the middle out.
DISC = (4, 3, 3, 2, 0)
MASK_WEIGHT = 0.5

# Far outside any picture; beyond it coordinates are cut off.
_FAR = 30000

_OVERSAMPLE = 4


def colour(target: int) -> Colour:
    return PALETTE[target % len(PALETTE)]


def put_text(
    image: Image.Image, text: str, origin: tuple[int, int], ink: Colour, size: float = BOX_TEXT
) -> None:
    """Draw ``text`` with its base line starting at ``origin``.

    OpenCV's smoothed lines come out about a pixel wider than asked. Letters (of a score that is no
    number) are left out.
    """
    width = TEXT_WIDTH
    text = "".join(character for character in text if character in GLYPHS)
    margin = width + 2
    above, below = round(25 * size) + margin, round(7 * size) + margin
    length = round(sum(GLYPHS[character][0] for character in text) * size) + 2 * margin
    mask = Image.new("L", (length * _OVERSAMPLE, (above + below) * _OVERSAMPLE))
    draw = ImageDraw.Draw(mask)
    pen, base = margin + 0.5, above + 0.5
    for character in text:
        advance, strokes = GLYPHS[character]
        for stroke in strokes:
            points = [point.split(",") for point in stroke.split()]
            line = [
                ((pen + int(x) * size) * _OVERSAMPLE, (base - int(y) * size) * _OVERSAMPLE)
                for x, y in points
            ]
            draw.line(line, fill=255, width=(width + 1) * _OVERSAMPLE, joint="curve")
        pen += advance * size
    small = mask.resize((length, above + below), Image.Resampling.BOX)
    corner = (origin[0] - margin, origin[1] - above)
    image.paste(Image.new("RGB", small.size, ink), corner, small)


def _pixel(value: np.float32) -> int:
    """Cut a coordinate to a whole number as the camera does, within reason."""
    if math.isnan(value):
        return _FAR
    return int(max(-_FAR, min(_FAR, float(value))))


def _rectangle(
    image: Image.Image, corners: tuple[int, int, int, int], ink: Colour, line: int
) -> None:
    """Draw an outline of width 2 or 3.

    OpenCV draws it 3 or 5 pixels wide, its corners rounded off.
    """
    x1, x2 = sorted(corners[0::2])
    y1, y2 = sorted(corners[1::2])
    margin = line - 1
    draw = ImageDraw.Draw(image)
    for shift in range(-margin, margin + 1):
        longer = margin - abs(shift)
        for y in (y1 + shift, y2 + shift):
            draw.line((x1 - longer, y, x2 + longer, y), fill=ink)
        for x in (x1 + shift, x2 + shift):
            draw.line((x, y1 - longer, x, y2 + longer), fill=ink)


def draw_box(image: Image.Image, box: Box, line: int) -> None:
    """Draw the outline and, above its left corner, class and score."""
    ink = colour(box.target)
    width, height = image.size
    # Reckoned in double, kept as float, then cut.
    x1, x2 = (np.float32((box.x + side * box.w / 2.0) * width) for side in (-1, 1))
    y1, y2 = (np.float32((box.y + side * box.h / 2.0) * height) for side in (-1, 1))
    _rectangle(image, (_pixel(x1), _pixel(y1), _pixel(x2), _pixel(y2)), ink, line)
    above = (_pixel(x1), _pixel(y1 - np.float32(10)))
    put_text(image, f"{box.target}({box.score:.3f})", above, ink)


def draw_pose(image: Image.Image, pose: Pose) -> None:
    """Draw all keypoints in the colour of the class, however visible; then the box."""
    ink = colour(pose.box.target)
    draw = ImageDraw.Draw(image)
    for x, y in pose.points:
        column = _pixel(np.float32(x) * np.float32(image.width))
        row = _pixel(np.float32(y) * np.float32(image.height))
        for distance, half in enumerate(DISC):
            for side in (row - distance, row + distance):
                draw.line((column - half, side, column + half, side), fill=ink)
    draw_box(image, pose.box, POSE_LINE)


def draw_label(image: Image.Image, label: Label) -> None:
    text = f"{label.target}({label.score:.3f})"
    put_text(image, text, LABEL_PLACE, colour(label.target), LABEL_TEXT)


def draw_masks(pixels: NDArray[np.uint8], segments: Sequence[Segment]) -> NDArray[np.uint8]:
    """Draw masks in the colours of their classes, later ones over earlier ones.

    Each cell of the mask's grid is a block of pixels.
    """
    height, width = pixels.shape[:2]
    mask_height, mask_width = segments[0].mask.shape
    colours = np.zeros((mask_height, mask_width, 3), np.uint8)
    covered = np.zeros((mask_height, mask_width), np.bool_)
    for segment in segments:
        colours[segment.mask] = colour(segment.box.target)
        covered |= segment.mask
    rows = np.arange(height) * mask_height // height
    columns = np.arange(width) * mask_width // width
    where = covered[rows[:, None], columns]
    # Either half is rounded by itself.
    under = np.rint(pixels * (1 - MASK_WEIGHT))
    over = np.rint(colours[rows[:, None], columns] * MASK_WEIGHT)
    blended = np.minimum(under + over, 255).astype(np.uint8)
    return np.where(where[:, :, None], blended, pixels)


def draw(pixels: NDArray[np.uint8], results: Sequence[Result]) -> NDArray[np.uint8]:
    """Return a copy of [H, W, 3] with every result drawn, in the list's order."""
    segments = [result for result in results if isinstance(result, Segment)]
    image = Image.fromarray(draw_masks(pixels, segments) if segments else pixels)
    for result in results:
        if isinstance(result, Box):
            draw_box(image, result, BOX_LINE)
        elif isinstance(result, Pose):
            draw_pose(image, result)
        elif isinstance(result, Label):
            draw_label(image, result)
    return np.asarray(image)


def save(pixels: NDArray[np.uint8], path: Path) -> bool:
    """Write as OpenCV's ``imwrite`` does: JPEG quality 95, WebP without loss.

    Returns False when the folder or the format refuses it. Raises ValueError when the name's ending
    is no picture format.
    """
    image = Image.fromarray(pixels)
    try:
        if path.suffix.lower() in (".jpg", ".jpeg", ".jpe"):
            image.save(path, "JPEG", quality=95, subsampling=2)
        elif path.suffix.lower() in (".pgm", ".pbm"):
            return False  # OpenCV has no colours for those, and only says so
        elif path.suffix.lower() == ".webp":
            image.save(path, lossless=True)
        elif path.suffix.lower() in (".tif", ".tiff"):
            image.save(path, compression="tiff_lzw")
        elif path.suffix.lower() in (".png", ".bmp", ".dib", ".ppm", ".pnm"):
            image.save(path)
        else:
            raise ValueError("could not find a writer for the specified extension")
    except OSError:
        return False
    return True
