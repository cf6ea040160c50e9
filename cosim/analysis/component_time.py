"""What every component did with the whole of a run: busy, or idle for a cause."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cosim.analysis.distinct_rows import DistinctRows, Source, distinct_rows
from cosim.analysis.task_table import Integers
from cosim.mapping.program import Program
from cosim.timeline.causes import Cause


class ComponentTime(NamedTuple):
    """What one component did with the whole of the run.

    `idle_ps` maps a cause to the time spent waiting for it; ``finished`` is the time after its
    last interval. Busy and idle sum to the makespan exactly.
    """

    name: str
    kind: str
    rows: int
    busy_ps: int
    idle_ps: dict[str, int]


_LABELS = [cause.label for cause in Cause]


def component_times(program: Program, source: Source, makespan_ps: int) -> list[ComponentTime]:
    """Busy and idle time, by cause, of every component in rank order."""
    run = distinct_rows(program, source)
    rows = _SortedRows(run, len(program.components), makespan_ps)
    intervals, busy = np.zeros((2, len(program.components)), np.int64)
    np.add.at(intervals, rows.component, rows.count)
    np.add.at(busy, rows.component, (rows.end - rows.start) * rows.count)
    waited, last = _waits(run, rows)
    columns = (intervals, busy, waited, makespan_ps - last)
    found = []
    for part, number, working, waits, finished in zip(
        program.components, *(column.tolist() for column in columns), strict=True
    ):
        idle = {name: time for name, time in zip(_LABELS, waits, strict=True) if time}
        if finished:
            idle["finished"] = finished
        found.append(ComponentTime(part.name, part.kind, number, working, idle))
    return found


class _SortedRows:
    """Rows of a program's own components, sorted by component.

    Attributes
    ----------
    component, order : int64 array, shape (n,)
        Component and position of every row, sorted by both.
    start, end, count : int64 array, shape (n,)
        Of its first time, and how often it happens.
    edges : int64 array, shape (size + 1,)
        Where the rows of each of the `size` components begin, and where the last ones stop.
    """

    def __init__(self, run: DistinctRows, size: int, makespan_ps: int) -> None:
        order, component = run.by_component
        self.edges = component.searchsorted(np.arange(size + 1))
        stop = self.edges[-1]  # others are attached from outside
        self.order, self.component = order[:stop], component[:stop]
        # rows that the end of the run cuts off count up to there
        self.start = np.minimum(run.start[self.order], makespan_ps)
        self.end = np.minimum(run.end[self.order], makespan_ps)
        self.count = run.count[self.order]
        self.cause = run.cause[self.order]


def _waits(run: DistinctRows, rows: _SortedRows) -> tuple[Integers, Integers]:
    """Time for which components waited, by cause, and the ends of their last intervals.

    Returns
    -------
    waited : int64 array, shape (size, n_causes)
    last : int64 array, shape (size,)
    """
    begin, stop = rows.edges[:-1], rows.edges[1:]
    waited = np.zeros((len(begin), len(_LABELS)), np.int64)
    # the end of the row before each row; one more, so that every component's last end is there
    previous = np.zeros(len(rows.order) + 1, np.int64)
    previous[1:] = rows.end
    last, once = previous[stop], rows.count
    if run.repetitions and len(rows.order):
        repeated = _Repeated(run, rows)
        # a row that follows a repetition waits from the end of its last time
        previous[1:-1] += repeated.before[1:] - repeated.before[:-1]
        last += repeated.cut[:, -1] - repeated.before[stop - 1]
        once = repeated.once
        repeated.add_waits(waited)
    last[begin == stop] = 0
    previous[begin] = 0
    # one flat index is several times faster than two
    kind = rows.component * len(_LABELS) + rows.cause
    np.add.at(waited.reshape(-1), kind, (rows.start - previous[:-1]) * once)
    return waited, last


class _Repeated:
    """Which repetitions each component takes part in.

    Attributes
    ----------
    before : int64 array, shape (n,)
        Time by which repetitions of its component have delayed each of the sorted rows.
    cut : int64 array, shape (size, n_repetitions + 1)
        Time of all times but the first of a component's repetitions before each, and of all.
    once : int64 array, shape (n,)
        How often each row happens other than as the first row of another time of a period.
    """

    def __init__(self, run: DistinctRows, rows: _SortedRows) -> None:
        self._rows, self._table = rows, run.table
        table, size = run.table, len(rows.edges) - 1
        # from which row to which each component (line) takes part in each repetition (column)
        places, lines = rows.component * len(run) + rows.order, np.arange(size)[:, None] * len(run)
        first, stop = (places.searchsorted(lines + edge) for edge in (table.first, table.stop))
        takes_part = stop > first
        self.cut = np.zeros((size, len(table.items) + 1), np.int64)
        (table.cut_ps * takes_part).cumsum(axis=1, out=self.cut[:, 1:])
        self.before = self.cut[rows.component, table.stop.searchsorted(rows.order, side="right")]
        self._line, self._item = takes_part.nonzero()
        self._first = first[self._line, self._item]
        self._final = stop[self._line, self._item] - 1
        self.once = rows.count.copy()
        np.floor_divide.at(self.once, self._first, table.repeats[self._item] + 1)

    def add_waits(self, waited: Integers) -> None:
        """Add what the first row of a period waits, all other times: from the end of its last."""
        rows, table, item = self._rows, self._table, self._item
        ended = rows.end[self._final] + self.cut[self._line, item] - self.before[self._final]
        wait = rows.start[self._first] + table.shift_ps[item] - ended
        times = table.repeats[item] * table.outer[item]
        np.add.at(waited, (self._line, rows.cause[self._first]), wait * times)
