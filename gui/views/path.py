"""The critical path as columns of its own: what overlays and jumps along it need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.analysis.distinct_rows import distinct_rows
from cosim.analysis.path import path_of as compact_path
from cosim.mapping.program import Program
from cosim.timeline.timeline import Timeline

MOST_ROWS = 5_000_000
"""A path of more rows is not drawn: it is left empty."""


@dataclass(frozen=True)
class CriticalPath:
    """Rows that hold the latency, in order of time; they cover the run without a gap.

    Attributes
    ----------
    numbers : int array, shape (n,)
        Their row numbers, increasing.
    ends : int64 array, shape (n,)
        Picoseconds.
    components : int16 array, shape (n,)
    """

    numbers: NDArray[np.integer]
    ends: NDArray[np.int64]
    components: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.numbers)

    def place(self, number: int) -> int:
        """Place of a row on the path, -1 if it is not on it."""
        place = int(np.searchsorted(self.numbers, self.numbers.dtype.type(number)))
        return place if place < len(self) and int(self.numbers[place]) == number else -1

    def at(self, time_ps: int) -> int:
        """Row number on the path at an instant, -1 if there is none."""
        place = int(np.searchsorted(self.ends, np.int64(time_ps), side="right"))
        return int(self.numbers[place]) if place < len(self) else -1


def path_of(program: Program, timeline: Timeline) -> CriticalPath:
    """The critical path of a whole timeline."""
    compact = compact_path(distinct_rows(program, timeline))
    if len(compact) > MOST_ROWS:
        return CriticalPath(*(np.empty(0, kind) for kind in (np.int64, np.int64, np.int16)))
    rows = compact.expanded()
    return CriticalPath(rows.number, rows.end, rows.component)
