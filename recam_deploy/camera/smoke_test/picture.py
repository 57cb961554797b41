"""A picture as the camera's test binary can read it.

The binary reads with OpenCV, which obeys EXIF rotation in some versions and knows PNG in others;
an upright JPEG means the same to all.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ...detection.pictures import read_picture

MAX_SIDE = 4096
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class CameraPicture:
    """`jpeg` is sent, `sent_size` (width, height) in pixels; `original` is upright RGB."""

    jpeg: bytes
    sent_size: tuple[int, int]
    original: Image.Image


def prepare_picture(path: Path) -> CameraPicture:
    """Read a picture and make it fit to send; a plain JPEG is sent as it is, byte for byte.

    Raises InputError when it cannot be read whole.
    """
    original = read_picture(path)
    if _is_plain_jpeg(path):
        return CameraPicture(path.read_bytes(), original.size, original)
    sent = original.copy()
    sent.thumbnail((MAX_SIDE, MAX_SIDE))
    buffer = io.BytesIO()
    sent.save(buffer, "JPEG", quality=95, subsampling=0)
    return CameraPicture(buffer.getvalue(), sent.size, original)


def _is_plain_jpeg(path: Path) -> bool:
    with Image.open(path) as image:
        return (
            image.format == "JPEG"
            and image.mode in ("RGB", "L")
            and image.getexif().get(_ORIENTATION, 1) == 1
            and max(image.size) <= MAX_SIDE
        )
