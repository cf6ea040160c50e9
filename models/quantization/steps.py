"""Optimal quantizer steps for the normal distribution, computed and never copied.

A uniform quantizer of N(0, 1) is described by its step: mid-rise grids have the 2^k half-integer
levels (±1/2, ±3/2, ...) times the step and no zero, the ternary grid has the levels -1, 0, 1
times the step. The mean square error is a sum of closed-form Gaussian moments, so the best step
is the minimum of a smooth function of one variable (J. Max, "Quantizing for minimum distortion",
IRE Trans. Information Theory 6, 1960).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from models.errors import ModelError

GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
MAX_BITS = 8


def _density(x: float) -> float:
    return 0.0 if math.isinf(x) else math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def _cell_error(low: float, high: float, level: float) -> float:
    """Return the integral of (x - level)^2 times the normal density from `low` to `high`."""
    # erfc of the positive tail keeps the digits that 1 - erf would lose
    mass = 0.5 * (math.erfc(low / math.sqrt(2.0)) - math.erfc(high / math.sqrt(2.0)))
    first = _density(low) - _density(high)
    second = mass + low * _density(low) - (0.0 if math.isinf(high) else high * _density(high))
    return second - 2.0 * level * first + level * level * mass


def mid_rise_error(step: float, bits: int) -> float:
    """Return the mean square error of the 2^bits half-integer levels for N(0, 1)."""
    cells = 2 ** (bits - 1)
    return 2.0 * sum(
        _cell_error(i * step, (i + 1) * step if i + 1 < cells else math.inf, (i + 0.5) * step)
        for i in range(cells)
    )


def ternary_error(step: float) -> float:
    """Return the mean square error of the levels -step, 0, step for N(0, 1)."""
    threshold = 0.5 * step
    return 2.0 * (_cell_error(0.0, threshold, 0.0) + _cell_error(threshold, math.inf, step))


def minimize(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the minimum of a unimodal function by golden-section search."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    f_left, f_right = function(left), function(right)
    while high - low > 1e-10 * max(1.0, high):
        if f_left < f_right:
            high, right, f_right = right, left, f_left
            left = high - GOLDEN * (high - low)
            f_left = function(left)
        else:
            low, left, f_left = left, right, f_right
            right = low + GOLDEN * (high - low)
            f_right = function(right)
    return 0.5 * (low + high)


@cache
def gaussian_step(bits: int) -> float:
    """Return the step, in standard deviations, of the best `bits`-wide mid-rise quantizer.

    Raises
    ------
    ModelError
        If `bits` is not 1 to 8.
    """
    if not 1 <= bits <= MAX_BITS:
        raise ModelError(f"bits: {bits} is not supported, expected 1 to {MAX_BITS}")
    return minimize(lambda step: mid_rise_error(step, bits), 1e-3, 4.0)


@cache
def gaussian_ternary_step() -> float:
    """Return the step, in standard deviations, of the best ternary quantizer of N(0, 1).

    The threshold between 0 and ±step is half of it.
    """
    return minimize(ternary_error, 1e-3, 4.0)
