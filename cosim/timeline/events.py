"""A timeline as begins and ends in the order of time, for formats that can only go forward.

Rows are in the order of their ends, and one that ends later may have begun before. So the time is
cut into windows of some rows each; all that begins or ends in one is found at once, and no more
than one window is ever held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.rows import Rows
from cosim.timeline.timeline import Timeline

Window = tuple[int | None, int | None]
"""Begin and end in picoseconds; None for those of the run."""


@dataclass(frozen=True)
class Events:
    """What happens in a window.

    Attributes
    ----------
    rows : Rows
        All rows that overlap it.
    time : int64 array, shape (n_events,)
        Ascending. What had begun before the window asked for begins with it.
    row : int64 array, shape (n_events,)
        Position in `rows`.
    begins : bool array, shape (n_events,)
        Whether the row begins or ends. At one instant ends come first, but for rows of no length.
    """

    rows: Rows
    time: NDArray[np.int64]
    row: NDArray[np.int64]
    begins: NDArray[np.bool_]

    @property
    def n_begun(self) -> int:
        """Number of rows that begin."""
        return int(self.begins.sum())


def events(timeline: Timeline, window: Window, size: int) -> Iterator[Events]:
    """The events of a window of a timeline, about `size` rows at a time."""
    low, high = window
    for number, (begin, end) in enumerate(timeline.windows(size, low, high)):
        if number == 0:
            rows = timeline.rows(low, end)
            yield _events(replace(rows, start=np.maximum(rows.start, begin)), begin, end)
        else:
            yield _events(timeline.rows(begin - 1, end), begin, end)


def _events(rows: Rows, begin: int, end: int) -> Events:
    begun = np.flatnonzero((rows.start >= begin) & (rows.start < end))
    ended = np.flatnonzero((rows.end >= begin) & (rows.end < end))
    time = np.concatenate([rows.start[begun], rows.end[ended]])
    row = np.concatenate([begun, ended])
    phase = np.concatenate(
        [np.ones(len(begun), np.int64), np.where(rows.duration[ended] > 0, 0, 2)]
    )
    order = np.lexsort((rows.number[row], phase, time))
    return Events(rows, time[order], row[order], phase[order] == 1)
