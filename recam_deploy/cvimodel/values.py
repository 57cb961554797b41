"""Read the values of tensors that `tpu_run.py` has written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Value:
    """A tensor's values as float32; `dtype` is its type on the chip."""

    dtype: str
    array: npt.NDArray[np.float32]


def read_tensor(path: Path, tensor: dict[str, Any]) -> Value:
    """Read a tensor's raw bytes; `tensor` is its description in `tpu_run.py`'s report.

    Integers are converted by their zero point and scale. Raises OSError and ValueError.
    """
    return _value(bytearray(path.read_bytes()), tensor)


def read_packed(path: Path, tensors: Sequence[dict[str, Any]], images: int) -> list[list[Value]]:
    """Read the outputs of many images from one file, image by image, each as `read_tensor` does.

    Raises OSError, and ValueError when the file has another size or the tensors do not fit it.
    """
    sizes = [int(tensor["bytes"]) for tensor in tensors]
    data = memoryview(bytearray(path.read_bytes()))
    if min(sizes, default=0) < 0 or len(data) != images * sum(sizes):
        raise ValueError(f"it has {len(data)} bytes, and not {images * sum(sizes)}")
    found: list[list[Value]] = []
    at = 0
    for _ in range(images):
        values = []
        for tensor, size in zip(tensors, sizes, strict=True):
            values.append(_value(data[at : at + size], tensor))
            at += size
        found.append(values)
    return found


def _value(data: bytearray | memoryview, tensor: dict[str, Any]) -> Value:
    dtype, shape = tensor["dtype"], tensor["shape"]
    if dtype == "bfloat16":
        # bfloat16 is the upper half of a float32.
        bits = np.frombuffer(data, np.uint16).astype(np.uint32) << 16
        return Value(dtype, bits.view(np.float32).reshape(shape))
    values: npt.NDArray[Any] = np.frombuffer(data, np.dtype(dtype)).reshape(shape)
    if dtype != "float32":
        values = (values.astype(np.float32) - tensor["zero_point"]) * tensor["qscale"]
    return Value(dtype, values.astype(np.float32, copy=False))
