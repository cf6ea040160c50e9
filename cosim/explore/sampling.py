"""Which points of a grid to run: all of them, or a sample that fills it evenly.

A point is a row of positions, one for each dimension of the grid. Samples are drawn in the unit
cube and rounded down to positions, so a long list of values is sampled as densely as a short one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError

Positions = NDArray[np.int64]

_SOBOL = (
    (1, 0, (1,)), (2, 1, (1, 3)), (3, 1, (1, 3, 1)), (3, 2, (1, 1, 1)), (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)), (5, 2, (1, 1, 5, 5, 17)), (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)), (5, 11, (1, 1, 5, 1, 1)), (5, 13, (1, 1, 1, 3, 11)),
    (5, 14, (1, 3, 5, 5, 31)), (6, 1, (1, 3, 3, 9, 7, 49)), (6, 13, (1, 1, 1, 15, 21, 21)),
    (6, 16, (1, 3, 1, 13, 27, 49)), (6, 19, (1, 1, 1, 15, 7, 5)), (6, 22, (1, 3, 1, 15, 13, 25)),
    (6, 25, (1, 1, 5, 5, 19, 61)), (7, 1, (1, 3, 7, 11, 23, 15, 103)),
)  # fmt: skip
"""Degree, coefficients and first direction numbers of dimensions 2 to 20: S. Joe and F. Y. Kuo,
"Constructing Sobol sequences with better two-dimensional projections", 2008, new-joe-kuo-6."""

_BITS = 32


def size(shape: Sequence[int]) -> int:
    """Points of the whole grid."""
    return prod(shape)


def grid(shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every point, the last dimension fastest, one at a time."""
    return product(*(range(count) for count in shape))


def sample(method: str, shape: Sequence[int], count: int, seed: int) -> Positions:
    """Positions of `count` points, drawn with `seed`; some may be equal.

    Parameters
    ----------
    method : ``random``, ``latin-hypercube`` or ``sobol``
    shape : sequence of int
        Values of every dimension.

    Returns
    -------
    positions : int64 array, shape (count, len(shape))

    Raises
    ------
    CosimError
        For more dimensions than the Sobol sequence has here.
    """
    makers = {"random": _random, "latin-hypercube": _latin_hypercube, "sobol": _sobol}
    unit = makers[method](count, len(shape), np.random.default_rng(seed))
    positions: Positions = (unit * np.array(shape)).astype(np.int64)
    inside: Positions = np.minimum(positions, np.array(shape) - 1)
    return inside


def _random(count: int, dimensions: int, generator: np.random.Generator) -> NDArray[np.float64]:
    return generator.random((count, dimensions))


def _latin_hypercube(
    count: int, dimensions: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Each of `count` equal slices of every dimension is hit once."""
    slices = np.stack([generator.permutation(count) for _ in range(dimensions)], axis=1)
    unit: NDArray[np.float64] = (slices + generator.random((count, dimensions))) / count
    return unit


def _sobol(count: int, dimensions: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """The Sobol sequence, shifted by the seed bit by bit, which keeps its evenness."""
    if dimensions > len(_SOBOL) + 1:
        raise CosimError(
            f"a Sobol sample of {dimensions} dimensions",
            expected=f"at most {len(_SOBOL) + 1}, or latin-hypercube",
        )
    shift = generator.integers(0, 1 << _BITS, dimensions, np.uint64)
    numbers = np.arange(count, dtype=np.uint64)
    gray = numbers ^ (numbers >> np.uint64(1))
    unit = np.empty((count, dimensions))
    for dimension in range(dimensions):
        value = np.zeros(count, np.uint64)
        for bit, direction in enumerate(_directions(dimension)):
            value ^= ((gray >> np.uint64(bit)) & np.uint64(1)) * np.uint64(direction)
        unit[:, dimension] = (value ^ shift[dimension]) / 2.0**_BITS
    return unit


def _directions(dimension: int) -> list[int]:
    """Direction numbers of one dimension, most significant bit first."""
    if dimension == 0:
        return [1 << (_BITS - 1 - i) for i in range(_BITS)]
    degree, coefficients, first = _SOBOL[dimension - 1]
    numbers = [m << (_BITS - 1 - i) for i, m in enumerate(first)]
    for i in range(degree, _BITS):
        value = numbers[i - degree] ^ (numbers[i - degree] >> degree)
        for k in range(1, degree):
            if (coefficients >> (degree - 1 - k)) & 1:
                value ^= numbers[i - k]
        numbers.append(value)
    return numbers
