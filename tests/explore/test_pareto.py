"""Front, knee, hypervolume and importance against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.explore import pareto
from cosim.explore.binning import grouped
from cosim.explore.importance import importance

CLOUDS = st.integers(1, 4).flatmap(
    lambda d: st.lists(st.tuples(*[st.integers(0, 6)] * d), min_size=1, max_size=25)
)


def cloud(points: list[tuple[int, ...]]) -> pareto.Costs:
    return np.array(points, np.float64).reshape(len(points), -1)


@given(CLOUDS)
def test_the_front_is_what_nothing_beats(points: list[tuple[int, ...]]) -> None:
    matrix = cloud(points)
    front = {points[i] for i in pareto.front(matrix).tolist()}
    beaten = {
        p for p in points if any(all(np.less_equal(o, p)) and o != p for o in points)
    }  # fmt: skip
    assert front == set(points) - beaten
    assert len(pareto.front(matrix)) == len(front)


@given(CLOUDS)
def test_hypervolume_counts_the_unit_cells_that_are_dominated(
    points: list[tuple[int, ...]],
) -> None:
    limit = 7
    cells = itertools.product(range(limit), repeat=len(points[0]))
    counted = sum(any(all(np.less_equal(p, cell)) for p in points) for cell in cells)
    reference = np.full(len(points[0]), limit)
    assert pareto.hypervolume(cloud(points), reference) == pytest.approx(counted)


@given(CLOUDS)
def test_more_points_never_have_less_hypervolume(points: list[tuple[int, ...]]) -> None:
    steps = pareto.front_over_time(cloud(points), np.full(len(points[0]), 7.0))
    volumes = [volume for _, volume in steps]
    assert volumes == sorted(volumes)
    assert steps[-1][0] == len(points)


def test_points_beyond_the_reference_do_not_count() -> None:
    assert pareto.hypervolume(np.array([[1.0, 9.0]]), [5.0, 5.0]) == 0.0


def test_the_knee_is_nearest_to_the_best_of_everything() -> None:
    points = np.array([[0.0, 100.0], [1.0, 10.0], [10.0, 0.0]])
    assert pareto.knee(points) == 1
    assert pareto.knee(points * [1000.0, 0.001]) == 1
    assert pareto.knee(np.array([[3.0, 4.0]])) == 0


def test_importance_is_the_share_of_the_spread_that_an_axis_explains() -> None:
    """y = a^2 b: all spread is between the two, two thirds of the exponents but four of five
    parts of the variance of the logarithm are a's; c does nothing."""
    points = list(itertools.product((1, 2), (1, 2), (1, 2)))
    results = [float(a * a * b) for a, b, _ in points]
    axes = {name: [p[i] for p in points] for i, name in enumerate("abc")}
    found = {entry.axis: entry for entry in importance(results, axes)}
    assert next(iter(found)) == "a"
    assert found["a"].factor == pytest.approx(4.0)
    assert found["b"].factor == pytest.approx(2.0)
    assert found["c"].factor == pytest.approx(1.0)
    assert found["c"].share == 0.0
    assert found["a"].share > found["b"].share > 0
    assert (found["a"].best, found["b"].best) == (1, 1)
    most = importance(results, axes, larger_is_better=True)
    assert most[0].best == 2


def test_importance_on_a_large_grid_is_the_exact_share() -> None:
    points = list(itertools.product(range(10), range(10), range(10)))
    results = [2.0 ** (2 * a + b) for a, b, _ in points]
    axes = {name: [p[i] for p in points] for i, name in enumerate("abc")}
    found = {entry.axis: entry for entry in importance(results, axes)}
    assert found["a"].share == pytest.approx(0.8, abs=0.005)
    assert found["b"].share == pytest.approx(0.2, abs=0.005)


def test_an_axis_that_applies_to_some_points_is_judged_among_those() -> None:
    axes = {
        "design": ["x", "x", "x", "x", "y", "y"],
        "rank": [1, 2, 1, 2, None, None],
        "batch": [1, 1, 8, 8, 1, 8],
    }
    found = {i.axis: i for i in importance([1, 3, 1, 3, 100, 100], axes)}
    assert found["rank"].share == pytest.approx(1.0)
    assert found["rank"].factor == pytest.approx(3.0)
    assert found["rank"].means == ((1, pytest.approx(1.0)), (2, pytest.approx(3.0)))
    assert found["batch"].share == 0


def test_an_axis_that_met_the_same_companions_is_exact_on_a_ragged_grid() -> None:
    kinds, bits = ["a", "a", "b", "c"] * 2, [8] * 4 + [4] * 4
    results = [100, 10, 3, 1, 50, 5, 1.5, 0.5]
    found = {i.axis: i for i in importance(results, {"kind": kinds, "bits": bits})}
    assert found["bits"].factor == pytest.approx(2.0)
    assert found["bits"].share < 0.1
    pairs = {"kind": ["a", "b", "c", "a", "b", "c"], "bits": [8, 8, 8, 4, 4, 4]}
    exact = importance([4, 2, 1, 2, 1, 0.5], pairs)
    assert sum(i.share for i in exact) == pytest.approx(1.0)


def test_neighbours_count_as_one_value_where_a_sample_met_each_too_rarely() -> None:
    order = [str(n) for n in range(100)]
    values, labels = grouped([str(n) for n in range(0, 100, 4)], order)
    assert labels == ["0 to 16", "20 to 36", "40 to 56", "60 to 76", "80 to 96"]
    assert values[:6] == ["0 to 16"] * 5 + ["20 to 36"]
    often = ["8", "16", "0"] * 5
    assert grouped(often, order) == (often, ["0", "8", "16"])
    noise = [float(n * 7919 % 97) for n in range(60)]
    axes = {"a": [str(n) for n in range(60)], "b": [str(n * 31 % 60) for n in range(60)]}
    loose = importance(noise, axes)
    assert all(entry.share == 1.0 for entry in loose)  # every point explains itself
    assert all(i.share < 0.3 for i in importance(noise, axes, numbers={"a", "b"}))


def test_values_of_a_whole_grid_are_never_put_together() -> None:
    order = [str(n) for n in range(20)]
    (entry,) = importance([float(n) for n in range(20)], {"a": order[::-1]}, {"a": order},
                          numbers={"a"})  # fmt: skip
    assert [value for value, _ in entry.means] == order
