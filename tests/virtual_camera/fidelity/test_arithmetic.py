"""Single precision comes out as the camera's processor and C library compute it."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual.sscma.arithmetic import exp, fused, int32, log, uint32

# What expf and logf of musl and glibc give where that is not the nearest number.
EXPONENTIALS = {
    "-0x1.02d0b2p+4": "0x1.955a6cp-24",
    "0x1.36fa36p+4": "0x1.0742a0p+28",
    "0x1.553ba0p+2": "0x1.9d9ae2p+7",
    "-0x1.fa1548p+3": "0x1.22c014p-23",
}
LOGARITHMS = {
    "0x1.525b98p+2": "0x1.aa4beap+0",
    "0x1.9f3e4ep+0": "0x1.ef4bbep-2",
    "0x1.fa5fc8p-1": "-0x1.6a0c26p-7",
    "0x1.f36ee0p+2": "0x1.06fcd4p+1",
}

floats = st.floats(-(2.0**60), 2.0**60, width=32)


def one(value: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array([value], np.float32)


@pytest.mark.parametrize(("argument", "expected"), EXPONENTIALS.items())
def test_exp_is_the_c_librarys_where_that_is_not_the_nearest(argument: str, expected: str) -> None:
    result = exp(one(float.fromhex(argument)))[0]
    assert float(result) == float.fromhex(expected)
    assert result != np.float32(math.exp(float.fromhex(argument)))


@pytest.mark.parametrize(("argument", "expected"), LOGARITHMS.items())
def test_log_is_the_c_librarys_where_that_is_not_the_nearest(argument: str, expected: str) -> None:
    result = log(float.fromhex(argument))
    assert result == float.fromhex(expected)
    assert result != np.float32(math.log(float.fromhex(argument)))


@given(st.floats(-80, 80, width=32))
def test_exp_is_near_everywhere(value: float) -> None:
    nearest = np.float32(math.exp(value))
    assert abs(exp(one(value))[0] - nearest) <= np.spacing(nearest)


@given(st.floats(2.0**-100, 2.0**100, width=32))
def test_log_is_near_everywhere(value: float) -> None:
    nearest = np.float32(math.log(value))
    assert abs(np.float32(log(value)) - nearest) <= np.spacing(np.abs(nearest))


def test_exp_and_log_have_ends() -> None:
    ends = exp(np.array([89, -104, math.inf, -math.inf, math.nan, 0], np.float32))
    assert np.array_equal(ends, [math.inf, 0, math.inf, 0, math.nan, 1], equal_nan=True)
    assert (log(0), log(1), log(math.inf)) == (-math.inf, 0, math.inf)
    assert math.isnan(log(-1))
    assert math.isnan(log(math.nan))


def nearest(value: Fraction) -> np.float32:
    """Round to single precision once, ties to even."""
    guess = np.float32(float(value))
    around = [np.nextafter(guess, np.float32(side)) for side in (-np.inf, np.inf)]
    return min([guess, *around], key=lambda n: (abs(Fraction(float(n)) - value), n.view("i4") & 1))


@given(floats, floats, floats)
def test_a_product_and_a_sum_are_rounded_once(a: float, b: float, c: float) -> None:
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    assert fused(one(a), one(b), one(c))[0] == nearest(exact)


def test_once_is_not_the_same_as_twice() -> None:
    # A tie in single precision that a tiny sum tips; in double that sum is lost.
    a, b = 2.0**23 + 1, 3.0
    for tiny, expected in ((1e-30, 25165828.0), (-1e-30, 25165826.0)):
        assert float(np.float32(a * b + tiny)) == 25165828.0
        assert float(fused(one(a), one(b), one(tiny))[0]) == expected


@pytest.mark.parametrize(
    ("value", "signed", "unsigned"),
    [
        (math.nan, 2**31 - 1, 2**32 - 1),
        (math.inf, 2**31 - 1, 2**32 - 1),
        (-math.inf, -(2**31), 0),
        (3e9, 2**31 - 1, 3_000_000_000),
        (-2.9, -2, 0),
        (2.9, 2, 2),
    ],
)
def test_conversions_saturate_towards_zero(value: float, signed: int, unsigned: int) -> None:
    assert int32(one(value))[0] == signed
    assert uint32(one(value))[0] == unsigned
