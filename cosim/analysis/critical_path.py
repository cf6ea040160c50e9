"""The exact critical path: the chain of intervals that holds the latency.

Every row names the earlier row whose end released it, and starts exactly when that one ends. From
the last row to finish, following these causes back leads to time zero without a gap, so that the
durations on the way sum to the makespan, to the picosecond. Shortening anything that is not on
the path shortens nothing.

Here the path is walked row by row, which is its definition; `cosim.analysis.path` walks timelines
with repetitions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.mapping.program import Program
from cosim.timeline.rows import Rows


def last_row(program: Program, component: NDArray[np.integer]) -> int:
    """Position of the row that ends the run: the last to end among those that keep it alive.

    Parameters
    ----------
    component : int array, shape (n_rows,)
        Ranks of the components of all rows, in the order in which these end.

    Returns
    -------
    int
        -1 if there is none.
    """
    # components attached from outside rank above the program's own and keep nothing alive
    alive = {rank for rank, part in enumerate(program.components) if not part.background}
    for position in range(len(component) - 1, -1, -1):
        if int(component[position]) in alive:
            return position
    return -1


def critical_path(program: Program, rows: Rows) -> NDArray[np.int64]:
    """Positions in `rows` of the intervals on the critical path, in order of time.

    Parameters
    ----------
    rows : Rows
        A whole timeline, numbered from 0 in order.

    Raises
    ------
    ValueError
        If a row starts at another instant than its cause ends: the timeline is damaged.
    """
    position = last_row(program, rows.component)
    if position < 0:
        return np.empty(0, np.int64)
    # a memoryview hands out Python integers several times faster than an array does
    causes = memoryview(np.ascontiguousarray(rows.cause_row).data)
    path = []
    while position >= 0:
        path.append(position)
        if len(path) > len(causes):
            raise ValueError("the causes of the timeline form a ring")
        position = causes[position]
    found = np.array(path[::-1], np.int64)
    starts, ends = rows.start[found], rows.end[found]
    if starts[0] != 0 or not np.array_equal(starts[1:], ends[:-1]):
        raise ValueError("a row of the timeline does not start where its cause ends")
    return found
