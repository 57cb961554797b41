"""Distribution focal loss: each side of a box as a softmax over distances.

Sources: SSCMA-Micro ``ma_model_yolo11.cpp``, ``ma_model_yolov8.cpp``,
``ma_model_yolo_world.cpp``, ``ma_model_yolov8_pose.cpp``, ``math/ma_math_vectors.cpp``.
Single precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..arithmetic import exp, fused

if TYPE_CHECKING:
    from numpy.typing import NDArray


def distances(
    rows: NDArray[np.float32], *, least_sum: bool = False, fuse: bool = True
) -> NDArray[np.float32]:
    """Compute each side's expected value, in strides: [n, 4 * bins] to [n, 4].

    With `least_sum` the softmax divides by no less than the smallest step of 1 (`ma_math`'s own
    softmax). `fuse` tells whether a product and its sum are rounded once; the compiler leaves them
    apart in a function that is marked for less optimization.
    """
    bins = rows.shape[1] // 4
    weights = exp(rows).reshape(-1, 4, bins)
    total: NDArray[np.float32] = np.zeros(weights.shape[:2], np.float32)
    for index in range(bins):
        total += weights[:, :, index]
    if least_sum:
        epsilon = np.finfo(np.float32).eps
        total[np.abs(total) < epsilon] = epsilon
    sides: NDArray[np.float32] = np.zeros_like(total)
    for index in range(bins):
        share: NDArray[np.float32] = weights[:, :, index] / total
        distance = np.full_like(share, index)
        sides = fused(share, distance, sides) if fuse else sides + share * distance
    return sides
