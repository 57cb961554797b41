"""Hold the mask of one object, and compare it with another."""

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
    """The pixels of a picture that belong to an object, in COCO's run-length encoding.

    `size` is the picture's (width, height) in pixels. `counts` are the lengths of runs of pixels,
    in turn outside and inside, column by column from the left. The first run, of pixels outside,
    may be empty.
    """

    size: tuple[int, int]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, pixels: Bitmap) -> Mask:
        """Encode a bitmap [height, width], true inside."""
        height, width = pixels.shape
        columns = pixels.ravel(order="F")
        turns = np.flatnonzero(columns[1:] != columns[:-1]) + 1
        edges = [0, *turns.tolist(), columns.size]
        starts_inside = [0] if columns.size and columns[0] else []
        return cls((width, height), (*starts_inside, *(b - a for a, b in pairwise(edges))))

    @cached_property
    def pixels(self) -> Bitmap:
        """Decode to a read-only bitmap [height, width], true inside."""
        width, height = self.size
        inside = np.arange(len(self.counts)) % 2 == 1
        bitmap: Bitmap = np.repeat(inside, self.counts).reshape((height, width), order="F")
        bitmap.flags.writeable = False
        return bitmap

    @property
    def area(self) -> int:
        """Count the pixels inside."""
        return sum(self.counts[1::2])

    def resized(self, size: tuple[int, int]) -> Mask:
        """Return the mask for the picture scaled to `size`, (width, height) in pixels."""
        if size == self.size:
            return self
        image = Image.fromarray(self.pixels.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
        return Mask.of(np.asarray(image) != 0)

    def iou(self, other: Mask) -> float:
        """Compute the intersection over union with a mask of the same size; 1 if both are empty."""
        both = int(np.count_nonzero(self.pixels & other.pixels))
        union = self.area + other.area - both
        return both / union if union else 1.0

    def as_json(self) -> dict[str, Any]:
        """Return COCO's document, which pycocotools' `frPyObjects` reads.

        Its `size` is (height, width).
        """
        return {"size": [self.size[1], self.size[0]], "counts": list(self.counts)}
