"""Draw the detections of the float model and of the TPU on one picture each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image, ImageDraw

from ..detection.draw import draw_detections
from ..detection.match import Pairing
from ..detection.types import Box, Detection

MAX_WIDTH = 640
MAX_HEIGHT = 960
_MAX_ENLARGEMENT = 3.0
_QUALITY = 82
_LONGEST_LABEL = 32


def draw_pair(picture: Image.Image, pairing: Pairing) -> tuple[bytes, bytes]:
    """Draw the picture twice, as JPEG files of at most 640×960 pixels.

    The first has the float model's detections, with the missed ones marked; the second the TPU's,
    with the extra ones marked. Small pictures are enlarged, so that captions do not cover them.
    """
    canvas, scale = fitted(picture)
    agreed = (*pairing.matched, *pairing.borderline)
    left = _drawn(canvas, [pair[0] for pair in agreed], pairing.missed, "missed", scale)
    right = _drawn(canvas, [pair[1] for pair in agreed], pairing.extra, "extra", scale)
    return left, right


def fitted(picture: Image.Image) -> tuple[Image.Image, float]:
    """Scale a picture for the report; return it with its pixels per pixel of the original."""
    scale = min(MAX_WIDTH / picture.width, MAX_HEIGHT / picture.height, _MAX_ENLARGEMENT)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS), scale


def _drawn(
    canvas: Image.Image,
    agreed: Sequence[Detection],
    marked: Sequence[Detection],
    mark: str,
    scale: float,
) -> bytes:
    plain = [scaled(detection, scale) for detection in agreed]
    special = [scaled(detection, scale, f"{mark}: ") for detection in marked]
    framed = canvas.copy()
    for detection in special:
        dashed_frame(framed, detection.box)
    return as_jpeg(draw_detections(framed, [*plain, *special]))


def as_jpeg(image: Image.Image) -> bytes:
    """Encode a drawing as a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue()


def scaled(detection: Detection, scale: float, prefix: str = "") -> Detection:
    """Scale a detection to the enlarged picture; its mask is scaled when it is drawn."""
    return replace(
        detection,
        label=prefix + drawable(detection.label),
        box=scaled_box(detection.box, scale),
        keypoints=tuple((x * scale, y * scale) for x, y in detection.keypoints),
    )


def scaled_box(box: Box, scale: float) -> Box:
    """Scale the corners of a box."""
    x1, y1, x2, y2 = (side * scale for side in box)
    return x1, y1, x2, y2


def drawable(label: str) -> str:
    """Return a class name that can be drawn, and is short enough."""
    label = "".join(c if c.isprintable() else "?" for c in label)
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"


def dashed_frame(image: Image.Image, box: Box) -> None:
    """Draw black and white dashes around and inside a box, visible on any picture."""
    line = max(2, round(min(image.size) / 200))
    width, dash = 4 * line, 4 * line
    x1, y1, x2, y2 = box
    left, top = max(0.0, x1 - line), max(0.0, y1 - line)
    right, bottom = min(image.width - 1.0, x2 + line), min(image.height - 1.0, y2 + line)
    if right <= left or bottom <= top:
        return
    pen = ImageDraw.Draw(image)
    pen.rectangle((left, top, right, bottom), outline="white", width=width)
    across, down = min(width - 1.0, right - left), min(width - 1.0, bottom - top)
    for x in range(round(left), round(right), 2 * dash):
        end = min(x + dash, right)
        pen.rectangle((x, top, end, top + down), fill="black")
        pen.rectangle((x, bottom - down, end, bottom), fill="black")
    for y in range(round(top), round(bottom), 2 * dash):
        end = min(y + dash, bottom)
        pen.rectangle((left, y, left + across, end), fill="black")
        pen.rectangle((right - across, y, right, end), fill="black")
