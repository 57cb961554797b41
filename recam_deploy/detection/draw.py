"""Draw detections on the original picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from .mask import Bitmap
from .types import Box, Detection

# Distinct on light and dark pictures alike, and under the common kinds of colour blindness
# (Okabe and Ito's palette).
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
_MASK_WEIGHT = 0.5


def draw_detections(
    image: Image.Image, detections: Sequence[Detection], colour: str | None = None
) -> Image.Image:
    """Return a copy of `image` (RGB) with each detection's box, class name and score.

    Masks and keypoints, where there are any, are drawn below them. Each class has a colour, unless
    one is given for all, such as "#0072B2".
    """

    def colour_of(detection: Detection) -> str:
        return colour or _colour(detection)

    result = _with_masks(image.convert("RGB"), detections, colour_of)
    pen = ImageDraw.Draw(result)
    line = line_width(result)
    for detection in sorted(detections, key=lambda d: d.score):
        own = colour_of(detection)
        pen.rectangle(detection.box, outline=own, width=line)
        for x, y in detection.keypoints:
            pen.circle((x, y), 1.5 * line, fill=own, outline="black")
        draw_caption(pen, f"{detection.label} {detection.score:.2f}", detection.box, own)
    return result


def line_width(image: Image.Image) -> int:
    """Return the width of the lines of boxes on a picture, in pixels."""
    return max(2, round(min(image.size) / 200))


def _with_masks(
    image: Image.Image, detections: Sequence[Detection], colour_of: Callable[[Detection], str]
) -> Image.Image:
    """Return a copy of `image` blended with the masks, that of the highest score on top."""
    pixels = np.array(image)
    for detection in sorted(detections, key=lambda d: d.score):
        if detection.mask:
            inside = detection.mask.resized(image.size).pixels
            ink = np.array(ImageColor.getrgb(colour_of(detection)))
            blended = pixels[inside] * (1 - _MASK_WEIGHT) + ink * _MASK_WEIGHT
            pixels[inside] = blended.round().astype(np.uint8)
            pixels[_edge(inside)] = ink
    return Image.fromarray(pixels)


def _edge(inside: Bitmap) -> Bitmap:
    """Return the pixels inside with a neighbour outside; the picture's border counts as inside."""
    padded = np.pad(inside, 1, mode="edge")
    around = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    edge: Bitmap = inside & ~around
    return edge


def _colour(detection: Detection) -> str:
    return _COLOURS[detection.class_id % len(_COLOURS)]


def draw_caption(pen: ImageDraw.ImageDraw, text: str, box: Box, colour: str) -> None:
    """Draw a text on a filled label above a box, or inside it where there is no room."""
    size = pen.im.size
    font = ImageFont.load_default(size=max(12, round(min(size) / 28)))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom - top + 6
    x = min(max(0.0, box[0]), max(0.0, size[0] - width))
    y = box[1] - height
    if y < 0:
        y = min(box[1], max(0.0, size[1] - height))
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    pen.text((x + 3 - left, y + 3 - top), text, fill="black", font=font)
