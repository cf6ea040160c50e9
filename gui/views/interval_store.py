"""Intervals by lane over the columns of a run, which stay on disk.

What is kept in memory is one row number an interval (4 bytes), a pyramid of shares and sums over
blocks of rows: opening a run of ten million intervals costs neither its size in memory nor a walk
over it in Python. Lanes are built one by one, so that a worker can do it while the first ones are
already drawn.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.timeline import Timeline
from gui.views.lanes import CATEGORIES, Lane, category_of_cause, category_of_template, lanes_of
from gui.views.pyramid import Chunk, Pyramid, Shares, build
from gui.views.range_sums import BlockSums, Totals

CHUNK_ROWS = 1 << 19


@dataclass(frozen=True)
class LaneRows:
    """Some intervals of one lane, in order of time; all arrays of shape (n,).

    `wait_start` is where the lane became free before each interval, and `wait` the category of
    what it waited for from then until `start`.
    """

    number: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    category: NDArray[np.uint8]
    template: NDArray[np.int32]
    wait_start: NDArray[np.int64]
    wait: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.number)


@dataclass(frozen=True)
class Interval:
    """One interval, in words."""

    number: int
    component: str
    lane: int
    layer: str
    activity: str
    category: int
    task: int
    start_ps: int
    end_ps: int
    cause: int
    cause_row: int
    wait_ps: int

    @property
    def duration_ps(self) -> int:
        return self.end_ps - self.start_ps


class LaneStore:
    """Intervals of one component.

    Parameters
    ----------
    timeline : Timeline
    lane : Lane
    position : int
        Of the lane in the store.
    """

    def __init__(self, timeline: Timeline, lane: Lane, position: int) -> None:
        self.lane, self.position = lane, position
        self._columns = timeline.columns
        self._categories = category_of_template(timeline.outline)
        self._causes = category_of_cause()
        found = np.flatnonzero(timeline.columns["component"] == lane.rank)
        small = len(timeline) < 2**31
        self.numbers = found.astype(np.int32) if small else found
        self._ends = _Column(timeline.columns["end"], self.numbers)
        self._starts = _Column(timeline.columns["start"], self.numbers)
        self.pyramid: Pyramid | None = None
        self.sums: BlockSums | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def build(self, span_ps: int, stop: object = None) -> None:
        """Make pyramid and sums; until then windows with too many intervals cannot be drawn.

        `stop` may be an object with ``is_set()``: when it is set, nothing is made.
        """
        sums = BlockSums()

        def chunks() -> Iterator[Chunk]:
            for first in range(0, len(self), CHUNK_ROWS):
                if stop is not None and stop.is_set():  # type: ignore[attr-defined]
                    raise InterruptedError
                rows = self.rows(first, min(first + CHUNK_ROWS, len(self)))
                sums.add(rows)
                waits = np.flatnonzero((rows.wait != 255) & (rows.start > rows.wait_start))
                yield rows.start, rows.end, rows.category
                yield rows.wait_start[waits], rows.start[waits], rows.wait[waits]

        try:
            pyramid = build(chunks(), span_ps, 2 * len(self), len(CATEGORIES))
        except InterruptedError:
            return
        sums.finish()
        self.pyramid, self.sums = pyramid, sums

    def span(self, start_ps: int, end_ps: int) -> tuple[int, int]:
        """Positions of the first interval that overlaps a window, and of the one after the last."""
        first = bisect_right(self._ends, start_ps)
        return first, bisect_left(self._starts, end_ps, lo=first)

    def rows(self, first: int, stop: int) -> LaneRows:
        """Intervals by position in the lane."""
        number = self.numbers[first:stop].astype(np.int64)
        column = {
            name: np.asarray(self._columns[name][number])
            for name in ("start", "end", "template", "cause")
        }
        before = self._ends[first - 1] if first else 0
        wait_start = np.concatenate([np.array([before], np.int64), column["end"]])[: len(number)]
        return LaneRows(
            number,
            column["start"],
            column["end"],
            self._categories[column["template"]],
            column["template"],
            wait_start,
            self._causes[column["cause"]],
        )

    def shares(self, start_ps: int, end_ps: int, pixels: int) -> Shares | None:
        """Shares of time by category in a window, None before `build` is done."""
        return None if self.pyramid is None else self.pyramid.shares(start_ps, end_ps, pixels)

    def totals(self, start_ps: int, end_ps: int) -> Totals:
        """Exact count, sum, minimum and maximum by category of what a window holds.

        Intervals that stick out of the window count with the part inside it in the sum, and with
        their full length in minimum and maximum. Waiting counts where it lies inside.
        """
        first, stop = self.span(start_ps, end_ps)
        # waiting inside the window may belong to the interval after it
        last = min(len(self), stop + 1)
        return _totals(self, first, last, start_ps, end_ps)

    def at(self, time_ps: int) -> int:
        """Position of the interval that runs at an instant, -1 if none does."""
        position = bisect_right(self._ends, time_ps)
        if position < len(self) and self._starts[position] <= time_ps:
            return position
        return -1

    def before(self, time_ps: int) -> int:
        """Position of the last interval that starts before an instant, -1 if none does."""
        return bisect_left(self._starts, time_ps) - 1

    def position_of(self, number: int) -> int:
        """Position of a row of the timeline in this lane, -1 if it is another lane's."""
        position = int(np.searchsorted(self.numbers, number))
        found = position < len(self) and int(self.numbers[position]) == number
        return position if found else -1


class _Column:
    """A column of the timeline seen through a lane's row numbers, for `bisect`."""

    def __init__(self, column: NDArray[np.generic], numbers: NDArray[np.integer]) -> None:
        self._column, self._numbers = column, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, position: int) -> int:
        return int(self._column[self._numbers[position]])


def _totals(lane: LaneStore, first: int, stop: int, start_ps: int, end_ps: int) -> Totals:
    totals = Totals.empty(len(CATEGORIES))
    block = BlockSums.ROWS
    inner_first, inner_stop = -(-(first + 1) // block), (stop - 2) // block
    if lane.sums is None or inner_stop - inner_first < 2:
        for begin in range(first, stop, CHUNK_ROWS):
            rows = lane.rows(begin, min(stop, begin + CHUNK_ROWS))
            totals.add_rows(rows, start_ps, end_ps)
        return totals
    totals.add_rows(lane.rows(first, inner_first * block), start_ps, end_ps)
    totals.add_blocks(lane.sums, inner_first, inner_stop)
    totals.add_rows(lane.rows(inner_stop * block, stop), start_ps, end_ps)
    return totals


class IntervalStore:
    """All lanes of a run.

    Attributes
    ----------
    lanes : tuple of LaneStore
        From top to bottom.
    end_ps : int
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.end_ps = timeline.end_ps
        self.lanes = tuple(
            LaneStore(timeline, lane, position)
            for position, lane in enumerate(lanes_of(timeline.outline))
        )

    @property
    def ready(self) -> bool:
        """Whether every lane can be drawn at every zoom."""
        return all(lane.pyramid is not None for lane in self.lanes)

    def build(self, stop: object = None) -> None:
        """Make what is missing, lane by lane."""
        for lane in self.lanes:
            if lane.pyramid is None:
                lane.build(self.end_ps, stop)

    def __len__(self) -> int:
        return len(self.timeline)

    def interval(self, number: int) -> Interval:
        """One row of the timeline, by number.

        Raises
        ------
        IndexError
            If there is no such row.
        """
        if not 0 <= number < len(self.timeline):
            raise IndexError(number)
        columns, outline = self.timeline.columns, self.timeline.outline
        rank, template = int(columns["component"][number]), int(columns["template"][number])
        lane = next(store for store in self.lanes if store.lane.rank == rank)
        position = lane.position_of(number)
        row = lane.rows(position, position + 1)
        return Interval(
            number,
            outline.components[rank],
            lane.position,
            outline.layer_name(template),
            outline.activity(template),
            int(row.category[0]),
            int(columns["task"][number]),
            int(row.start[0]),
            int(row.end[0]),
            int(columns["cause"][number]),
            int(columns["cause_row"][number]),
            int(row.start[0] - row.wait_start[0]),
        )

    def consequences(self, number: int, most: int = 64) -> list[int]:
        """Rows that started when this one ended and because of it, the earliest first.

        They start at its end, so they end at or after it: only rows from there on are looked at,
        lane by lane.
        """
        end = int(self.timeline.columns["end"][number])
        cause_row = self.timeline.columns["cause_row"]
        found: list[int] = []
        for lane in self.lanes:
            first, stop = lane.span(end - 1, end + 1)
            first, stop = max(0, first), min(len(lane), stop + 1)
            for row in lane.numbers[first:stop].tolist():
                if int(cause_row[row]) == number and row != number:
                    found.append(int(row))
        return sorted(found)[:most]
