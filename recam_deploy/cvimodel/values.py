"""Read the values of a tensor that `tpu_run.py` has written."""

from __future__ import annotations

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
    dtype, shape = tensor["dtype"], tensor["shape"]
    if dtype == "bfloat16":
        # bfloat16 is the upper half of a float32.
        bits = np.fromfile(path, np.uint16).astype(np.uint32) << 16
        return Value(dtype, bits.view(np.float32).reshape(shape))
    values: npt.NDArray[Any] = np.fromfile(path, np.dtype(dtype)).reshape(shape)
    if dtype != "float32":
        values = (values.astype(np.float32) - tensor["zero_point"]) * tensor["qscale"]
    return Value(dtype, values.astype(np.float32, copy=False))
