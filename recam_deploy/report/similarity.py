"""Compute the cosine of two tensors that are added in parts, one picture at a time."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Flat = npt.NDArray[np.float64]


class Similarity:
    """Adds up, in float64, the terms of the cosine of the float model's tensor and the TPU's."""

    def __init__(self) -> None:
        self._product = self.float_square = self._tpu_square = 0.0

    def add(self, of_float: Flat, on_tpu: Flat) -> None:
        """Add one picture's values, both flat."""
        self._product += float(of_float @ on_tpu)
        self.float_square += float(of_float @ of_float)
        self._tpu_square += float(on_tpu @ on_tpu)

    @property
    def cosine(self) -> float:
        """Return the cosine of all pictures' values as one tensor.

        It is 1 for two tensors of zeros, and 0 where values that are not finite leave it undefined.
        """
        if not self.float_square and not self._tpu_square:
            return 1.0
        norm = math.sqrt(self.float_square) * math.sqrt(self._tpu_square)
        cosine = self._product / norm if norm else 0.0
        return cosine if math.isfinite(cosine) else 0.0
