"""Stores answer what a walk over every interval would."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.errors import CosimError
from cosim.timeline.timeline import Timeline
from gui.views.counter_store import CounterStore
from gui.views.interval_store import IntervalStore
from gui.views.lanes import CATEGORIES, N_ACTIVITIES, NO_WAIT
from gui.views.pyramid import FULL
from gui.views.range_sums import Totals
from gui.views.repeated_counter import RepeatedCounter
from gui.views.repeated_integral import RepeatedIntegral
from gui.views.search import count, find
from gui.views.view import Marker, View, view_from_json


@pytest.fixture(scope="module")
def store(run):
    return run.intervals


@pytest.fixture(scope="module")
def plain(run):
    """The same timeline with nothing repeated, every row stored."""
    rows = run.timeline.rows()
    back = np.where(rows.cause_row >= 0, rows.number - rows.cause_row, 0)
    table = np.stack(
        [
            rows.component,
            rows.template,
            rows.task,
            rows.lane,
            rows.start,
            rows.end,
            rows.cause,
            back,
        ],
        axis=1,
    )
    made = IntervalStore(Timeline.from_table(run.outline, table.astype(np.int64)))
    made.build()
    return made


def test_the_run_under_test_repeats_something(run):
    assert run.timeline.blocks
    assert len(run.timeline) > len(run.timeline.stored["end"])


def test_lanes_hold_every_row_once_and_in_order(run, store):
    lanes = [lane for lane in store.lanes if lane.lane.rank >= 0]
    numbers = np.concatenate([lane.index.numbers(0, len(lane)) for lane in lanes])
    assert np.array_equal(np.sort(numbers), np.arange(len(run.timeline)))
    for lane in lanes:
        rows = lane.rows(0, len(lane))
        assert (np.diff(rows.number) > 0).all()
        assert (rows.start[1:] >= rows.end[:-1]).all()


def test_rows_put_together_from_periods_equal_those_of_the_timeline(run, store):
    for lane in (lane for lane in store.lanes if lane.lane.rank >= 0):
        rows = lane.rows(0, len(lane))
        told = run.timeline.take(rows.number)
        for name in ("start", "end", "template"):
            assert np.array_equal(getattr(rows, name), getattr(told, name)), lane.lane.name


@settings(max_examples=60)
@given(share=st.floats(0, 1), width=st.floats(0, 1))
def test_a_window_holds_the_rows_that_overlap_it(share, width, store, run):
    start = int(share * run.makespan_ps)
    end = start + 1 + int(width * width * run.makespan_ps)
    rows = run.timeline.rows(start, end)
    for lane in (lane for lane in store.lanes if lane.lane.rank >= 0):
        first, stop = lane.span(start, end)
        wanted = rows.number[rows.component == lane.lane.rank]
        assert np.array_equal(lane.index.numbers(first, stop), wanted)


@settings(max_examples=40)
@given(share=st.floats(0, 1), width=st.floats(0, 1))
def test_range_sums_equal_sums_over_all_rows(share, width, store, plain, run):
    start = int(share * run.makespan_ps)
    end = start + 1 + int(width * run.makespan_ps)
    for lane, other in zip(store.lanes, plain.lanes, strict=True):
        exact = Totals.empty(len(CATEGORIES))
        exact.add_rows(lane.rows(0, len(lane)), start, end)
        for found in (lane.totals(start, end), other.totals(start, end)):
            assert np.array_equal(found.count, exact.count)
            assert np.array_equal(found.sum_ps, exact.sum_ps)
            present = exact.count > 0
            assert np.array_equal(found.most_ps[present], exact.most_ps[present])
            assert np.array_equal(found.least_ps[present], exact.least_ps[present])


def test_pyramids_hold_the_busy_time_at_every_level(store, plain, run):
    for lane, other in zip(store.lanes, plain.lanes, strict=True):
        for which in (lane, other):
            rows = which.rows(0, len(which))
            busy = int((rows.end - rows.start).sum())
            assert which.pyramid is not None
            for level, values in enumerate(which.pyramid.levels):
                working = [code < N_ACTIVITIES for code in which.pyramid.categories]
                width = which.pyramid.bin_ps << level
                told = float(values[working].sum()) / FULL * width
                slack = width * values.shape[1] / FULL + 1
                assert told >= busy - 1e-3 * run.makespan_ps
                assert told <= busy + slack + 1e-3 * run.makespan_ps


def test_what_is_short_does_not_disappear_by_zooming_out(plain):
    for lane in plain.lanes:
        assert lane.pyramid is not None
        finest, coarsest = lane.pyramid.levels[0], lane.pyramid.levels[-1]
        assert np.array_equal(finest.any(axis=1), coarsest.any(axis=1))


def test_waiting_fills_the_gaps_between_intervals(store):
    for lane in (lane for lane in store.lanes if lane.lane.rank >= 0):
        rows = lane.rows(0, len(lane))
        assert np.array_equal(rows.wait_start[1:], rows.end[:-1])
        named = rows.wait != NO_WAIT
        assert (rows.wait[named] >= N_ACTIVITIES).all()


def test_neighbours_are_found_from_both_sides(run, store):
    for number in run.critical.numbers[:: max(1, len(run.critical) // 40)].tolist():
        chosen = store.interval(number)
        if chosen.cause_row >= 0:
            assert store.interval(chosen.cause_row).end_ps == chosen.start_ps
            assert number in store.consequences(chosen.cause_row, most=10**6)


def test_the_critical_path_covers_the_run_without_a_gap(run):
    path = run.critical
    rows = run.timeline.take(path.numbers)
    assert rows.start[0] == 0
    assert np.array_equal(rows.start[1:], rows.end[:-1])
    assert int(path.ends[-1]) == run.makespan_ps


@given(
    steps=st.lists(st.tuples(st.integers(1, 50), st.floats(0, 100)), min_size=1, max_size=900),
    share=st.floats(0, 1),
    width=st.floats(0.01, 1),
    pixels=st.integers(1, 60),
)
def test_an_envelope_encloses_every_value_of_its_window(steps, share, width, pixels):
    times = np.concatenate([[0], np.cumsum([gap for gap, _ in steps])]).astype(np.int64)
    values = np.array([value for _, value in steps] + [3.0])
    end = int(times[-1]) + 5
    counter = CounterStore("c", "B", times, values, end)
    low = int(share * (end - 1))
    high = min(end, low + max(1, int(width * end)))
    envelope = counter.window(low, high, pixels)
    assert len(envelope.times) <= 2 * pixels + 1
    for time in range(low, high, max(1, (high - low) // 40)):
        at = int(np.searchsorted(envelope.times, time, side="right")) - 1
        assert envelope.low[at] <= counter.at(time) <= envelope.high[at]
    exact = [counter.at(t) for t in range(low, high)]
    assert counter.average(low, high) == pytest.approx(np.mean(exact), abs=1e-9)


def test_counters_of_a_repeating_run_agree_with_their_averages(run):
    power = run.counters["power"]
    whole = power.average(0, run.makespan_ps)
    assert whole == pytest.approx(run.summary["average_power_w"] * 1e3, rel=1e-6)
    thirds = [run.makespan_ps * i // 3 for i in range(4)]
    parts = [power.average(a, b) * (b - a) for a, b in pairwise(thirds)]
    assert sum(parts) / run.makespan_ps == pytest.approx(whole, rel=1e-6)


def test_the_integral_made_once_is_that_of_the_analysis(run):
    steps = run.analysis.power
    assert hasattr(steps, "periods"), "the run under test repeats"
    times = np.unique(np.linspace(0, run.makespan_ps, 3001).astype(np.int64))
    assert RepeatedIntegral(steps)(times) == pytest.approx(steps.integral(times), rel=1e-12)


def test_a_counter_that_is_not_expanded_draws_what_the_expanded_one_does(run):
    steps = run.analysis.dram_bandwidth
    counter = RepeatedCounter("c", steps, run.makespan_ps)
    expanded = run.counters["DRAM bandwidth"]
    for start, end in ((0, run.makespan_ps), (run.makespan_ps // 3, run.makespan_ps // 3 + 40000),
                       (run.makespan_ps // 2, run.makespan_ps * 51 // 100)):  # fmt: skip
        envelope = counter.window(start, end, 200)
        widths = np.diff(np.append(envelope.times, end))
        area = float((envelope.low * widths)[(envelope.times >= start)].sum())
        assert area <= expanded.peak * (end - start)
        assert envelope.high.max() <= expanded.peak * (1 + 1e-9)
        middle = (start + end) // 2
        assert counter.at(middle) == expanded.at(middle)
        assert counter.average(start, end) == pytest.approx(expanded.average(start, end), rel=1e-9)


def test_search_goes_through_every_match_once_in_order_of_time(run):
    wanted = run.matching("store")
    number, time, seen = None, 0, []
    while True:
        number = find(run, wanted, time, after_row=number)
        if number is None:
            break
        time = run.intervals.interval(number).start_ps
        seen.append((time, number))
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen)) == count(run, wanted) > 10


def test_tensors_alive_at_the_peak_are_those_that_mapping_counted(run):
    alive = run.tensors.alive(run.tensors.peak_ps)
    assert sum(box.bytes for box in alive) == run.tensors.peak_bytes
    assert run.tensors.peak_bytes == run.summary["peak_memory_bytes"]


def test_a_view_survives_its_file():
    view = View("memory", 3, 9, 5, 7, (4, 6), "fc1", pinned=("array",), critical=True,
                markers=(Marker(4, "here"),), theme="dark", runs=("a",))  # fmt: skip
    assert view_from_json(view.to_json()) == view
    assert view_from_json(View().to_json()) == View()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "not a view"),
        ("{", "not JSON"),
        ('{"panel": "memmory"}', "did you mean 'memory'"),
        ('{"start": 3}', "did you mean 'start_ps'"),
        ('{"start_ps": "soon"}', "a whole number"),
        ('{"markers": [3]}', "markers with time_ps"),
        ('{"range_ps": [5, 2]}', "the earlier first"),
        ('{"theme": "drak"}', "did you mean 'dark'"),
        ('{"version": 9}', "version 1"),
    ],
)
def test_a_wrong_view_is_told_in_one_line(text, expected):
    with pytest.raises(CosimError) as caught:
        view_from_json(text)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_window_without_end_is_the_whole_run():
    assert View().window(100) == (0, 100)
    assert replace(View(), start_ps=3, end_ps=5).window(100) == (3, 5)


def test_a_sweeps_store_opens_as_design_points(tmp_path):
    from cosim.explore.store import ResultStore, Row
    from gui.views.design_table import find_store, table_of_store

    rows = [
        Row(f"{n:032x}", "1", "net", "board", {"design.engine.array.rows": n},
            {"latency_s": 1.0 / n, "energy_j": 2e-3, "array_utilisation": 0.5})
        for n in (8, 16, 4)
    ]  # fmt: skip
    failed = Row("f" * 32, "1", "net", "board", {"design.engine.array.rows": 1}, None, "too small")
    with ResultStore(tmp_path / "sweep.sqlite") as store:
        store.add([*rows, failed])
    assert (
        find_store(tmp_path) == find_store(tmp_path / "sweep.sqlite") == tmp_path / "sweep.sqlite"
    )
    table = table_of_store(tmp_path / "sweep.sqlite")
    assert len(table) == 4
    latency = dict(zip(table.numbers["design.engine.array.rows"], table.numbers["latency"],
                       strict=True))  # fmt: skip
    assert latency[8.0] == 0.125
    assert np.isnan(latency[1.0])
    assert table.folders == [None] * 4
    assert find_store(tmp_path / "nothing") is None
