"""Columns that grow while a machine runs, in the types in which a timeline keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.timeline import STORED_TYPES

Columns = Sequence[Any]
"""Rows as one sequence of integers a column, in the order of `STORED_TYPES`."""

MOST_ROOM = 1 << 18
"""Rows for which room is made before they have come: memory that is not written costs nothing."""


class ColumnStore:
    """The columns of `cosim.timeline.timeline.STORED_TYPES`.

    Parameters
    ----------
    expected : int
        About how many rows will come at most.
    """

    def __init__(self, expected: int = 0) -> None:
        self._count = self._room = 0
        self._expected = min(expected, MOST_ROOM)
        self._columns: dict[str, NDArray[Any]] = {}

    def append(self, columns: Columns) -> None:
        """Add rows: one sequence of integers a column, all of the same length."""
        first, stop = self._count, self._count + len(columns[0])
        if stop > self._room:
            self._grow(max(stop, 2 * self._room, self._expected))
        for column, values in zip(self._columns.values(), columns, strict=True):
            column[first:stop] = values
        self._count = stop

    def columns(self, last: Columns) -> dict[str, NDArray[Any]]:
        """The rows so far and those that come last, if any, without much room for others."""
        if not self._count:  # most runs are short
            last = last or [()] * len(STORED_TYPES)
            return {
                name: np.array(values, np.int64).astype(kind)
                for (name, kind), values in zip(STORED_TYPES.items(), last, strict=True)
            }
        if last:
            self.append(last)
        keep = 2 * self._count >= self._room
        parts = {name: column[: self._count] for name, column in self._columns.items()}
        return parts if keep else {name: part.copy() for name, part in parts.items()}

    def _grow(self, room: int) -> None:
        for name, kind in STORED_TYPES.items():
            larger = np.empty(room, kind)
            if self._count:
                larger[: self._count] = self._columns[name][: self._count]
            self._columns[name] = larger
        self._room = room
