"""Fit a picture into a network's input without changing its proportions.

The camera centres the picture and pads with zeros (SSCMA-Micro, and the compiler's
`keep_aspect_ratio`). Both sides of every comparison use this one class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from .resize import resize_bilinear
from .types import Box

_STRIP = 512


@dataclass(frozen=True)
class Letterbox:
    """The place of a `source` picture in a `target`; both are (width, height) in pixels.

    `scale` is target pixels per source pixel; `left` and `top` are the padding in target pixels.
    """

    source: tuple[int, int]
    target: tuple[int, int]
    scale: float
    left: int
    top: int

    @classmethod
    def fit(cls, source: tuple[int, int], target: tuple[int, int]) -> Letterbox:
        """Centre `source` in `target` at the largest scale that fits; both (width, height)."""
        scale = min(target[0] / source[0], target[1] / source[1])
        width, height = cls._scaled(source, scale)
        return cls(source, target, scale, (target[0] - width) // 2, (target[1] - height) // 2)

    @staticmethod
    def _scaled(source: tuple[int, int], scale: float) -> tuple[int, int]:
        return max(1, int(source[0] * scale)), max(1, int(source[1] * scale))

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the letterboxed RGB picture of the target's size, with black padding."""
        canvas = Image.new("RGB", self.target)
        size = self._scaled(self.source, self.scale)
        canvas.paste(sampled(image, size), (self.left, self.top))
        return canvas

    def point_to_source(self, x: float, y: float) -> tuple[float, float]:
        """Convert a point from target to source pixels; it may be outside the picture."""
        return (x - self.left) / self.scale, (y - self.top) / self.scale

    def to_source(self, box: Box) -> Box:
        """Convert a box from target to source pixels, clipped to the picture."""
        width, height = self.source
        x1, y1 = self.point_to_source(box[0], box[1])
        x2, y2 = self.point_to_source(box[2], box[3])
        return (
            min(max(x1, 0.0), width),
            min(max(y1, 0.0), height),
            min(max(x2, 0.0), width),
            min(max(y2, 0.0), height),
        )


def sampled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize a picture to `size` as the camera's test binary and the compiler do; return RGB."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return Image.fromarray(resize_bilinear(_pixels(rgb), size))


def _pixels(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Return the values of an RGB picture, uint8 [H, W, 3].

    The picture is copied in strips: as a whole, Pillow would hold it in memory three times.
    """
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP):
        bottom = min(top + _STRIP, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels
