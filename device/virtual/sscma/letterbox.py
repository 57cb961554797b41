"""Make pixels of the model's size from a picture file, as OpenCV does it on the camera.

Source of the steps: ``preprocessImage`` in sscma-example-sg200x
``solutions/sscma-model/main/main.cpp``: scaled to fit (``INTER_LINEAR``), centred,
padded with zeros, RGB. The interpolation is OpenCV's for 8-bit pixels: weights in
11-bit fixed point, horizontally first (``modules/imgproc/src/resize.cpp``).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFile

from ..picture_file import upright

if TYPE_CHECKING:
    from numpy.typing import NDArray

ONE = 2048  # 1.0 in the interpolation's fixed point


# What OpenCV 4.6 reads of what Pillow reads: no GIF, for one.
FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000", "SUN")
JPEGS = ("JPEG", "MPO")


@contextlib.contextmanager
def _as_much_as_there_is(image: Image.Image) -> Iterator[None]:
    """Decode what there is of a truncated JPEG, as OpenCV does.

    Pillow's switch for that is global.
    """
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = image.format in JPEGS
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def read_image(path: Path) -> NDArray[np.uint8] | None:
    """Read [H, W, 3] RGB, turned as its EXIF says but for WebP.

    Returns None when OpenCV does not read it.
    """
    try:
        with Image.open(path, formats=FORMATS) as image, _as_much_as_there_is(image):
            image.load()
            turned = image if image.format == "WEBP" else upright(image)
            if turned.mode.startswith("I"):
                return _upper_bytes(turned)
            if turned.mode == "F":
                return None
            if (image.format, turned.mode) == ("TIFF", "RGBA"):
                return _on_black(turned)
            return np.asarray(turned.convert("RGB"))
    except Exception:  # Pillow's readers raise anything for a damaged file
        return None


def _on_black(image: Image.Image) -> NDArray[np.uint8]:
    """Make RGB of a TIFF with transparency, which libtiff multiplies in."""
    values = np.asarray(image).astype(np.int32)
    return ((values[:, :, :3] * values[:, :, 3:] + 127) // 255).astype(np.uint8)


def _upper_bytes(image: Image.Image) -> NDArray[np.uint8]:
    """Make RGB of a grey picture of 16 bits as OpenCV does; Pillow would cut off bright pixels."""
    grey = (np.asarray(image).astype(np.int64) >> 8).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _weights(source: int, target: int, *, clamp: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the first source index of each target pixel and the two fixed-point weights [n, 2].

    Columns outside the picture get their weight moved to the border (``clamp``);
    rows keep their weights and repeat the border row, as in OpenCV.
    """
    position = (np.arange(target) + 0.5) * (source / target) - 0.5
    position = position.astype(np.float32)
    first = np.floor(position).astype(np.int64)
    fraction = position - first.astype(np.float32)
    if clamp:
        outside = (first < 0) | (first >= source - 1)
        fraction = np.where(outside, np.float32(0), fraction)
        first = np.clip(first, 0, source - 1)
    pair = np.stack([np.float32(1) - fraction, fraction], axis=1)
    return first, np.rint(pair * np.float32(ONE)).astype(np.int32)


def resize(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize [H, W, 3] to [height, width, 3] by bilinear interpolation."""
    source_h, source_w = image.shape[:2]
    if (source_h, source_w) == (height, width):
        return image
    total: NDArray[Any]
    if (source_h, source_w) == (2 * height, 2 * width):
        # Exactly half: OpenCV averages areas instead.
        total = image.reshape(height, 2, width, 2, -1).astype(np.int32).sum(axis=(1, 3))
    else:
        x, x_weights = _weights(source_w, width, clamp=True)
        y, y_weights = _weights(source_h, height, clamp=False)
        next_x = np.minimum(x + 1, source_w - 1)
        across = image[:, x] * x_weights[:, 0, None] + image[:, next_x] * x_weights[:, 1, None]
        upper = across[np.clip(y, 0, source_h - 1)] >> 4
        lower = across[np.clip(y + 1, 0, source_h - 1)] >> 4
        total = (upper * y_weights[:, 0, None, None]) >> 16
        total += (lower * y_weights[:, 1, None, None]) >> 16
    pixels: NDArray[np.uint8] = np.clip((total + 2) >> 2, 0, 255).astype(np.uint8)
    return pixels


def letterbox(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return [height, width, 3], the picture centred on black.

    Raises ValueError when a side shrinks to nothing.
    """
    source_h, source_w = image.shape[:2]
    scale = min(height / source_h, width / source_w)
    new_h, new_w = math.trunc(source_h * scale), math.trunc(source_w * scale)
    if new_h < 1 or new_w < 1:
        raise ValueError("the picture is too narrow")
    top, left = (height - new_h) // 2, (width - new_w) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + new_h, left : left + new_w] = resize(image, new_w, new_h)
    return canvas
