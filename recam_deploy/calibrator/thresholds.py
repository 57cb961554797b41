"""Choose the threshold at which a tensor's magnitudes are clipped before they become 8 bits.

It is the one with the least Kullback-Leibler divergence between the clipped histogram and the same
in 128 levels. This is the method of tpu_mlir 1.7 (`calibration_math.so`, and
`calibration/kld_calibrator.py`), with its constants: 2048 bins, and a candidate at every 128th.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BINS = 2048
LEVELS = 128

_TINY = 1e-30


def kl_threshold(counts: npt.NDArray[np.int64], width: float) -> float:
    """Return the best threshold for a histogram of magnitudes.

    `counts` [bins] are at multiples of `width`. For an empty histogram, return the first candidate,
    128 bins.
    """
    total = counts.sum()
    if not total:
        return width * LEVELS
    candidates = range(LEVELS, len(counts) + 1, LEVELS)
    divergences = [_divergence(counts, kept, float(total)) for kept in candidates]
    return width * candidates[int(np.argmin(np.array(divergences, np.float32)))]


def _divergence(counts: npt.NDArray[np.int64], kept: int, total: float) -> float:
    """Compute the divergence of the first `kept` bins from their 128 levels.

    The rest is counted into the last of these bins.
    """
    inside = counts[:kept].astype(np.float64)
    original = inside.copy()
    original[-1] += counts[kept:].sum()
    original /= total
    levels = inside.reshape(LEVELS, -1)
    filled = levels > 0
    share = levels.sum(axis=1) / np.maximum(filled.sum(axis=1), 1) / max(inside.sum(), 1.0)
    quantized = np.where(filled, share[:, None], 0.0).ravel()
    ratios = np.log10(original + _TINY) - np.log10(quantized + _TINY)
    return float((original * ratios).sum())
