"""Counters over time conserve what they count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.analysis.counters import buffer_occupancy, dram_bandwidth, power
from cosim.analysis.energy import energy, task_counts
from cosim.analysis.step_function import StepFunction, step_function
from cosim.mapping.program import Program
from tests.analysis.test_critical_path import machines
from tests.analysis.tiny import DESIGN, program, run

changes = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(1, 200), st.integers(1, 50)), min_size=1
)


def intervals(spans: list[tuple[int, int, int]], end: int) -> StepFunction:
    start, length, amount = (np.array(column) for column in zip(*spans, strict=True))
    edges = ((start, amount), (start + length, -amount))
    return step_function("test", "B", edges, end)


@given(changes)
def test_a_step_function_is_the_sum_of_its_intervals_at_every_instant(
    spans: list[tuple[int, int, int]],
) -> None:
    found = intervals(spans, 1300)
    every = np.arange(1300)
    naive = sum(a * ((every >= s) & (every < s + n)) for s, n, a in spans)
    assert np.array_equal(found.at(every), naive)
    assert found.integral(1300) == sum(n * a for _, n, a in spans)


@given(changes, st.integers(1, 40))
def test_averages_and_maxima_over_bins_are_those_of_the_samples(
    spans: list[tuple[int, int, int]], bins: int
) -> None:
    found = intervals(spans, 1300)
    edges = np.linspace(0, 1300, bins + 1).astype(np.int64)
    samples = found.at(np.arange(1300))
    for low, high, mean, most in zip(
        edges, edges[1:], found.average(edges), found.largest(edges), strict=False
    ):
        assert mean == pytest.approx(samples[low:high].mean())
        assert most == samples[low:high].max()


@given(machines)
def test_a_buffer_never_holds_more_than_its_size_and_is_empty_at_the_end(made: Program) -> None:
    rows = run(made)
    makespan = int(rows.end.max())
    inside, outside = buffer_occupancy(made, rows, makespan + 1)
    assert inside.peak <= 200
    assert outside.peak <= 64
    assert min(inside.values.min(), outside.values.min()) >= 0
    assert inside.values[-1] == outside.values[-1] == 0


@given(machines)
def test_the_bandwidth_integrates_to_the_bytes_moved(made: Program) -> None:
    rows = run(made)
    tiles = sum(rows.component == 3)
    found = dram_bandwidth(made, rows, int(rows.end.max()))
    assert found.integral(found.end) * 1e-12 == pytest.approx(tiles * 164)


@given(machines)
def test_the_power_integrates_to_the_energy(made: Program) -> None:
    rows = run(made)
    makespan = int(rows.end.max())
    spent = energy(made, DESIGN, task_counts(made, rows), makespan)
    assert power(made, rows, makespan).integral(makespan) * 1e-3 == pytest.approx(spent.total_pj)
    assert sum(spent.by_role.values()) == pytest.approx(spent.total_pj)


def test_only_the_first_row_of_a_task_carries_its_energy() -> None:
    short, long = program(compute_cycles=4000), program(compute_cycles=4000, tail_ps=10_000)
    rows, more = run(short), run(long)
    assert len(more) > len(rows)
    assert np.array_equal(task_counts(short, rows), task_counts(long, more))
