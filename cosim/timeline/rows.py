"""Rows of a timeline: one interval of one component a row, in columns.

Rows are in the order in which their intervals ended, so `end` never decreases.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

COLUMN_TYPES: dict[str, str] = {
    "component": "<i2",
    "template": "<i4",
    "task": "<i8",
    "lane": "<i2",
    "start": "<i8",
    "end": "<i8",
    "cause": "|i1",
    "cause_row": "<i8",
}
"""Type of every column, the byte order fixed: the same run gives the same bytes everywhere."""


@dataclass(frozen=True)
class Rows:
    """Some rows of a timeline, all arrays of shape (n_rows,).

    Attributes
    ----------
    component : int16 array
        Rank of the component in the program.
    template : int32 array
        Template of the task.
    task : int64 array
        Ordinal of the task in its component's stream.
    lane : int16 array
        Lane of the interval.
    start, end : int64 array
        Picoseconds.
    cause : int8 array
        `cosim.timeline.causes.Cause` of the start.
    cause_row : int64 array
        Number of the row whose end is this row's start, -1 for those that start the run.
    number : int64 array
        The rows' own numbers in the timeline, which `cause_row` refers to.
    """

    component: NDArray[np.int16]
    template: NDArray[np.int32]
    task: NDArray[np.int64]
    lane: NDArray[np.int16]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    cause: NDArray[np.int8]
    cause_row: NDArray[np.int64]
    number: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    @property
    def duration(self) -> NDArray[np.int64]:
        """Length of every interval in picoseconds."""
        return self.end - self.start

    def select(self, which: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Rows:
        """The rows that a mask, an array of positions or a slice picks."""
        return Rows(*(getattr(self, field.name)[which] for field in fields(self)))

    @staticmethod
    def join(parts: list[Rows]) -> Rows:
        """Parts one after the other."""
        if len(parts) == 1:
            return parts[0]
        return Rows(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(Rows)
            )
        )

    @staticmethod
    def empty() -> Rows:
        """No rows."""
        return Rows(*(np.empty(0, kind) for kind in (*COLUMN_TYPES.values(), "<i8")))
