"""Read the outlines and keypoints of COCO's annotations: polygons and run-length encodings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..detection.mask import Mask
from ..detection.types import Box
from .label_source import BAD_KEYPOINTS, BAD_OUTLINE, FaultError, finite, polygon_area
from .types import Polygon

Outline = tuple[Polygon, ...] | Mask
Keypoints = tuple[tuple[float, float, int], ...]

_LEAST = 6
"""The fewest values of a polygon: three corners."""

_MOST_BITS = 40


def read_outline(value: Any, size: tuple[int, int]) -> Outline | None:
    """Return the `segmentation` of an annotation in a picture of `size`, (width, height).

    None where it is empty, as in a data set of boxes. Raises FaultError.
    """
    if value is None or value == [] or value == {}:
        return None
    if isinstance(value, Mapping):
        return _read_mask(value, size)
    if not isinstance(value, list):
        raise FaultError(BAD_OUTLINE, "it is neither polygons nor run lengths")
    listed = value if all(isinstance(one, list) for one in value) else [value]
    polygons = [finite(one) for one in listed]
    if any(len(polygon) % 2 for polygon in polygons):
        raise FaultError(BAD_OUTLINE, "a polygon has an x without a y")
    found = tuple(polygon for polygon in polygons if len(polygon) >= _LEAST)
    if not found:
        raise FaultError(BAD_OUTLINE, "it has fewer than three corners")
    return found


def outline_area(outline: Outline) -> float:
    """Compute the area in pixels; polygons of one object are taken to lie apart."""
    if isinstance(outline, Mask):
        return float(outline.area)
    return sum(polygon_area(polygon) for polygon in outline)


def outline_box(outline: Outline) -> Box:
    """Return the box around an outline; raise FaultError where it is empty."""
    if isinstance(outline, Mask):
        rows, columns = np.nonzero(outline.pixels)
        if not rows.size:
            raise FaultError(BAD_OUTLINE, "it is empty")
        low, high = (columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])
    xs = [x for polygon in outline for x in polygon[0::2]]
    ys = [y for polygon in outline for y in polygon[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def read_keypoints(value: Any) -> Keypoints:
    """Return the `keypoints` of an annotation: x, y and visibility each. Raises FaultError."""
    if not isinstance(value, list) or len(value) % 3:
        raise FaultError(BAD_KEYPOINTS, "they are no list of x, y, visibility")
    numbers = finite(value)
    if not set(numbers[2::3]) <= {0.0, 1.0, 2.0}:
        raise FaultError(BAD_KEYPOINTS, "a visibility is not 0, 1 or 2")
    triples = zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True)
    return tuple((x, y, int(seen)) if seen else (0.0, 0.0, 0) for x, y, seen in triples)


def _read_mask(value: Mapping[Any, Any], size: tuple[int, int]) -> Mask:
    """Read run lengths, as numbers or in COCO's compressed text."""
    width, height = size
    if value.get("size") != [height, width]:
        said = f"its size is {str(value.get('size'))[:40]}, the picture's [{height}, {width}]"
        raise FaultError(BAD_OUTLINE, said)
    counts = value.get("counts")
    if isinstance(counts, str):
        runs = _uncompressed(counts)
    elif isinstance(counts, list):
        runs = [int(number) for number in finite(counts) if number.is_integer()]
    else:
        raise FaultError(BAD_OUTLINE, "it has no counts")
    if any(run < 0 for run in runs) or sum(runs) != width * height:
        raise FaultError(BAD_OUTLINE, "its run lengths are not those of the picture")
    return Mask(size, tuple(runs))


def _uncompressed(text: str) -> list[int]:
    """Decode COCO's text: signed numbers of 5 bits a letter, the lowest first.

    From the fourth on, each number is the difference to the one before the last.
    """
    runs: list[int] = []
    number, bits = 0, 0
    for letter in text:
        value = ord(letter) - 48
        if not 0 <= value < 64 or bits > _MOST_BITS:
            raise FaultError(BAD_OUTLINE, "its counts are no run lengths")
        number |= (value & 31) << bits
        bits += 5
        if value & 32:
            continue
        if value & 16:
            number -= 1 << bits
        runs.append(number + runs[-2] if len(runs) > 2 else number)
        number, bits = 0, 0
    if bits:
        raise FaultError(BAD_OUTLINE, "its counts are cut short")
    return runs
