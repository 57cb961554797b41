"""Histograms of any number of pictures, and the threshold that the divergence chooses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from recam_deploy.calibrator.histogram import TensorStatistics
from recam_deploy.calibrator.thresholds import BINS, LEVELS, kl_threshold

RANDOM = np.random.default_rng(3)


def seen(*pictures: npt.NDArray[np.float32]) -> TensorStatistics:
    statistics = TensorStatistics()
    for values in pictures:
        statistics.add(float(values.min()), float(values.max()), values)
    return statistics


def exact_histogram(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """As the method is defined: the nearest multiple of the width, zeros left out."""
    magnitudes = np.abs(values[values != 0]).astype(np.float64)
    width = magnitudes.max() / (BINS - 1)
    return np.bincount(np.floor(magnitudes / width + 0.5).astype(int), minlength=BINS)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_streamed_histogram_is_nearly_the_exact_one(scale: float) -> None:
    values = (RANDOM.normal(0, 1, 200_000) * scale).astype(np.float32)
    values[::3] = 0
    counts, width = seen(*np.split(values, 8)).histogram(BINS)
    exact = exact_histogram(values)
    assert width == pytest.approx(np.abs(values).max() / (BINS - 1))
    assert counts.sum() == pytest.approx(exact.sum(), rel=1e-4)
    # A value can only land in a bin beside its own.
    assert np.abs(np.cumsum(counts) - np.cumsum(exact)).max() <= exact.max()
    assert np.abs(counts - exact).sum() < 0.1 * exact.sum()


def test_the_order_of_pictures_does_not_matter() -> None:
    small, large = np.array([0.1, -0.2, 0.3], np.float32), np.array([5.0, -7.0, 0.0], np.float32)
    forward, backward = seen(small, large), seen(large, small)
    assert forward.limits == backward.limits == (-7.0, 5.0)
    assert (forward.histogram(BINS)[0] == backward.histogram(BINS)[0]).all()
    assert forward.histogram(BINS)[0].sum() == 5


def test_extremes_count_even_where_the_sample_missed_them() -> None:
    statistics = TensorStatistics()
    statistics.add(-3.0, 8.0, np.array([1.0, 2.0], np.float32))
    assert statistics.limits == (-3.0, 8.0)
    assert statistics.absolute_maximum == 8.0


@pytest.mark.parametrize("value", [0.0, 1e-7, -1e-7])
def test_a_tensor_of_zeros_gets_a_range(value: float) -> None:
    statistics = seen(np.full(10, value, np.float32))
    assert statistics.absolute_maximum == 1e-5
    assert statistics.limits == (-1e-5 if value < 0 else 0.0, 1e-5)


def test_an_even_spread_is_not_cut_off() -> None:
    assert kl_threshold(np.full(BINS, 10), 0.5) == 0.5 * BINS


def test_a_few_far_values_are_cut_off() -> None:
    counts = (1e6 * np.exp(-np.arange(BINS) / 60)).astype(np.int64) + 1
    assert kl_threshold(counts, 1.0) == 5 * LEVELS


def test_thresholds_are_multiples_of_the_levels() -> None:
    for seed in range(5):
        counts = np.random.default_rng(seed).integers(0, 50, BINS)
        assert kl_threshold(counts, 1.0) % LEVELS == 0


def test_nothing_counted_has_a_threshold_all_the_same() -> None:
    assert kl_threshold(np.zeros(BINS, np.int64), 2.0) == 2.0 * LEVELS
