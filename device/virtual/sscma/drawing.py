"""The picture that ``sscma-model`` writes: boxes and class numbers on the letterboxed
input.

Source: ``solutions/sscma-model/main/main.cpp`` in sscma-example-sg200x (palette, line
width 3, ``"%d(%.3f)"`` at scale 0.6, width 2, 10 pixels above the box). Strokes of the
digits are those of Hershey's Roman Simplex, OpenCV's ``FONT_HERSHEY_SIMPLEX``; edges
differ from OpenCV's by anti-aliasing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .tensors import Box

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

TEXT_SIZE = 0.6
TEXT_WIDTH = 2

_OVERSAMPLE = 4


def colour(target: int) -> Colour:
    return PALETTE[target % len(PALETTE)]


def put_text(image: Image.Image, text: str, origin: tuple[int, int], ink: Colour) -> None:
    """Strokes of ``text`` with its base line starting at ``origin``; OpenCV's smoothed
    lines come out about a pixel wider than asked."""
    size, width = TEXT_SIZE, TEXT_WIDTH
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


def draw_boxes(pixels: NDArray[np.uint8], boxes: Sequence[Box]) -> NDArray[np.uint8]:
    """A copy of [H, W, 3] with every box drawn, in the list's order."""
    image = Image.fromarray(pixels)
    height, width = pixels.shape[:2]
    for box in boxes:
        ink = colour(box.target)
        x1, x2 = (int((box.x + side * box.w / 2.0) * width) for side in (-1, 1))
        y1, y2 = (int((box.y + side * box.h / 2.0) * height) for side in (-1, 1))
        if x2 >= x1 and y2 >= y1:
            outline = (x1 - 1, y1 - 1, x2 + 1, y2 + 1)
            ImageDraw.Draw(image).rectangle(outline, outline=ink, width=3)
        put_text(image, f"{box.target}({box.score:.3f})", (x1, y1 - 10), ink)
    return np.asarray(image)


def save(pixels: NDArray[np.uint8], path: Path) -> bool:
    """Write as OpenCV's ``imwrite`` does: JPEG quality 95. False when the folder
    refuses it. ValueError when the name's ending is no picture format."""
    image = Image.fromarray(pixels)
    try:
        if path.suffix.lower() in (".jpg", ".jpeg", ".jpe"):
            image.save(path, "JPEG", quality=95, subsampling=2)
        elif path.suffix.lower() in (".png", ".bmp"):
            image.save(path)
        else:
            raise ValueError("could not find a writer for the specified extension")
    except OSError:
        return False
    return True
