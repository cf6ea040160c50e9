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
    rows = run.rows
    order = np.argsort(rows.component, kind="stable")
    borders = np.searchsorted(rows.component[order], np.arange(len(program.components) + 1))
    # rows of a component that the end of the run cuts off count up to there
    start, end = np.minimum(rows.start, makespan_ps), np.minimum(rows.end, makespan_ps)
    labels = [cause.label for cause in Cause]
    result = []
    for rank, component in enumerate(program.components):
        mine = order[borders[rank] : borders[rank + 1]]
        count, starts, ends = run.count[mine], start[mine], end[mine]
        waited, last = _waits(run, mine, starts, ends)
        idle = {labels[cause]: time for cause, time in enumerate(waited.tolist()) if time}
        if last < makespan_ps:
            idle["finished"] = makespan_ps - last
        busy = int(((ends - starts) * count).sum())
        result.append(ComponentTime(component.name, component.kind, int(count.sum()), busy, idle))
    return result


def _waits(
    run: DistinctRows, mine: Integers, start: Integers, end: Integers
) -> tuple[Integers, int]:
    """Time for which a component waited, by cause, and the end of its last interval.

    Parameters
    ----------
    mine : int64 array, shape (n,)
        Its distinct rows.
    """
    waited = np.zeros(len(Cause), np.int64)
    if not len(mine):
        return waited, 0
    table, cause = run.table, run.rows.cause[mine]
    first, stop = np.searchsorted(mine, table.first), np.searchsorted(mine, table.stop)
    takes_part = stop > first
    # a row that follows a repetition waits from the end of its last time
    cut = np.concatenate([np.zeros(1, np.int64), np.cumsum(table.cut_ps * takes_part)])
    before = cut[np.searchsorted(table.stop, mine, side="right")]
    previous = np.concatenate([np.zeros(1, np.int64), end[:-1] + before[1:] - before[:-1]])
    once = run.count[mine]
    np.floor_divide.at(once, first[takes_part], table.repeats[takes_part] + 1)
    np.add.at(waited, cause, (start - previous) * once)
    # the first row of a period waits, all other times, from the end of the period's last
    which = np.flatnonzero(takes_part)
    first, last = first[which], stop[which] - 1
    ended = end[last] + cut[which] - before[last]
    between = start[first] + table.shift_ps[which] - ended
    np.add.at(waited, cause[first], between * table.repeats[which] * table.outer[which])
    return waited, int(end[-1] + cut[-1] - before[-1])
