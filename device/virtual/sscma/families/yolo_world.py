"""YOLO-World: of each stride distance distributions [1, g*g, 64] and class logits [1, g*g, nc].

Source: SSCMA-Micro ``ma_model_yolo_world.cpp``. It decodes int8 outputs only. Boxes stay in cells
of their stride: they are not divided by the size of the input.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensors import UnsupportedTypeError
from . import boxes, dfl, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..results import Box
    from ..tensors import Model

BINS = 64

_sides = partial(dfl.distances, least_sum=True)


@boxes.quiet
def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Box]:
    """List detections sorted by x. Raises UnsupportedTypeError unless all outputs are int8."""
    del mended
    if any(tensor.dtype != "int8" for tensor in model.outputs):
        raise UnsupportedTypeError("outputs that are not int8")
    strides = rows.scan(model, arrays, np.int8, BINS, _sides, thresholds.score)
    found = np.concatenate([stride.found for stride in strides])
    return boxes.by_x(found, thresholds.iou, per_class=True)
