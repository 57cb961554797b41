"""Convert the pixels of any kind of picture to RGB of 8 bits a channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

_DEPTHS = (8, 10, 12, 16)
"""The bits a pixel of sensors and of files; 12 bits in a file of 16 would be nearly black."""

_FIRST = {"RGBa": "RGBA", "La": "LA", "PA": "RGBA"}
"""What Pillow converts to RGB in two steps only."""


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a picture to RGB.

    Grey of more than 8 bits, and of floats, is scaled to 0..255; Pillow would cut it off at 255. Of
    16 bits the upper byte is kept, as OpenCV does. Transparency is dropped, as OpenCV does, so
    transparent pixels show the colour that is stored for them. Raises ValueError for a picture
    without a finite value.
    """
    if image.mode[0] == "F" or image.mode.startswith("I"):
        with np.errstate(all="ignore"):  # numpy warns of odd floats on the terminal
            return Image.fromarray(_grey(np.asarray(image))).convert("RGB")
    if image.mode == "LAB":
        return _from_lab(image)
    if image.mode in _FIRST:
        image = image.convert(_FIRST[image.mode])
    return image if image.mode == "RGB" else image.convert("RGB")


def _grey(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Scale grey values to 0..255 by the range that their largest belongs to."""
    finite = np.isfinite(values)
    if not finite.any():
        raise ValueError("it holds no finite values")
    low, high = float(values[finite].min()), float(values[finite].max())
    if low < 0 or high > (1 << 16) - 1:  # a range of its own
        if low == high:
            return np.full(values.shape, 128, np.uint8)
        return _scaled(values.astype(np.float64) - low, high - low)
    floats = values.dtype.kind == "f"
    depth = next(bits for bits in _DEPTHS if high <= (1 << bits) - 1)
    white = 1 if floats and high <= 1 else (1 << depth) - 1
    if high < white / 16:  # it would be nearly black
        return _scaled(values, high)
    if floats:
        return _scaled(values, white)
    upper: npt.NDArray[np.uint8] = (values.astype(np.uint32) >> (depth - 8)).astype(np.uint8)
    return upper


def _scaled(values: npt.NDArray[Any], white: float) -> npt.NDArray[np.uint8]:
    if white == 0:
        return np.zeros(values.shape, np.uint8)
    shares = np.nan_to_num(values.astype(np.float64) / white, nan=0.0, posinf=1.0, neginf=0.0)
    scaled: npt.NDArray[np.uint8] = (shares.clip(0, 1) * 255).round().astype(np.uint8)
    return scaled


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if converted is None:
        raise ValueError("its LAB colours cannot be converted")
    return converted
