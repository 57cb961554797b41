"""YOLOv8 pose cut into seven outputs, in any order.

They are of each stride scores [1, g*g, 1] and distance distributions [1, g*g, 64], and one
[1, N, 3K] of keypoints.

Source: SSCMA-Micro ``ma_model_yolov8_pose.cpp``. It decodes int8 outputs; its float32
decoder is left out of the camera's build, so float32 outputs show nothing. Boxes stay
in cells of their stride and keypoints in the model's own numbers: neither is divided by
the size of the input, so they are printed as they are and drawn out of the picture.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..results import Pose
from ..tensors import UnsupportedTypeError
from . import boxes, dfl, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..tensors import Model

BINS = 64

# The function is marked for less optimization: nothing is fused there.
_sides = partial(dfl.distances, least_sum=True, fuse=False)


@boxes.quiet
def decode(
    model: Model,
    arrays: Sequence[NDArray[Any]],
    mended: bool,
    thresholds: boxes.Thresholds = boxes.STANDARD,
) -> list[Pose]:
    """List poses, the least certain first, as the camera lists them.

    Raises UnsupportedTypeError unless all seven outputs are int8.
    """
    del mended
    if any(tensor.dtype != "int8" for tensor in model.outputs):
        raise UnsupportedTypeError("outputs that are not int8")
    points = next(i for i, tensor in enumerate(model.outputs) if tensor.shape[2] not in (1, BINS))
    heads = [index for index in range(len(model.outputs)) if index != points]
    head = dataclasses.replace(model, outputs=tuple(model.outputs[index] for index in heads))
    head_arrays = [arrays[index] for index in heads]
    strides = list(rows.scan(head, head_arrays, np.int8, BINS, _sides, thresholds.score))
    starts = np.cumsum([0, *((model.width // stride.stride) ** 2 for stride in strides)])
    table = np.concatenate([stride.found for stride in strides])
    cell = np.concatenate(
        [stride.cells + start for stride, start in zip(strides, starts, strict=False)]
    )
    kept = boxes.suppress(table, thresholds.iou, per_class=True)[::-1]
    tensor = model.outputs[points]
    quantized = boxes.read(arrays[points], np.int8, *tensor.shape[1:])[cell]
    values = boxes.dequantize(quantized, tensor.scale, tensor.zero_point)
    keypoints = values.reshape(len(cell), values.shape[1] // 3, 3)
    visible = boxes.sigmoid(keypoints[:, :, 2])
    return [
        Pose(
            boxes.box(table[row]),
            tuple((x, y) for x, y, _ in keypoints[row].tolist()),
            tuple(visible[row].tolist()),
        )
        for row in kept
    ]
