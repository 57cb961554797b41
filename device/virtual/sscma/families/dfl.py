"""Distribution focal loss: each side of a box as a softmax over distances.

Sources: SSCMA-Micro ``ma_model_yolo11.cpp``, ``ma_model_yolov8.cpp``,
``ma_model_yolov8_pose.cpp``, ``math/ma_math_vectors.cpp``. Single precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def distances(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Expected value of each side's softmax, in strides. [n, 4 * bins] -> [n, 4]."""
    bins = rows.shape[1] // 4
    weights = np.exp(rows.reshape(-1, 4, bins))
    total = np.zeros(weights.shape[:2], np.float32)
    for index in range(bins):
        total += weights[:, :, index]
    sides = np.zeros_like(total)
    for index in range(bins):
        sides += weights[:, :, index] / total * np.float32(index)
    return sides
