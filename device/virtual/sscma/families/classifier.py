"""A class vector [1, nc] or [1, nc, 1, 1], softmax already applied.

Source: SSCMA-Micro ``ma_model_classifier.cpp``, and the threshold of 0.1 that
``solutions/sscma-model/main/main.cpp`` sets (the class's own is 0.5). Quantized scores
count as probabilities when the scale is below 0.1 and as percent otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..results import Label
from ..tensors import UnsupportedTypeError
from . import boxes
from .boxes import Thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..tensors import Model

STANDARD = Thresholds(score=0.1)
PERCENT_SCALE = 0.1


def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: Thresholds = STANDARD,
) -> list[Label]:
    """List every class above the threshold, best first; of equal scores the later class first.

    Raises UnsupportedTypeError when the output is not float32, int8, uint8 or uint16.
    """
    del mended
    tensor = model.outputs[0]
    values = boxes.read(arrays[0], arrays[0].dtype, tensor.shape[1])
    if tensor.dtype == "float32":
        scores = values
    elif tensor.dtype in ("int8", "uint8", "uint16"):
        whole = values.astype(np.int32) - tensor.zero_point
        scores = whole.astype(np.float32) * np.float32(tensor.scale)
        if np.float32(tensor.scale) >= np.float32(PERCENT_SCALE):
            scores = scores / np.float32(100)
    else:
        raise UnsupportedTypeError(f"an output of type {tensor.dtype}")
    labels = [
        Label(float(score), target)
        for target, score in enumerate(scores)
        if float(score) > float(np.float32(thresholds.score))
    ]
    labels.reverse()
    labels.sort(key=lambda label: -label.score)
    return labels
