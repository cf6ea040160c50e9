"""Samples fill the space evenly, inside its bounds, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.errors import CosimError
from cosim.explore.sampling import _directions, grid, sample, size

METHODS = ["random", "latin-hypercube", "sobol"]


@given(st.sampled_from(METHODS), st.lists(st.integers(1, 50), min_size=1, max_size=20),
       st.integers(1, 200), st.integers(0, 5))  # fmt: skip
def test_samples_are_inside_the_grid_and_repeat_with_their_seed(
    method: str, shape: list[int], count: int, seed: int
) -> None:
    drawn = sample(method, shape, count, seed)
    assert drawn.shape == (count, len(shape))
    assert (drawn >= 0).all()
    assert (drawn < np.array(shape)).all()
    assert np.array_equal(drawn, sample(method, shape, count, seed))


@pytest.mark.parametrize("method", ["latin-hypercube", "sobol"])
@pytest.mark.parametrize("seed", [0, 7])
def test_even_samples_take_every_value_of_every_axis_equally_often(method: str, seed: int) -> None:
    drawn = sample(method, [16] * 20, 64, seed)
    for dimension in range(20):
        assert np.bincount(drawn[:, dimension], minlength=16).tolist() == [4] * 16


@pytest.mark.parametrize("dimension", range(20))
def test_direction_numbers_make_every_leading_block_even(dimension: int) -> None:
    """The defining property: matrices of the sequence are upper triangular with a full diagonal."""
    for bit, number in enumerate(_directions(dimension)):
        assert number >> (31 - bit) & 1
        assert number % (1 << (31 - bit)) == 0


def test_pairs_of_the_first_axes_are_even_as_well() -> None:
    """16 points over the 4 x 4 cells of two axes: one a cell, which random points never do."""
    drawn = sample("sobol", [4, 4], 16, 3)
    assert len({tuple(row) for row in drawn.tolist()}) == 16


def test_different_seeds_give_different_samples() -> None:
    for method in METHODS:
        assert not np.array_equal(
            sample(method, [100] * 3, 50, 0), sample(method, [100] * 3, 50, 1)
        )


def test_more_dimensions_than_there_are_direction_numbers_are_refused() -> None:
    with pytest.raises(CosimError, match="21 dimensions"):
        sample("sobol", [2] * 21, 4, 0)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_a_grid_is_every_combination_once(shape: list[int]) -> None:
    points = list(grid(shape))
    assert len(points) == len(set(points)) == size(shape)
