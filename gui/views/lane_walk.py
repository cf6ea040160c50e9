"""Walks over a lane that do not walk over its repetitions: for pyramids, and for exact sums."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gui.views.lane_index import Item, Period
from gui.views.lanes import CATEGORIES
from gui.views.pyramid import Spread, bins_for
from gui.views.range_sums import BlockSums, Totals

if TYPE_CHECKING:
    from gui.views.interval_store import LaneStore

CHUNK_ROWS = 1 << 19

FEW_ROWS = 1 << 16
"""Repetitions with fewer rows than this in all are walked one by one."""

Visit = tuple[int, int, Spread | None]
"""Places from, to, and what they stand for if not only for themselves."""


def walk(lane: LaneStore, span_ps: int) -> Iterator[Visit]:
    """Stretches that tell where a lane's time goes, as finely as bins can show it."""
    bin_ps, _ = bins_for(max(1, span_ps), 2 * len(lane))
    yield from _walk(lane, lane.index.root, 0, bin_ps)


def _walk(lane: LaneStore, period: Period, base: int, bin_ps: int) -> Iterator[Visit]:
    for item in period.items:
        at = base + item.place
        if item.inner is None or item.size <= FEW_ROWS:
            for first in range(at, at + item.size, CHUNK_ROWS):
                yield first, min(first + CHUNK_ROWS, at + item.size), None
        elif item.shift_ps < bin_ps:
            yield from _spread(lane, item, at)
        else:
            for repetition in range(item.repeats + 1):
                yield from _walk(lane, item.inner, at + repetition * item.inner.size, bin_ps)


def _spread(lane: LaneStore, item: Item, at: int) -> Iterator[Visit]:
    """Many repetitions, each shorter than a bin: the second one, spread over the time of all."""
    assert item.inner is not None
    steady = at + item.inner.size
    first = int(lane.rows(at, at + 1).start[0])
    end = first + (item.repeats + 1) * item.shift_ps
    for low, high, times in lane.index.pieces(steady, steady + item.inner.size):
        yield low, high, Spread(first, end, times / item.shift_ps)


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
