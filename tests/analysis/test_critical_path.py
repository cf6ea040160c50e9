"""The critical path holds the whole latency, and its breakdown accounts for all of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.analysis.breakdown import latency_breakdown
from cosim.analysis.component_time import component_times
from cosim.analysis.critical_path import critical_path
from cosim.mapping.program import Component, Program, TaskInfo, Template
from cosim.timeline.causes import Cause
from tests.analysis.tiny import DESIGN, A, H, M, R, program, run

machines = st.builds(
    program,
    compute_cycles=st.integers(1, 400),
    fill=st.integers(0, 30),
    tiles=st.integers(2, 9),
    tail_ps=st.sampled_from((0, 1, 30_000, 250_000)),
)


@given(machines)
def test_the_path_runs_from_time_zero_to_the_end_without_a_gap(made: Program) -> None:
    rows = run(made)
    path = critical_path(made, rows)
    assert rows.start[path[0]] == 0
    assert rows.end[path[-1]] == rows.end.max()
    assert np.array_equal(rows.start[path[1:]], rows.end[path[:-1]])


@given(machines)
def test_the_breakdown_sums_to_the_makespan_to_the_picosecond(made: Program) -> None:
    rows = run(made)
    found = latency_breakdown(made, DESIGN, rows)
    assert found.total_ps == sum(found.by_cause.values()) == int(rows.end.max())


@given(machines)
def test_busy_and_idle_of_every_component_sum_to_the_makespan(made: Program) -> None:
    rows = run(made)
    makespan = int(rows.end.max())
    for component in component_times(made, rows, makespan):
        assert component.busy_ps + sum(component.idle_ps.values()) == makespan


def test_a_machine_bound_by_compute_spends_its_latency_on_compute_and_fill() -> None:
    made = program(compute_cycles=4000, fill=10, tiles=4)
    found = latency_breakdown(made, DESIGN, run(made)).by_cause
    assert found["compute"] == (4 * 4000 + 4 * 8000) * 1000
    assert found["fill/drain"] == 8 * 10 * 1000
    # one command, one exposed load, one exposed store; stores in between wait for no one
    assert found["host"] == 1000
    assert found["bandwidth"] == 100_000
    assert found["input"] == 20_000
    assert found["output"] == 84_000


def test_a_machine_bound_by_dram_computes_off_the_path() -> None:
    made = program(compute_cycles=1, fill=0, tiles=8)
    found = latency_breakdown(made, DESIGN, run(made)).by_cause
    assert found["DRAM busy"] > 0.8 * sum(found.values())


def test_every_layer_gets_the_time_of_its_own_tasks() -> None:
    made = program(compute_cycles=4000, fill=0)
    found = latency_breakdown(made, DESIGN, run(made))
    compute = found.by_layer[:, 0]
    assert compute.tolist() == [4 * 4000 * 1000, 4 * 8000 * 1000, 0]


def test_a_transfer_that_feeds_compute_splits_into_data_and_latency_with_its_tail() -> None:
    """The port of 1 byte a cycle needs no longer than the DRAM: a tail is all latency."""
    made = program(compute_cycles=4000, fill=0, tail_ps=30_000)
    found = latency_breakdown(made, DESIGN, run(made)).by_cause
    assert found["bandwidth"] == 100_000
    first_load_has_no_tail = 20_000
    assert found["input"] == first_load_has_no_tail


def test_a_refresh_on_the_path_is_called_refresh() -> None:
    made = program(compute_cycles=1, fill=0, tiles=4)
    refresh = Template(((A, 1, 1, -1), (H, 500_000, 0, 0), (M, 4, 0, 0), (R, 1, 1, 0)),
                       TaskInfo(-1, "refresh"))  # fmt: skip
    made = dataclasses.replace(
        made,
        templates=(*made.templates, refresh),
        lanes=(*made.lanes, "refresh"),
        components=(
            *made.components,
            Component("refresh", "refresh", (9,), True, Cause.REFRESH),
        ),
    )
    found = latency_breakdown(made, DESIGN, run(made))
    assert found.by_cause["refresh"] == 500_000
    assert found.by_layer[-1].sum() == 500_000


def test_a_transfer_that_held_the_power_budget_is_labelled_power() -> None:
    made = program(compute_cycles=1, fill=0, tiles=3)
    pools = list(made.pools)
    pools[1] = dataclasses.replace(pools[1], cause=Cause.POWER)
    made = dataclasses.replace(made, pools=tuple(pools))
    found = latency_breakdown(made, DESIGN, run(made))
    assert found.by_cause["power"] > 0
    assert set(found.waited_for_power_ps) <= {"load", "store"}
    assert sum(found.waited_for_power_ps.values()) >= found.by_cause["power"] - 120_000


def test_a_damaged_timeline_is_refused() -> None:
    made = program()
    rows = run(made)
    rows.cause_row[critical_path(made, rows)[3]] = 0
    with pytest.raises(ValueError, match="does not start where its cause ends"):
        critical_path(made, rows)
