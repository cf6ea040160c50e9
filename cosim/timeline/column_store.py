"""Columns that grow while a machine runs, in the types in which a timeline keeps them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.timeline import STORED_TYPES

LEAST_ROOM, MOST_ROOM = 4096, 1 << 18
"""Rows for which room is made before any have come: memory that is not written costs nothing."""


class ColumnStore:
    """The columns of `cosim.timeline.timeline.STORED_TYPES`.

    Parameters
    ----------
    expected : int
        About how many rows will come at most.
    """

    def __init__(self, expected: int = 0) -> None:
        self._count = 0
        room = min(max(expected, LEAST_ROOM), MOST_ROOM)
        self._columns: dict[str, NDArray[Any]] = {
            name: np.empty(room, kind) for name, kind in STORED_TYPES.items()
        }

    def append(self, columns: list[NDArray[np.int64]]) -> None:
        """Add rows: one array a column, all of the same length."""
        first, stop = self._count, self._count + len(columns[0])
        if stop > len(self._columns["end"]):
            self._grow(stop)
        for column, values in zip(self._columns.values(), columns, strict=True):
            column[first:stop] = values
        self._count = stop

    def columns(self) -> dict[str, NDArray[Any]]:
        """The rows so far, without much of the room that was made for others."""
        keep = 2 * self._count >= len(self._columns["end"])
        parts = {name: column[: self._count] for name, column in self._columns.items()}
        return parts if keep else {name: part.copy() for name, part in parts.items()}

    def _grow(self, least: int) -> None:
        room = max(least, 2 * len(self._columns["end"]))
        for name, column in self._columns.items():
            larger = np.empty(room, column.dtype)
            larger[: self._count] = column[: self._count]
            self._columns[name] = larger
