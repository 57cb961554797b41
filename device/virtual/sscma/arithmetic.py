"""Single precision as the camera's processor and C library compute it.

The processor is a RISC-V (C906): the compiler fuses a product and the sum after it into one step
that rounds once, and conversions to integers saturate, with NaN as the largest number. `expf` and
`logf` are those of musl and glibc, which both have them from Arm's optimized routines.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_INT32 = np.iinfo(np.int32)
_UINT32 = np.iinfo(np.uint32)

# expf: e**x = 2**(k/32) * 2**(r/32) in double, k whole and r within a half; the second factor is
# a cubic in r, its coefficients for 2**r scaled down.
_STEPS = 32
_CUBIC = tuple(
    float.fromhex(digits) / _STEPS**power
    for power, digits in (
        (3, "0x1.c6af84b912394p-5"),
        (2, "0x1.ebfce50fac4f3p-3"),
        (1, "0x1.62e42ff0c52d6p-1"),
    )
)
_PER_STEP = float.fromhex("0x1.71547652b82fep+0") * _STEPS
_POWERS = np.array([2 ** (step / _STEPS) for step in range(_STEPS)])
_LARGEST = float.fromhex("0x1.62e42ep6")  # e**x overflows beyond
_SMALLEST = float.fromhex("-0x1.9fe368p6")  # and is zero below

# logf: ln(x) = k ln(2) + ln(c) + ln(1 + r), where 1 + r = x / (2**k c). Of each sixteenth 1 / c and
# ln(c); ln(1 + r) is a polynomial.
_LEAST_BITS = 0x3F330000
_LEAST_MANTISSA = float(np.int32(_LEAST_BITS).view(np.float32))
_SIXTEENTHS = tuple(
    (float.fromhex(inverse), float.fromhex(logarithm))
    for inverse, logarithm in (
        ("0x1.661ec79f8f3bep+0", "-0x1.57bf7808caadep-2"),
        ("0x1.571ed4aaf883dp+0", "-0x1.2bef0a7c06ddbp-2"),
        ("0x1.49539f0f010bp+0", "-0x1.01eae7f513a67p-2"),
        ("0x1.3c995b0b80385p+0", "-0x1.b31d8a68224e9p-3"),
        ("0x1.30d190c8864a5p+0", "-0x1.6574f0ac07758p-3"),
        ("0x1.25e227b0b8eap+0", "-0x1.1aa2bc79c81p-3"),
        ("0x1.1bb4a4a1a343fp+0", "-0x1.a4e76ce8c0e5ep-4"),
        ("0x1.12358f08ae5bap+0", "-0x1.1973c5a611cccp-4"),
        ("0x1.0953f419900a7p+0", "-0x1.252f438e10c1ep-5"),
        ("0x1p+0", "0x0p+0"),
        ("0x1.e608cfd9a47acp-1", "0x1.aa5aa5df25984p-5"),
        ("0x1.ca4b31f026aap-1", "0x1.c5e53aa362eb4p-4"),
        ("0x1.b2036576afce6p-1", "0x1.526e57720db08p-3"),
        ("0x1.9c2d163a1aa2dp-1", "0x1.bc2860d22477p-3"),
        ("0x1.886e6037841edp-1", "0x1.1058bc8a07ee1p-2"),
        ("0x1.767dcf5534862p-1", "0x1.4043057b6ee09p-2"),
    )
)
_LOG_CUBIC = tuple(
    map(float.fromhex, ("-0x1.00ea348b88334p-2", "0x1.5575b0be00b6ap-2", "-0x1.ffffef20a4123p-2"))
)


def exp(values: Floats) -> Floats:
    """Compute e**x as `expf` does, to the last bit."""
    x = values.astype(np.float64)
    inside = np.clip(np.where(np.isnan(x), 0.0, x), _SMALLEST, _LARGEST)
    scaled = inside * _PER_STEP
    whole = np.rint(scaled)
    rest = scaled - whole
    cubic = (_CUBIC[0] * rest + _CUBIC[1]) * (rest * rest) + (_CUBIC[2] * rest + 1.0)
    steps = whole.astype(np.int64)
    power = np.ldexp(_POWERS[steps % _STEPS], (steps // _STEPS).astype(np.int32))
    result: Floats = (cubic * power).astype(np.float32)
    result[x > _LARGEST] = np.inf
    result[x < _SMALLEST] = 0
    result[np.isnan(x)] = np.nan
    return result


def log(value: float) -> float:
    """Compute the natural logarithm as `logf` does, to the last bit.

    That of zero is minus infinity, that of a negative number NaN.
    """
    if not 0 < value < math.inf:
        return -math.inf if value == 0 else math.inf if value > 0 else math.nan
    # Between 0.7 and 1.4, and cut to sixteenths there.
    mantissa, exponent = math.frexp(float(np.float32(value)))
    if mantissa < _LEAST_MANTISSA:
        mantissa, exponent = mantissa * 2, exponent - 1
    sixteenth = int(np.float32(mantissa).view(np.int32) - _LEAST_BITS) >> 19
    inverse, its_log = _SIXTEENTHS[sixteenth % 16]
    rest = mantissa * inverse - 1.0
    square = rest * rest
    cubic = _LOG_CUBIC[0] * square + (_LOG_CUBIC[1] * rest + _LOG_CUBIC[2])
    return float(np.float32(cubic * square + (its_log + exponent * math.log(2) + rest)))


def fused(a: Floats, b: Floats, c: Floats) -> Floats:
    """Compute a * b + c with one rounding.

    The product is exact in double. The sum is rounded to odd there, so that rounding it to single
    precision comes out as if it had been exact.
    """
    product = a.astype(np.float64) * b.astype(np.float64)
    addend = np.asarray(c, np.float64)
    with np.errstate(invalid="ignore"):
        total = np.asarray(product + addend)
        part = total - product
        lost = (product - (total - part)) + (addend - part)
    bits = total.view(np.int64)
    inexact = np.isfinite(total) & np.isfinite(lost) & (lost != 0) & (bits & 1 == 0)
    # The neighbour on the side of what was lost: its pattern is odd.
    away = (lost > 0) == (total > 0)
    odd = np.where(inexact, bits + np.where(away, 1, -1), bits)
    result: Floats = odd.view(np.float64).astype(np.float32)
    return result


def int32(values: Floats) -> NDArray[np.int32]:
    """Convert to int32: towards zero, saturating, the largest for NaN."""
    return _whole(values, _INT32).astype(np.int32)


def uint32(values: Floats) -> NDArray[np.uint32]:
    """Convert to uint32: towards zero, saturating, the largest for NaN."""
    return _whole(values, _UINT32).astype(np.uint32)


def _whole(values: Floats, limits: np.iinfo[Any]) -> NDArray[np.float64]:
    numbers = np.where(np.isnan(values), np.inf, values.astype(np.float64))
    return np.clip(np.trunc(numbers), limits.min, limits.max)
