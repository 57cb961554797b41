"""Draw what was found of a picture's labelled objects."""

from __future__ import annotations

from PIL import Image, ImageDraw

from ..detection.draw import draw_caption, draw_detections, line_width
from ..detection.types import Box
from ..evaluation.matching import PictureMatch
from .pictures import as_jpeg, dashed_frame, drawable, fitted, scaled, scaled_box

FOUND, MISSED, EXTRA = "#56B4E9", "#F08C3A", "#DD9CC0"
"""The colours on pictures, and in their key: of detections that are right, of labels that were not
found, and of detections that are wrong."""


def draw_match(picture: Image.Image, match: PictureMatch, labels: tuple[str, ...]) -> bytes:
    """Draw labels and detections, as a JPEG file of at most 640×960 pixels.

    Labels are thin white frames; those not found are dashed and say so. `labels` are class names.
    """
    canvas, scale = fitted(picture)
    for one in match.missed:
        dashed_frame(canvas, scaled_box(one.box, scale))
    marked = [one for _, one in (*match.found, *match.mistaken)]
    for one in marked:
        _thin_frame(canvas, scaled_box(one.box, scale))
    found = [scaled(detection, scale) for detection, _ in match.found]
    wrong = [
        scaled(detection, scale, f"{drawable(labels[one.class_id])} taken for ")
        for detection, one in match.mistaken
    ]
    wrong += [scaled(detection, scale, "extra: ") for detection in match.extra]
    canvas = draw_detections(draw_detections(canvas, found, FOUND), wrong, EXTRA)
    pen = ImageDraw.Draw(canvas)
    for one in match.missed:
        for x, y, shown in one.keypoints:
            if shown:
                radius = 1.5 * line_width(canvas)
                pen.circle((x * scale, y * scale), radius, fill=MISSED, outline="black")
        text = f"missed: {drawable(labels[one.class_id])}"
        draw_caption(pen, text, scaled_box(one.box, scale), MISSED)
    return as_jpeg(canvas)


def _thin_frame(image: Image.Image, box: Box) -> None:
    """Draw a white line with a black one around it, visible on any picture."""
    x1, y1, x2, y2 = box
    pen = ImageDraw.Draw(image)
    if x2 - x1 >= 2 and y2 - y1 >= 2:
        pen.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline="black", width=1)
        pen.rectangle(box, outline="white", width=1)
