"""Judge from thumbnails whether a set of pictures shows enough to calibrate on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Thumbnail = npt.NDArray[np.uint8]
"""A picture in grey, uint8 [16, 16]."""

_DARK = 24
"""A picture without a brighter spot than this, of 255, is nearly black."""

_ALIKE = 3.0
"""Pictures that differ by less than this on average, of 255, are nearly the same: a resting camera
differs from frame to frame by noise and by what moves, which is small in a thumbnail."""

_MOST_COMPARED = 400
_MANY = 0.5


def count_dark(thumbnails: Sequence[Thumbnail]) -> int:
    """Count the pictures that are nearly black."""
    return sum(int(thumbnail.max()) < _DARK for thumbnail in thumbnails)


def count_distinct(thumbnails: Sequence[Thumbnail]) -> int:
    """Count the pictures that are not nearly the same as one before."""
    kept = np.empty((len(thumbnails), 256), np.float32)
    count = 0
    for thumbnail in thumbnails:
        values = thumbnail.ravel().astype(np.float32)
        if count == 0 or np.abs(kept[:count] - values).mean(axis=1).min() >= _ALIKE:
            kept[count] = values
            count += 1
    return count


def doubts(thumbnails: Sequence[Thumbnail]) -> tuple[str, ...]:
    """Say what speaks against calibrating on these pictures."""
    if len(thumbnails) < 2:
        return ()
    step = -(-len(thumbnails) // _MOST_COMPARED)
    compared = thumbnails[::step]
    count, dark, distinct = len(compared), count_dark(compared), count_distinct(compared)
    found = []
    if dark > _MANY * count:
        found.append(
            f"{dark} of {count} calibration pictures are nearly black; add some by daylight, or as "
            "the camera will see"
        )
    elif distinct < _MANY * count:
        found.append(
            f"{count - distinct} of {count} calibration pictures are nearly the same as another; "
            "use pictures of different scenes, not the frames of one"
        )
    return tuple(found)
