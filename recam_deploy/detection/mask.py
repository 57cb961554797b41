"""The outline of one object, pixel by pixel, and how well two of them agree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Bitmap: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Mask:
    """Which pixels of a picture are the object's, as COCO's run-length encoding.

    `size` is the picture's (width, height) in pixels. `counts` are the lengths of runs of pixels
    that are in turn outside and inside, down the columns from the left one on; the first run, of
    pixels outside, may be empty.
    """

    size: tuple[int, int]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, pixels: Bitmap) -> Mask:
        """The mask of a bitmap [height, width], true inside."""
        height, width = pixels.shape
        columns = pixels.ravel(order="F")
        turns = np.flatnonzero(columns[1:] != columns[:-1]) + 1
        edges = [0, *turns.tolist(), columns.size]
        starts_inside = [0] if columns.size and columns[0] else []
        return cls((width, height), (*starts_inside, *(b - a for a, b in pairwise(edges))))

    @cached_property
    def pixels(self) -> Bitmap:
        """The bitmap [height, width], true inside; not to be written to."""
        width, height = self.size
        inside = np.arange(len(self.counts)) % 2 == 1
        bitmap: Bitmap = np.repeat(inside, self.counts).reshape((height, width), order="F")
        bitmap.flags.writeable = False
        return bitmap

    @property
    def area(self) -> int:
        """The pixels inside."""
        return sum(self.counts[1::2])

    def resized(self, size: tuple[int, int]) -> Mask:
        """The same on the picture scaled to `size`, (width, height) in pixels."""
        if size == self.size:
            return self
        image = Image.fromarray(self.pixels.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
        return Mask.of(np.asarray(image) != 0)

    def iou(self, other: Mask) -> float:
        """Intersection over union with another mask of the same picture; 1 when both are empty."""
        both = int(np.count_nonzero(self.pixels & other.pixels))
        union = self.area + other.area - both
        return both / union if union else 1.0

    def as_json(self) -> dict[str, Any]:
        """COCO's form, which pycocotools' `frPyObjects` reads; its size is height before width."""
        return {"size": [self.size[1], self.size[0]], "counts": list(self.counts)}
