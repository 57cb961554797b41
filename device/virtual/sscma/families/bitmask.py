"""Masks as the camera keeps them: a bit a cell.

Sources: SSCMA-Micro ``ma_model_yolo11_seg.cpp``, ``ma_model_bisenetv2.cpp``; sscma-example-sg200x
``solutions/sscma-model/main/main.cpp`` and ``solutions/sscma-node/main/node/model.cpp``, which read
the bits by the same formula.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def through_bits(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Store a mask [H, W] in bits and read it back.

    A row begins at byte row * W // 8, so where W is no multiple of 8 rows share bytes: a cell set
    in one of them may appear in the other.
    """
    width = mask.shape[1]
    if width % 8 == 0:
        return mask
    rows, columns = np.indices(mask.shape)
    byte = rows * width // 8 + columns // 8
    bit = (1 << (columns % 8)).astype(np.uint8)
    stored = np.zeros(int(byte.max()) + 1, np.uint8)
    np.bitwise_or.at(stored, byte[mask], bit[mask])
    seen: NDArray[np.bool_] = (stored[byte] & bit) != 0
    return seen
