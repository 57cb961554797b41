"""Run parts of a float model on a picture that is always the same, to learn what they compute."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx

from .cutting import cut
from .model import NetworkInput
from .runtime import Runtime

Array: TypeAlias = npt.NDArray[np.float32]


def sample_picture(height: int, width: int) -> Array:
    """Make a picture of blocks of many sizes, float32 [1, 3, H, W] from 0 to 1."""
    random = np.random.default_rng(7)
    total = np.zeros((3, height, width), np.float32)
    size = 2
    while size <= max(height, width):
        coarse = random.random((3, size, size), np.float32) - 0.5
        rows = np.arange(height) * size // height
        columns = np.arange(width) * size // width
        total += coarse[:, rows[:, None], columns]
        size *= 4
    total -= total.min()
    picture: Array = total[None] / max(float(total.max()), 1e-6)
    return picture


def run_on_sample(
    model: onnx.ModelProto, image: NetworkInput, names: Iterable[str]
) -> dict[str, Array]:
    """Compute the tensors `names` of a model on the sample picture, as float32.

    `model` must have its shapes inferred. Raises InputError when onnxruntime cannot run it.
    """
    wanted = list(dict.fromkeys(names))
    part = cut(model, image.name, wanted)
    arrays = Runtime(part.SerializeToString()).run(
        {image.name: sample_picture(image.height, image.width)}
    )
    return dict(zip(wanted, (array.astype(np.float32) for array in arrays), strict=True))
