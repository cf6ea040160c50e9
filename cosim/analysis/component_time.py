"""What every component did with the whole of a run: busy, or idle for a cause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.analysis.distinct_rows import DistinctRows, Source, distinct_rows
from cosim.analysis.task_table import Integers
from cosim.mapping.program import Program
from cosim.timeline.causes import Cause


@dataclass(frozen=True)
class ComponentTime:
    """What one component did with the whole of the run.

    `idle_ps` maps a cause to the time spent waiting for it; ``finished`` is the time after its
    last interval. Busy and idle sum to the makespan exactly.
    """

    name: str
    kind: str
    rows: int
    busy_ps: int
    idle_ps: dict[str, int]


def component_times(program: Program, source: Source, makespan_ps: int) -> list[ComponentTime]:
    """Busy and idle time, by cause, of every component in rank order."""
    run = distinct_rows(program, source)
    size = len(program.components)
    order = np.argsort(run.rows.component, kind="stable")
    component = run.rows.component[order].astype(np.int64)
    order = order[: np.searchsorted(component, size)]  # others are attached from outside
    component, count = component[: len(order)], run.count[order]
    # rows that the end of the run cuts off count up to there
    start, end = (np.minimum(t[order], makespan_ps) for t in (run.rows.start, run.rows.end))

    intervals, busy = np.zeros((2, size), np.int64)
    np.add.at(intervals, component, count)
    np.add.at(busy, component, (end - start) * count)
    waited, last = _waits(run, size, component, order, start, end)
    return [
        ComponentTime(
            part.name,
            part.kind,
            number,
            working,
            {
                name: time
                for name, time in (
                    *zip(_LABELS, waits, strict=True),
                    ("finished", makespan_ps - ended),
                )
                if time
            },
        )
        for part, number, working, waits, ended in zip(
            program.components,
            intervals.tolist(),
            busy.tolist(),
            waited.tolist(),
            last.tolist(),
            strict=True,
        )
    ]


_LABELS = [cause.label for cause in Cause]


def _waits(
    run: DistinctRows,
    size: int,
    component: Integers,
    order: Integers,
    start: Integers,
    end: Integers,
) -> tuple[Integers, Integers]:
    """Time for which components waited, by cause, and the ends of their last intervals.

    Parameters
    ----------
    size : int
        Number of components.
    component, order, start, end : int64 array, shape (n,)
        Component and position of every row, sorted by both, and its first time.

    Returns
    -------
    waited : int64 array, shape (size, n_causes)
    last : int64 array, shape (size,)
    """
    waited = np.zeros((size, len(_LABELS)), np.int64)
    if not len(order):
        return waited, np.zeros(size, np.int64)
    table, cause = run.table, run.rows.cause[order]
    # which repetitions (columns) each component (line) takes part in, from which row to which
    places, lines = component * len(run) + order, np.arange(size)[:, None] * len(run)
    first, stop = (np.searchsorted(places, lines + edge) for edge in (table.first, table.stop))
    takes_part = stop > first
    cut = np.zeros((size, len(table.items) + 1), np.int64)
    np.cumsum(table.cut_ps * takes_part, axis=1, out=cut[:, 1:])
    before = cut[component, np.searchsorted(table.stop, order, side="right")]

    # a row that follows a repetition waits from the end of its last time
    previous = np.append(0, end[:-1] + before[1:] - before[:-1])
    previous[np.append(True, component[1:] != component[:-1])] = 0
    once = run.count[order]
    line, item = np.nonzero(takes_part)
    first, final = first[line, item], stop[line, item] - 1
    np.floor_divide.at(once, first, table.repeats[item] + 1)
    # one flat index is several times faster than two
    kind = component * len(_LABELS) + cause
    np.add.at(waited.reshape(-1), kind, (start - previous) * once)

    # the first row of a period waits, all other times, from the end of the period's last
    ended = end[final] + cut[line, item] - before[final]
    wait = start[first] + table.shift_ps[item] - ended
    np.add.at(waited, (line, cause[first]), wait * table.repeats[item] * table.outer[item])

    at_end = np.searchsorted(component, np.arange(size), side="right") - 1
    last = end[at_end] + cut[:, -1] - before[at_end]
    return waited, np.where(component[at_end] == np.arange(size), last, 0)
