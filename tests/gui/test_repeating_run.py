"""What is answered from periods is what every single interval says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gui.views.lane_walk import walk
from gui.views.lanes import CATEGORIES, N_ACTIVITIES
from gui.views.range_sums import Totals
from gui.views.repeated_integral import RepeatedIntegral

MOST = 20_000
"""Intervals of a lane that a test looks at one by one."""


@pytest.fixture(scope="module")
def lanes(deep_run):
    return [lane for lane in deep_run.intervals.lanes if lane.lane.rank >= 0 and len(lane)]


def test_the_run_under_test_is_deep_and_stands_for_millions(deep_run):
    def depth(blocks) -> int:
        return 1 + max((depth(b.children) for b in blocks), default=0) if blocks else 0

    assert depth(deep_run.timeline.blocks) >= 3
    assert len(deep_run.timeline) > 1000 * len(deep_run.timeline.stored["end"])


@settings(max_examples=60)
@given(share=st.floats(0, 1), count=st.integers(1, 3000))
def test_rows_at_any_place_are_those_of_the_timeline(share, count, lanes, deep_run):
    for lane in lanes:
        first = int(share * (len(lane) - 1))
        rows = lane.rows(first, first + count)
        assert np.array_equal(rows.number, lane.index.numbers(first, min(first + count, len(lane))))
        told = deep_run.timeline.take(rows.number)
        for name in ("start", "end", "template"):
            assert np.array_equal(getattr(rows, name), getattr(told, name)), lane.lane.name
        assert np.array_equal(rows.wait_start[1:], rows.end[:-1])
        before = lane.rows(first - 1, first).end[0] if first else 0
        assert rows.wait_start[0] == before


@settings(max_examples=40)
@given(share=st.floats(0, 1), width=st.floats(0, 1), data=st.data())
def test_sums_of_a_window_are_those_of_its_rows(share, width, data, lanes, deep_run):
    lane = data.draw(st.sampled_from(lanes))
    span = deep_run.makespan_ps * MOST / len(lane)
    start = int(share * deep_run.makespan_ps)
    end = start + 1 + int(width * span)
    exact = Totals.empty(len(CATEGORIES))
    first, stop = lane.span(start, end)
    exact.add_rows(lane.rows(first, min(stop + 1, len(lane))), start, end)
    found = lane.totals(start, end)
    present = exact.count > 0
    assert np.array_equal(found.count, exact.count)
    assert np.array_equal(found.sum_ps, exact.sum_ps)
    for name in ("least_ps", "most_ps"):
        assert np.array_equal(getattr(found, name)[present], getattr(exact, name)[present])


@settings(max_examples=30)
@given(cuts=st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_sums_of_neighbouring_windows_add_up_to_the_run(cuts, lanes, deep_run):
    edges = [0, *sorted(int(cut * deep_run.makespan_ps) for cut in cuts), deep_run.makespan_ps]
    for lane in lanes:
        parts = [lane.totals(a, b).sum_ps for a, b in pairwise(edges) if a < b]
        assert np.array_equal(np.sum(parts, axis=0), lane.totals(0, edges[-1]).sum_ps)


def test_the_busy_time_is_that_of_the_timeline(lanes, deep_run):
    busy = deep_run.timeline.busy_ps()
    for lane in lanes:
        totals = lane.totals(0, deep_run.timeline.end_ps + 1)
        assert int(totals.sum_ps[:N_ACTIVITIES].sum()) == int(busy[lane.lane.rank])
        assert int(totals.count[:N_ACTIVITIES].sum()) <= len(lane)


@pytest.mark.parametrize("share", [1e-3, 1e-2, 0.3])
def test_a_walk_merges_periods_without_losing_time(share, lanes, deep_run):
    start = int(0.31 * deep_run.makespan_ps)
    end = start + int(share * deep_run.makespan_ps)
    for lane in lanes:
        first, stop = lane.span(start, end)
        if stop <= first:
            continue
        told = np.zeros(len(CATEGORIES))
        for events in walk(lane, first, stop, (end - start) // 1000):
            told += np.bincount(events.category, (events.end - events.start) * events.weight,
                                len(CATEGORIES))  # fmt: skip
        low, high = (int(t) for t in (lane.rows(first, first + 1).wait_start[0],
                                      lane.rows(stop - 1, stop).end[0]))  # fmt: skip
        assert told == pytest.approx(lane.totals(low, high).sum_ps, rel=1e-9, abs=1)


@pytest.mark.parametrize("name", ["power", "dram_bandwidth"])
def test_the_integral_made_once_is_that_of_the_analysis(name, deep_run):
    steps = getattr(deep_run.analysis, name)
    made = RepeatedIntegral(steps)
    times = np.sort(np.random.default_rng(1).integers(0, deep_run.makespan_ps, 4000))
    assert made(times) == pytest.approx(steps.integral(times), rel=1e-12)
    assert np.array_equal(made.at(times), steps.at(times))


@settings(max_examples=40)
@given(share=st.floats(0, 1), width=st.integers(1, 10**7))
def test_a_window_of_a_repeated_counter_says_what_it_is_at_every_instant(share, width, deep_run):
    steps = deep_run.analysis.power
    start = int(share * (deep_run.makespan_ps - 1))
    end = min(deep_run.makespan_ps, start + width)
    part = steps.window(start, end)
    times = np.unique(np.linspace(start, end - 1, 50).astype(np.int64))
    assert np.array_equal(part.at(times), steps.at(times))


def test_a_lane_that_is_stopped_has_nothing_half_made(deep_run):
    from gui.views.interval_store import IntervalStore

    class Stop:
        def __init__(self, after: int) -> None:
            self.asked, self.after = 0, after

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > self.after

    for after in (0, 1, 2, 5):
        store = IntervalStore(deep_run.timeline)
        lane = max(store.lanes, key=len)
        store.build_lane(lane, Stop(after))
        assert lane.pyramid is None
        assert lane.items is None
        store.build_lane(lane)
        assert lane.pyramid is not None
