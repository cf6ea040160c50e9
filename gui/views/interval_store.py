"""Intervals by lane over the columns of a run, which stay on disk.

What is kept in memory is one row number an interval (4 bytes), a pyramid of shares and sums over
blocks of rows: opening a run of ten million intervals costs neither its size in memory nor a walk
over it in Python. Lanes are built one by one, so that a worker can do it while the first ones are
already drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.rows import Rows
from cosim.timeline.timeline import Timeline
from gui.views.disk import CHUNK_ROWS, SPREAD_ROWS, Pages, release, rows_by_component
from gui.views.lane_index import LaneIndex, Period, Turn
from gui.views.lane_rows import LaneRows, gather
from gui.views.lane_walk import Events, item_sums, lane_totals, walk
from gui.views.lanes import (
    CATEGORIES,
    NO_WAIT,
    Lane,
    category_of_cause,
    category_of_template,
    lanes_of,
)
from gui.views.pyramid import Pyramid, Shares, as_bytes, bins_for, build, shares_of
from gui.views.range_sums import BlockSums, ItemSums, Totals


@dataclass(frozen=True)
class Interval:
    """One interval, in words."""

    number: int
    component: str
    rank: int
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


MOST_STRETCHES = 4096
"""Stretches of rows that a lane keeps ready."""

MOST_ANSWERS = 8
"""Windows whose shares and totals a lane keeps."""


class LaneStore:
    """Intervals of one component.

    Parameters
    ----------
    timeline : Timeline
    lane : Lane
    position : int
        Of the lane in the store.
    rows : int array
        Stored rows of the timeline that the lane consists of.
    pages : Pages
        Of all lanes.
    """

    def __init__(
        self, timeline: Timeline, lane: Lane, position: int, rows: NDArray[np.integer],
        pages: Pages,
    ) -> None:  # fmt: skip
        self.lane, self.position = lane, position
        self._timeline = timeline
        self._categories = category_of_template(timeline.outline)
        self._causes = category_of_cause()
        if lane.rank < 0:
            self._causes[:] = NO_WAIT
        self._pages = pages
        self.pyramid: Pyramid | None = None
        self.sums: BlockSums | None = None
        self.items: ItemSums | None = None
        self.use(rows)

    def use(self, positions: NDArray[np.integer]) -> None:
        """Let the lane consist of these stored rows of the timeline."""
        self.periods: dict[tuple[int, int, int], Events] = {}
        self._answers: dict[tuple[Any, ...], Any] = {}
        self._stretches: dict[int, LaneRows] = {}
        # plain views: a memory-mapped array costs microseconds more at every access
        stored = self._stored = {n: np.asarray(c) for n, c in self._timeline.stored.items()}
        self.index = LaneIndex(positions, stored["start"], stored["end"], self._timeline.blocks)

    def __len__(self) -> int:
        return len(self.index)

    def build(self, span_ps: int, stop: object = None) -> None:
        """Make pyramid and sums; until then windows with too many intervals cannot be drawn.

        `stop` may be an object with ``is_set()``: when it is set, nothing is made.
        """
        sums = BlockSums()

        def stopped() -> bool:
            return stop is not None and bool(stop.is_set())  # type: ignore[attr-defined]

        def parts() -> Iterator[Events]:
            for events in walk(self, 0, len(self), bin_ps):
                if stopped():
                    raise InterruptedError
                yield events

        bin_ps, bins = bins_for(max(1, span_ps), 2 * len(self))
        try:
            pyramid = build(parts(), bin_ps, bins, len(CATEGORIES))
            if self.index.plain:
                for rows in self.chunks(0, len(self)):
                    if stopped():
                        raise InterruptedError
                    sums.add(rows)
            else:
                self.items = item_sums(self, stopped)
        except InterruptedError:
            return
        if self.index.plain:
            sums.finish()
            self.sums = sums
        self.pyramid = pyramid
        self._answers.clear()

    def sketch(self, samples: int = 400) -> LaneRows:
        """A few of the intervals, evenly spread: a first picture before `build` is done."""
        places = np.unique(np.linspace(1, max(1, len(self) - 1), samples).astype(np.int64))
        places = places[places < len(self)]
        rows = self._make(self._take(self.index.numbers_at(places)), 0)
        before = self._take(self.index.numbers_at(places - 1)).end
        self._pages.read(len(places))
        return replace(rows, wait_start=before)

    def span(self, start_ps: int, end_ps: int) -> tuple[int, int]:
        """Places of the first interval that overlaps a window, and of the one after the last."""
        first = self.index.first_ending_after(start_ps)
        return first, max(first, self.index.first_starting_from(end_ps))

    def rows(self, first: int, stop: int) -> LaneRows:
        """Intervals by place in the lane."""
        stop = min(stop, len(self))
        if self.index.plain or first >= stop:
            return self._read(first, stop)
        parts, other = gather(self.index, self.stretch, self.index.root, Turn(), first, stop)
        rows = LaneRows.join(parts)
        if other:  # later repetitions do the same for other layers
            rows = replace(rows, template=self._timeline.take(rows.number).template)
        return rows

    def chunks(self, first: int, stop: int) -> Iterator[LaneRows]:
        """Intervals by place, in pieces of whole blocks that do not stay in memory."""
        if not self.index.plain:
            for begin in range(first, stop, CHUNK_ROWS):
                yield self.rows(begin, min(stop, begin + CHUNK_ROWS))
            return
        positions, block = self.index.positions, BlockSums.ROWS
        while first < stop:
            # rows of a lane that is seldom busy are spread over many pages
            reach = int(positions[first]) + SPREAD_ROWS
            size = int(np.searchsorted(positions[first : first + CHUNK_ROWS], reach))
            end = min(stop, first + max(block, size // block * block))
            yield self.rows(first, end)
            release(self._timeline)
            first = end

    def stretch(self, period: Period, which: int, turn: Turn) -> LaneRows:
        """`read`, kept: repetitions are made of the same rows again and again."""
        key = turn.place + period.items[which].place
        found = self._stretches.get(key)
        if found is None:
            if len(self._stretches) >= MOST_STRETCHES:
                self._stretches.clear()
            found = self._stretches[key] = self.read(period, which, turn)
        return found

    def read(self, period: Period, which: int, turn: Turn) -> LaneRows:
        """Rows of an item of a period that is not repeated, in one turn of the period.

        Templates are those of the first turn; later ones do the same, maybe for other layers.
        """
        item, stored = period.items[which], self._stored
        at = self.index.positions[item.first : item.stop]
        end = stored["end"][at] + turn.ps
        template = stored["template"][at]
        free = np.empty_like(end)
        free[0], free[1:] = self.index.free_before(period, which, turn), end[:-1]
        number = at.astype(np.int64) + (turn.rows + item.number - int(at[0]))
        return LaneRows(
            number, stored["start"][at] + turn.ps, end,
            self._categories[template], template, free, self._causes[stored["cause"][at]],
        )  # fmt: skip

    def _read(self, first: int, stop: int) -> LaneRows:
        if first < stop and self.index.plain:
            positions = self.index.positions
            self._pages.read(rows=int(positions[stop - 1]) - int(positions[first]))
        before = int(self._take(self.index.numbers(first - 1, first)).end[0]) if first else 0
        return self._make(self._take(self.index.numbers(first, stop)), before)

    def _take(self, numbers: NDArray[np.int64]) -> Rows | _Columns:
        if self._timeline.blocks:
            return self._timeline.take(numbers)
        stored = self._stored
        return _Columns(
            numbers, stored["start"][numbers], stored["end"][numbers],
            stored["template"][numbers], stored["cause"][numbers],
        )  # fmt: skip

    def _make(self, rows: Rows | _Columns, before: int) -> LaneRows:
        free = np.concatenate([np.array([before], np.int64), rows.end])[: len(rows.end)]
        return LaneRows(
            rows.number, rows.start, rows.end, self._categories[rows.template], rows.template,
            free, self._causes[rows.cause],
        )  # fmt: skip

    def shares(self, start_ps: int, end_ps: int, pixels: int) -> Shares | None:
        """Shares of time by category in a window, None before `build` is done."""
        if self.pyramid is None:
            return None
        return self._known(("shares", start_ps, end_ps, pixels), self._shares)

    def _shares(self, start_ps: int, end_ps: int, pixels: int) -> Shares:
        assert self.pyramid is not None
        width = max(1, (end_ps - start_ps) // max(1, pixels))
        # bins of two pixels are drawn as well as can be told, and walking costs what bins save
        if self.index.plain or 2 * width >= self.pyramid.bin_ps:
            return self.pyramid.shares(start_ps, end_ps, pixels)
        # between what the pyramid can show and single intervals: made for this window alone
        start_ps, end_ps = max(0, start_ps), min(end_ps, self.pyramid.span_ps)
        first, stop = self.span(start_ps, end_ps)
        bins = max(1, -(-(end_ps - start_ps) // width))
        events = walk(self, first, min(len(self), stop + 1), width)
        found, filled = shares_of(events, width, bins, len(CATEGORIES), start_ps)
        return Shares(start_ps, width, found, as_bytes(filled))

    def totals(self, start_ps: int, end_ps: int) -> Totals:
        """Exact count, sum, minimum and maximum by category of what a window holds.

        Intervals that stick out of the window count with the part inside it in the sum, and with
        their full length in minimum and maximum. Waiting counts where it lies inside.
        """
        return self._known(("totals", start_ps, end_ps), self._totals)

    def _totals(self, start_ps: int, end_ps: int) -> Totals:
        first, stop = self.span(start_ps, end_ps)
        # waiting inside the window may belong to the interval after it
        return lane_totals(self, first, min(len(self), stop + 1), start_ps, end_ps)

    def _known(self, key: tuple[Any, ...], make: Callable[..., Any]) -> Any:
        """An answer about a window; selecting asks for those of the same one again and again."""
        if key not in self._answers:
            while len(self._answers) >= MOST_ANSWERS:
                del self._answers[next(iter(self._answers))]
            self._answers[key] = make(*key[1:])
        return self._answers[key]

    def at(self, time_ps: int) -> int:
        """Place of the interval that runs at an instant, -1 if none does."""
        place = self.index.first_ending_after(time_ps)
        if place < len(self) and int(self.rows(place, place + 1).start[0]) <= time_ps:
            return place
        return -1

    def before(self, time_ps: int) -> int:
        """Place of the last interval that starts before an instant, -1 if none does."""
        return self.index.first_starting_from(time_ps) - 1

    def place_of(self, number: int) -> int:
        """Place of a row of the timeline in this lane, -1 if it is another lane's."""
        return self.index.place_of(number)


@dataclass(frozen=True)
class _Columns:
    """The columns of `Rows` that are drawn."""

    number: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    template: NDArray[np.int32]
    cause: NDArray[np.int8]


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
        rows = [*rows_by_component(timeline), np.empty(0, np.int32)]  # the last: of no component
        self._pages = pages = Pages(timeline)
        self.lanes = tuple(
            LaneStore(timeline, lane, place, rows[lane.rank], pages)
            for place, lane in enumerate(lanes_of(timeline.outline))
        )

    @property
    def ready(self) -> bool:
        """Whether every lane can be drawn at every zoom."""
        return all(lane.pyramid is not None for lane in self.lanes)

    def build(self, stop: object = None) -> None:
        """Make what is missing, lane by lane."""
        for lane in self.lanes:
            self.build_lane(lane, stop)

    def build_lane(self, lane: LaneStore, stop: object = None) -> None:
        """Make what one lane lacks."""
        if lane.lane.rank < 0 and not len(lane):
            channels = [other for other in self.lanes if other.lane.kind == "dma"]
            lane.use(dram_rows(self.timeline, channels))
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
        row, outline = self.timeline.take(np.array([number])), self.timeline.outline
        self._pages.read()
        rank, template = int(row.component[0]), int(row.template[0])
        lane = next(store for store in self.lanes if store.lane.rank == rank)
        place = lane.place_of(number)
        drawn = lane.rows(place, place + 1)
        return Interval(
            number, outline.components[rank], rank, lane.position, outline.layer_name(template),
            outline.activity(template), int(drawn.category[0]), int(row.task[0]),
            int(row.start[0]), int(row.end[0]), int(row.cause[0]), int(row.cause_row[0]),
            int(row.start[0] - drawn.wait_start[0]),
        )  # fmt: skip

    def consequences(self, number: int, most: int = 64) -> list[int]:
        """Rows that started when this one ended and because of it, the earliest first.

        They start at its end, so they end at or after it: only rows from there on are looked at,
        lane by lane.
        """
        end = int(self.timeline.take(np.array([number])).end[0])
        found: list[int] = []
        for lane in (lane for lane in self.lanes if lane.lane.rank >= 0):
            first, stop = lane.span(end - 1, end + 1)
            near = lane.index.numbers(first, min(len(lane), stop + 1))
            caused = self.timeline.take(near).cause_row == number
            found += near[caused & (near != number)].tolist()
        return sorted(found)[:most]


def dram_rows(timeline: Timeline, channels: list[LaneStore]) -> NDArray[np.integer]:
    """Stored rows in which the DRAM serves a transfer: the first of each descriptor.

    The DRAM serves one transfer at a time, so that these rows of all channels do not overlap.
    """
    moves = np.array(
        [bool(t["dram_read_bytes"] or t["dram_write_bytes"]) for t in timeline.outline.tasks]
        + [False]
    )
    found = [
        part[moves[timeline.stored["template"][part]]]
        for channel in channels
        for part in _first_of_tasks(timeline, channel)
    ]
    if not found:
        return np.empty(0, np.int32)
    rows = np.concatenate(found)
    rows.sort()
    return rows


def _first_of_tasks(timeline: Timeline, channel: LaneStore) -> Iterator[NDArray[np.integer]]:
    """Stored rows of a lane that are the first of their task, in pieces."""
    positions = channel.index.positions
    if not channel.index.plain:
        # before the first row of a period stands the last one of the period before
        places = channel.index.first_places()
        numbers = channel.index.numbers_at(places)
        before = channel.index.numbers_at(np.maximum(0, places - 1))
        first = timeline.take(numbers).task != timeline.take(before).task
        yield positions[first | (places == 0)]
        return
    for begin in range(0, len(positions), CHUNK_ROWS):
        part = positions[max(0, begin - 1) : begin + CHUNK_ROWS]
        task = np.asarray(timeline.stored["task"][part])
        first = np.diff(task, prepend=task[0] - 1) != 0
        yield part[first] if begin == 0 else part[1:][first[1:]]
        release(timeline)
