"""Walks over a lane that do not walk over its repetitions: for pyramids, and for exact sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gui.views.lane_index import Item, Period
from gui.views.lane_rows import LaneRows, segments
from gui.views.lanes import CATEGORIES, NO_WAIT
from gui.views.range_sums import BlockSums, Totals

if TYPE_CHECKING:
    from gui.views.interval_store import LaneStore

CHUNK_ROWS = 1 << 19


@dataclass(frozen=True)
class Events:
    """Stretches of time by category; all arrays of shape (n,).

    A `weight` below 1 says that a stretch stands for many shorter ones: it is the share of its
    time that these fill.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    category: NDArray[np.uint8]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.start)

    @staticmethod
    def of(rows: LaneRows) -> Events:
        """Work and waiting of rows, one by one."""
        waits = np.flatnonzero((rows.wait != NO_WAIT) & (rows.start > rows.wait_start))
        return Events(
            np.concatenate([rows.start, rows.wait_start[waits]]),
            np.concatenate([rows.end, rows.start[waits]]),
            np.concatenate([rows.category, rows.wait[waits]]),
            np.ones(len(rows) + len(waits)),
        )

    @staticmethod
    def join(parts: list[Events]) -> Events:
        """Parts one after the other."""
        columns = ("start", "end", "category", "weight")
        if not parts:
            return Events(*(np.empty(0, t) for t in (np.int64, np.int64, np.uint8, np.float64)))
        return Events(*(np.concatenate([getattr(p, c) for p in parts]) for c in columns))

    def later(self, ps: int) -> Events:
        """The same some time later."""
        return Events(self.start + ps, self.end + ps, self.category, self.weight) if ps else self

    def repeated(self, times: int, shift_ps: int) -> Events:
        """The same again and again."""
        later = np.arange(times, dtype=np.int64)[:, None] * shift_ps
        return Events(
            (self.start + later).ravel(),
            (self.end + later).ravel(),
            np.tile(self.category, times),
            np.tile(self.weight, times),
        )

    def spread(self, times: int, shift_ps: int) -> Events:
        """The same again and again, evenly over the time of all: one stretch a category."""
        kinds = np.unique(self.category)
        filled = np.bincount(self.category, (self.end - self.start) * self.weight)[kinds]
        start, count = int(self.start.min()), len(kinds)
        return Events(
            np.full(count, start), np.full(count, start + times * shift_ps),
            kinds.astype(np.uint8), filled / shift_ps,
        )  # fmt: skip


def walk(lane: LaneStore, first: int, stop: int, bin_ps: int) -> Iterator[Events]:
    """All work and waiting of some places of a lane, as finely as bins of a width can show it."""
    for item in lane.index.root.items:
        low, high = max(first, item.place), min(stop, item.place + item.size)
        if low >= high:
            continue
        if item.inner is not None:
            yield _block(lane, item, 0, low - item.place, high - item.place, bin_ps)
            continue
        for begin in range(low, high, CHUNK_ROWS):
            yield Events.of(lane.rows(begin, min(high, begin + CHUNK_ROWS)))


def _range(
    lane: LaneStore, period: Period, base: int, first: int, stop: int, bin_ps: int
) -> Events:
    """Places `first` to `stop` of a period whose first place in the lane is `base`."""
    parts = []
    for item in period.items:
        low, high = max(first, item.place) - item.place, min(stop, item.place + item.size)
        high -= item.place
        if low >= high:
            continue
        if item.inner is None:
            rows = lane.stretch(base + item.place, item.size).part(low, high)
            parts.append(Events.of(rows))
        else:
            parts.append(_block(lane, item, base, low, high, bin_ps))
    return Events.join(parts)


def _block(lane: LaneStore, item: Item, base: int, first: int, stop: int, bin_ps: int) -> Events:
    """The same of a repeated period; all is read of its first two repetitions and moved."""
    inner = item.inner
    assert inner is not None
    parts = []
    for repetition, low, high, times in segments(first, stop, inner.size):
        read = min(repetition, 1)
        at = base + item.place + read * inner.size
        if low == 0 and high == inner.size:
            one = _whole(lane, item, at, bin_ps)
        else:
            one = _range(lane, inner, at, low, high, bin_ps)
        one = one.later((repetition - read) * item.shift_ps)
        if times > 1 and item.shift_ps < bin_ps:
            parts.append(one.spread(times, item.shift_ps))
        else:
            parts.append(one.repeated(times, item.shift_ps) if times > 1 else one)
    return Events.join(parts)


def _whole(lane: LaneStore, item: Item, at: int, bin_ps: int) -> Events:
    """One repetition; what is merged depends on the width of bins by powers of two only."""
    assert item.inner is not None
    octave = 1 << max(0, bin_ps.bit_length() - 1)
    key = (at, octave)
    found = lane.periods.get(key)
    if found is None:
        if len(lane.periods) > MOST_PERIODS:
            lane.periods.clear()
        found = _range(lane, item.inner, at, 0, item.inner.size, octave)
        lane.periods[key] = found
    return found


MOST_PERIODS = 4096
"""Repetitions that a lane keeps ready."""


def lane_totals(lane: LaneStore, first: int, stop: int, start_ps: int, end_ps: int) -> Totals:
    """Sums by category of the intervals at some places, cut to a window."""
    totals = Totals.empty(len(CATEGORIES))
    if lane.index.plain:
        _plain_totals(lane, totals, first, stop, start_ps, end_ps)
        return totals
    edges = 2
    if stop - first <= 2 * edges:
        totals.add_rows(lane.rows(first, stop), start_ps, end_ps)
        return totals
    # only the outermost intervals can stick out of the window
    for low, high in ((first, first + edges), (stop - edges, stop)):
        totals.add_rows(lane.rows(low, high), start_ps, end_ps)
    for low, high, times in lane.index.pieces(first + edges, stop - edges):
        part = Totals.empty(len(CATEGORIES))
        for begin in range(low, high, CHUNK_ROWS):
            part.add_rows(lane.rows(begin, min(high, begin + CHUNK_ROWS)))
        totals.add_totals(part, times)
    return totals


def _plain_totals(
    lane: LaneStore, totals: Totals, first: int, stop: int, start_ps: int, end_ps: int
) -> None:
    block = BlockSums.ROWS
    inner_first, inner_stop = -(-(first + 1) // block), (stop - 2) // block
    if lane.sums is None or inner_stop - inner_first < 2:
        for begin in range(first, stop, CHUNK_ROWS):
            rows = lane.rows(begin, min(stop, begin + CHUNK_ROWS))
            totals.add_rows(rows, start_ps, end_ps)
        return
    totals.add_rows(lane.rows(first, inner_first * block), start_ps, end_ps)
    totals.add_blocks(lane.sums, inner_first, inner_stop)
    totals.add_rows(lane.rows(inner_stop * block, stop), start_ps, end_ps)
