"""FOMO: one map [1, rows, columns, classes] of probabilities, channels last.

Source: SSCMA-Micro ``ma_model_fomo.cpp``. It decodes int8 only. Its boxes are divided as whole
numbers, so they are all zero. It asks the picture for its size: the live path of ``sscma-node``
hands over none, and the service crashes there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..results import Box
from ..tensors import UnsupportedTypeError
from . import boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..tensors import Model


@boxes.quiet
def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Box]:
    """List one find for each cell with a class above the threshold.

    They are sorted by x, the last cell first. Raises UnsupportedTypeError when the output is not
    int8.
    """
    del mended
    tensor = model.outputs[0]
    if tensor.dtype != "int8":
        raise UnsupportedTypeError(f"an output of type {tensor.dtype}")
    rows, columns, classes = tensor.shape[1:4]
    raw = boxes.read(arrays[0], np.int8, rows * columns, classes)
    scores = boxes.dequantize(raw, tensor.scale, tensor.zero_point)
    # Of equal scores the first class stays: only a greater one takes its place.
    best = np.argmax(scores, axis=1)
    top = scores[np.arange(len(scores)), best]
    across, down = model.width // columns, model.height // rows
    found = [
        Box(
            float((cell % columns * across + across // 2) // model.width),
            float((cell // columns * down + down // 2) // model.height),
            float(across // model.width),
            float(down // model.height),
            float(top[cell]),
            int(best[cell]),
        )
        for cell in np.flatnonzero(top > np.float32(thresholds.score)).tolist()[::-1]
    ]
    return sorted(found, key=lambda box: box.x)
