"""Collect the exact extremes and a histogram of a tensor's values over many pictures.

The method's histogram has bins of equal width up to the largest value, which is only known at the
end. So magnitudes are first counted in bins of equal *ratio*, 2048 an octave, which do not depend
on the largest value. At the end the counts are distributed over bins of equal width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]

# A float's bits, read as an integer, grow with its magnitude; the upper bits number the bin.
_MANTISSA_BITS = 11
_SHIFT = 23 - _MANTISSA_BITS
_OCTAVES_BELOW_ONE, _OCTAVES = 32, 64
_LOWEST = (127 - _OCTAVES_BELOW_ONE) << _MANTISSA_BITS
_BINS = _OCTAVES << _MANTISSA_BITS
# Values this far below a picture's largest magnitude fall into the first of 2048 bins, like zeros.
_RESOLVED = 20 << _MANTISSA_BITS

_NO_SIGN = np.int32(0x7FFFFFFF)
_NEARLY_ZERO = 1e-5


@dataclass
class TensorStatistics:
    """Statistics of one tensor's values, over the pictures added so far.

    `minimum` and `maximum` are those of all values; the histogram may be of a sample of them.
    """

    minimum: float = float("inf")
    maximum: float = float("-inf")
    # Pages of zeros take no memory until they are written, and only few octaves are.
    _counts: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(_BINS, np.uint32))

    def add(self, minimum: float, maximum: float, values: Array) -> None:
        """Add another picture: the extremes of its tensor, and the values or a sample of them."""
        self.minimum = min(self.minimum, minimum)
        self.maximum = max(self.maximum, maximum)
        largest = np.float32(max(abs(minimum), abs(maximum))).view(np.uint32) >> _SHIFT
        highest = min(max(int(largest) - _LOWEST, 0), _BINS - 1)
        lowest = max(highest - _RESOLVED, 0)
        keys = (values.view(np.int32) & _NO_SIGN) >> _SHIFT
        keys -= _LOWEST + lowest
        np.clip(keys, 0, highest - lowest, out=keys)
        counts = np.bincount(keys)
        counts[0] = 0  # holds all zeros, which the method leaves out
        self._counts[lowest : lowest + len(counts)] += counts.astype(np.uint32)

    @property
    def absolute_maximum(self) -> float:
        """Return the largest magnitude, at least 1e-5, which a tensor of zeros has."""
        return max(abs(self.minimum), abs(self.maximum), _NEARLY_ZERO)

    @property
    def limits(self) -> tuple[float, float]:
        """Return minimum and maximum for a calibration table; a tensor of zeros gets a range."""
        if max(abs(self.minimum), abs(self.maximum)) > _NEARLY_ZERO:
            return self.minimum, self.maximum
        return (-_NEARLY_ZERO if self.minimum < 0 else 0.0), _NEARLY_ZERO

    def histogram(self, bins: int) -> tuple[Counts, float]:
        """Return the counts [bins] of magnitudes other than zero, and the width of a bin.

        Bin i counts the magnitudes nearest to i times the width, which is the largest magnitude
        divided by `bins` - 1.
        """
        width = self.absolute_maximum / (bins - 1)
        used = np.flatnonzero(self._counts)
        if not used.size:
            return np.zeros(bins, np.int64), width
        first, last = int(used[0]), int(used[-1])
        below = np.concatenate([[0], np.cumsum(self._counts[first : last + 1], dtype=np.int64)])
        edges = _value(np.arange(first, last + 2))
        wanted = (np.arange(1, bins) - 0.5) * width
        reached = np.rint(np.interp(wanted, edges, below)).astype(np.int64)
        return np.diff(reached, prepend=0, append=below[-1]), width


def _value(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the lower edges of bins of equal ratio."""
    bits = ((keys + _LOWEST) << _SHIFT).astype(np.int32)
    return bits.view(np.float32).astype(np.float64)
