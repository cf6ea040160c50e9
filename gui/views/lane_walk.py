"""Walks over a lane that do not walk over its repetitions: for pyramids, and for exact sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gui.views.disk import CHUNK_ROWS
from gui.views.lane_index import Period, Turn
from gui.views.lane_rows import LaneRows, segments
from gui.views.lanes import CATEGORIES, NO_WAIT
from gui.views.range_sums import BlockSums, ItemSums, Totals

if TYPE_CHECKING:
    from gui.views.interval_store import LaneStore

MOST_PARTS = 256


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
        if len(parts) == 1:
            return parts[0]
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
    """All work and waiting of some places of a lane, as finely as bins of a width can show it.

    In pieces that are worth the arithmetic on them: a lane may consist of thousands of periods.
    """
    parts: list[Events] = []
    rows = 0
    for part in _walk(lane, first, stop, bin_ps):
        parts.append(part)
        rows += len(part)
        if rows >= CHUNK_ROWS or len(parts) >= MOST_PARTS:
            yield Events.join(parts)
            parts, rows = [], 0
    if parts:
        yield Events.join(parts)


def _walk(lane: LaneStore, first: int, stop: int, bin_ps: int) -> Iterator[Events]:
    root, turn = lane.index.root, Turn()
    for which in root.overlapping(first, stop):
        item = root.items[which]
        low, high = max(first, item.place), min(stop, item.place + item.size)
        if item.inner is not None:
            yield _block(lane, root, which, turn, low - item.place, high - item.place, bin_ps)
        elif lane.index.plain:
            for rows in lane.chunks(low, high):
                yield Events.of(rows)
        else:
            rows = lane.read(root, which, turn)
            yield Events.of(rows.part(low - item.place, high - item.place))


def _range(
    lane: LaneStore, period: Period, turn: Turn, first: int, stop: int, bin_ps: int
) -> Events:
    """Places `first` to `stop` of a turn of a period."""
    parts = []
    for which in period.overlapping(first, stop):
        item = period.items[which]
        low = max(first, item.place) - item.place
        high = min(stop, item.place + item.size) - item.place
        if item.inner is None:
            parts.append(Events.of(lane.read(period, which, turn).part(low, high)))
        else:
            parts.append(_block(lane, period, which, turn, low, high, bin_ps))
    return Events.join(parts)


def _block(
    lane: LaneStore, period: Period, which: int, turn: Turn, first: int, stop: int, bin_ps: int
) -> Events:
    """The same of a repeated item; all is read of its first two repetitions and moved."""
    item = period.items[which]
    inner = item.inner
    assert inner is not None
    parts = []
    for repetition, low, high, times in segments(first, stop, inner.size):
        read = min(repetition, 1)
        at = lane.index.turn(period, which, turn, read)
        if low == 0 and high == inner.size:
            one = _whole(lane, inner, at, bin_ps)
        else:
            one = _range(lane, inner, at, low, high, bin_ps)
        one = one.later((repetition - read) * item.shift_ps)
        if times > 1 and item.shift_ps < bin_ps:
            parts.append(one.spread(times, item.shift_ps))
        else:
            parts.append(one.repeated(times, item.shift_ps) if times > 1 else one)
    return Events.join(parts)


def _whole(lane: LaneStore, inner: Period, turn: Turn, bin_ps: int) -> Events:
    """One repetition; what is merged depends on the width of bins by powers of two only."""
    octave = 1 << max(0, bin_ps.bit_length() - 1)
    # a period may begin with a shorter one
    key = (turn.place, inner.size, octave)
    found = lane.periods.get(key)
    if found is None:
        if len(lane.periods) > MOST_PERIODS:
            lane.periods.clear()
        found = _range(lane, inner, turn, 0, inner.size, octave)
        lane.periods[key] = found
    return found


MOST_PERIODS = 4096
"""Repetitions that a lane keeps ready."""


def item_sums(lane: LaneStore, stopped: Callable[[], bool]) -> ItemSums:
    """Exact sums of all items of a lane that repeats.

    Raises
    ------
    InterruptedError
        When it is stopped.
    """
    root = lane.index.root
    sums = ItemSums(len(root.items))
    for which in range(len(root.items)):
        if stopped():
            raise InterruptedError
        for rows, times in _stretches(lane, root, which, Turn(), 1):
            sums.add(which, rows, times)
    sums.finish()
    return sums


def _stretches(
    lane: LaneStore, period: Period, which: int, turn: Turn, times: int
) -> Iterator[tuple[LaneRows, int]]:
    """Rows of an item, and how often they happen: its first turn for itself, the second for all
    others, since what its first row waited for may differ."""
    item = period.items[which]
    if item.inner is None:
        yield lane.read(period, which, turn), times
        return
    for repetition, count in ((0, 1), (1, item.repeats)):
        if count:
            at = lane.index.turn(period, which, turn, repetition)
            for inner in range(len(item.inner.items)):
                yield from _stretches(lane, item.inner, inner, at, times * count)


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
    first, stop = first + edges, stop - edges
    whole = lane.index.root.within(first, stop)
    if lane.items is None or len(whole) < 2:
        _add_pieces(lane, totals, first, stop)
        return totals
    places = lane.index.root.places
    totals.add_blocks(lane.items, whole.start, whole.stop)
    _add_pieces(lane, totals, first, places[whole.start])
    _add_pieces(lane, totals, places[whole.stop], stop)
    return totals


def _add_pieces(lane: LaneStore, totals: Totals, first: int, stop: int) -> None:
    for low, high, times in lane.index.pieces(first, stop):
        part = Totals.empty(len(CATEGORIES))
        for rows in lane.chunks(low, high):
            part.add_rows(rows)
        totals.add_totals(part, times)


def _plain_totals(
    lane: LaneStore, totals: Totals, first: int, stop: int, start_ps: int, end_ps: int
) -> None:
    block = BlockSums.ROWS
    inner_first, inner_stop = -(-(first + 1) // block), (stop - 2) // block
    if lane.sums is None or inner_stop - inner_first < 2:
        for rows in lane.chunks(first, stop):
            totals.add_rows(rows, start_ps, end_ps)
        return
    totals.add_rows(lane.rows(first, inner_first * block), start_ps, end_ps)
    totals.add_blocks(lane.sums, inner_first, inner_stop)
    totals.add_rows(lane.rows(inner_stop * block, stop), start_ps, end_ps)
