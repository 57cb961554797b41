"""Predict the motion of a tracked box by a Kalman filter with constant velocity.

Source: SSCMA-Micro ``extension/bytetrack/kalman_filter.cpp`` at 60e2ede, which computes with
Eigen in float32. Each of the four coordinates is filtered by itself, so every element of the
products below is a sum of at most two terms that are not zero, and the order of summing, a
fused multiply-add or another linear algebra library give the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

_f32 = np.float32

POSITION_WEIGHT = _f32(1 / 20)
VELOCITY_WEIGHT = _f32(1 / 160)
"""Standard deviations as parts of the box's height."""

_MOTION = (np.eye(8) + np.eye(8, k=4)).astype(_f32)
"""One picture further: a velocity is added to its position."""

_POSITIONS = np.eye(4, 8, dtype=_f32)
"""What is measured of a state."""


@dataclass
class Motion:
    """A box's centre x, centre y, aspect (width by height) and height, then the four velocities.

    They are given by their ``mean`` [8] and ``covariance`` [8, 8].
    """

    mean: Floats
    covariance: Floats

    @classmethod
    def begin(cls, measured: Floats) -> Motion:
        """Begin with a box [4] that is seen for the first time: it stands still."""
        height = measured[3]
        position = _f32(2) * POSITION_WEIGHT * height
        velocity = _f32(10) * VELOCITY_WEIGHT * height
        deviations = _per_coordinate(position, 1e-2) + _per_coordinate(velocity, 1e-5)
        mean = np.concatenate([measured, np.zeros(4, _f32)])
        return cls(mean, _diagonal(deviations))

    def predict(self) -> None:
        """Move the state on by one picture."""
        height = self.mean[3]
        deviations = _per_coordinate(POSITION_WEIGHT * height, 1e-2)
        deviations += _per_coordinate(VELOCITY_WEIGHT * height, 1e-5)
        self.mean = _MOTION @ self.mean
        self.covariance = _MOTION @ self.covariance @ _MOTION.T + _diagonal(deviations)

    def correct(self, measured: Floats) -> None:
        """Correct the state by a box [4] that was found."""
        expected = _POSITIONS @ self.mean
        spread = _POSITIONS @ self.covariance @ _POSITIONS.T
        spread += _diagonal(_per_coordinate(POSITION_WEIGHT * self.mean[3], 1e-1))
        # The camera divides by the (diagonal) spread through its Cholesky factor, twice, and
        # Eigen solves by multiplying with a reciprocal: so three roundings, not one.
        inverse = _f32(1) / np.sqrt(np.diagonal(spread))
        gain = self.covariance @ _POSITIONS.T * inverse * inverse
        self.mean = self.mean + gain @ (measured - expected)
        self.covariance = self.covariance - gain @ spread @ gain.T


def _per_coordinate(of_height: np.float32, of_aspect: float) -> list[np.float32]:
    return [of_height, of_height, _f32(of_aspect), of_height]


def _diagonal(deviations: list[np.float32]) -> Floats:
    return np.diag(np.square(np.array(deviations, _f32)))
