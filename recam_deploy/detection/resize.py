"""Resize bit for bit as OpenCV does: `cv2.resize` with INTER_LINEAR on 8-bit pictures.

The compiler resizes calibration pictures with it, and the camera's test binary its pictures, so
recam measures on the same pixels. It samples at pixel centres, without smoothing, in fixed point:
weights of 11 bits, products cut to 20 bits between the passes. Halving both sides is an average of
four pixels instead. (OpenCV 4, modules/imgproc/src/resize.cpp; *measured* equal on the compiler's
own 4.8.)
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]

_WEIGHT_BITS = 11


def resize_bilinear(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize `image`, uint8 [H, W, C], to [height, width, C]; `size` is (width, height)."""
    height, width = image.shape[:2]
    if size == (width, height):
        return image
    if (width, height) == (2 * size[0], 2 * size[1]):
        return _halved(image)
    left, right, across = _taps(width, size[0])
    upper, lower, down = _taps(height, size[1])
    rows, places = np.unique(np.concatenate([upper, lower]), return_inverse=True)
    needed = image[rows]
    wide = needed[:, left] * across[0][:, None] + needed[:, right] * across[1][:, None]
    wide >>= 4
    first, second = wide[places[: len(upper)]], wide[places[len(upper) :]]
    first *= down[0][:, None, None]
    second *= down[1][:, None, None]
    total = (first >> 16) + (second >> 16)
    resized: Pixels = np.clip((total + 2) >> 2, 0, 255).astype(np.uint8)
    return resized


def _halved(image: Pixels) -> Pixels:
    """Halve both sides: each pixel is the rounded mean of four."""
    wide = image.astype(np.uint16)
    rows = wide[0::2] + wide[1::2]
    halved: Pixels = ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)
    return halved


def _taps(
    source: int, target: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return for each of `target` pixels its two neighbours among `source` ones, and the weights.

    At the edge both are the outermost pixel.
    """
    places = ((np.arange(target) + 0.5) * (1 / (target / source)) - 0.5).astype(np.float32)
    before = np.floor(places).astype(np.int64)
    fraction = (places - before.astype(np.float32)).astype(np.float32)
    one = np.float32(1 << _WEIGHT_BITS)
    weights = np.rint(np.stack([(1 - fraction) * one, fraction * one])).astype(np.int32)
    last = source - 1
    return np.clip(before, 0, last), np.clip(before + 1, 0, last), weights
