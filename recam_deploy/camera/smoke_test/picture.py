"""Convert a picture to the JPEG that the camera's test binary reads.

The binary uses OpenCV: some versions apply EXIF rotation, some read no PNG. All read an upright
JPEG alike.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ...detection.pictures import read_header, read_picture

MAX_SIDE = 4096


@dataclass(frozen=True)
class CameraPicture:
    """A picture: `jpeg` to send, its `sent_size` (width, height) in pixels, `original` in RGB."""

    jpeg: bytes
    sent_size: tuple[int, int]
    original: Image.Image


def prepare_picture(path: Path) -> CameraPicture:
    """Read a picture and encode it as an upright JPEG of at most 4096 pixels a side.

    A JPEG that is so already is sent byte for byte. Raises InputError when it cannot be read.
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
    header = read_header(path)
    return (
        header is not None
        and header.format == "JPEG"
        and header.mode in ("RGB", "L")
        and header.orientation == 1
        and max(header.size) <= MAX_SIDE
    )
