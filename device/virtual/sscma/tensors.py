"""Tensors as the runner reports them, and raw output bytes as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

DTYPES = {
    "float32": np.float32,
    "int32": np.int32,
    "uint32": np.uint32,
    "int16": np.int16,
    "uint16": np.uint16,
    "int8": np.int8,
    "uint8": np.uint8,
    # numpy has no such type; no decoder reads it.
    "bfloat16": np.uint16,
}


class UnsupportedTypeError(Exception):
    """The camera's decoder knows the family but not outputs of this type: no results."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model: ``shape`` as in the model, ``size`` in bytes."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    size: int
    scale: float = 1.0
    zero_point: int = 0

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Tensor:
        return cls(
            name=str(record["name"]),
            shape=tuple(int(n) for n in record["shape"]),
            dtype=str(record["dtype"]),
            size=int(record["bytes"]),
            scale=float(record["qscale"]),
            zero_point=int(record["zero_point"]),
        )

    def array(self, data: bytes) -> NDArray[Any]:
        """Return the tensor's bytes in its own shape. Raises ValueError when they do not fit."""
        return np.frombuffer(data, dtype=DTYPES[self.dtype]).reshape(self.shape)


@dataclass(frozen=True)
class Model:
    """Inputs and outputs of a loaded cvimodel, in the model's order."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Model:
        return cls(
            inputs=tuple(Tensor.from_json(record) for record in document["inputs"]),
            outputs=tuple(Tensor.from_json(record) for record in document["outputs"]),
        )

    @property
    def dims(self) -> tuple[int, int, int, int]:
        """Return the first four dimensions of the first input.

        They are 0 where it has fewer, or there is none: the camera's arrays are zero-filled.
        """
        shape = self.inputs[0].shape if self.inputs else ()
        first, second, third, fourth = (*shape, 0, 0, 0, 0)[:4]
        return first, second, third, fourth

    @property
    def packed(self) -> bool:
        """Tell channels last by the camera's test: the last dimension is 3 or 1."""
        return self.dims[3] in (1, 3)

    @property
    def height(self) -> int:
        return self.dims[1] if self.packed else self.dims[2]

    @property
    def width(self) -> int:
        return self.dims[2] if self.packed else self.dims[3]

    @property
    def channels(self) -> int:
        return self.dims[3] if self.packed else self.dims[1]
