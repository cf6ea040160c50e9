"""What happened in a run: intervals with their causes, in columns.

Readers ask a `Timeline` for the rows of a window, for single rows, for totals, or for all distinct
rows with the number of times each occurs. None of them needs to know how rows are stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.outline import Outline
from cosim.timeline.rows import COLUMN_TYPES, Rows


class Timeline:
    """Intervals of one run.

    Parameters
    ----------
    outline : Outline
        Names and loop trees of the program.
    columns : dict of str to array
        The columns of `COLUMN_TYPES`, each of shape (n_rows,), in the order of `end`.
    """

    def __init__(self, outline: Outline, columns: dict[str, NDArray[np.generic]]) -> None:
        self.outline = outline
        self.columns = columns

    @staticmethod
    def from_table(outline: Outline, table: NDArray[np.int64]) -> Timeline:
        """A timeline from an int64 table of shape (n_rows, 8), columns as in `COLUMN_TYPES`."""
        columns = {
            name: np.ascontiguousarray(table[:, place], dtype=kind)
            for place, (name, kind) in enumerate(COLUMN_TYPES.items())
        }
        return Timeline(outline, columns)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays that `from_arrays` makes the same timeline of; what a run folder stores."""
        return dict(self.columns)

    @staticmethod
    def from_arrays(outline: Outline, arrays: dict[str, NDArray[np.generic]]) -> Timeline:
        """A timeline from the arrays of `to_arrays`.

        Raises
        ------
        KeyError, ValueError
            If a column is missing or has another type or length than the others.
        """
        columns = {}
        for name, kind in COLUMN_TYPES.items():
            column = arrays[name]
            if column.dtype != np.dtype(kind) or column.ndim != 1:
                raise ValueError(f"column '{name}' is {column.dtype}, expected {kind}")
            columns[name] = column
        if len({len(column) for column in columns.values()}) > 1:
            raise ValueError("columns of different lengths")
        return Timeline(outline, columns)

    def __len__(self) -> int:
        return len(self.columns["end"])

    @property
    def end_ps(self) -> int:
        """End of the last interval; the makespan if no background component outlived it."""
        return int(self.columns["end"][-1]) if len(self) else 0

    def rows(self, start_ps: int | None = None, end_ps: int | None = None) -> Rows:
        """Rows that overlap the window [start_ps, end_ps), all of them by default."""
        rows = self._slice(slice(None))
        if start_ps is None and end_ps is None:
            return rows
        first = 0 if start_ps is None else int(np.searchsorted(rows.end, start_ps, side="right"))
        rows = rows.select(slice(first, None))
        return rows if end_ps is None else rows.select(rows.start < end_ps)

    def take(self, numbers: NDArray[np.int64]) -> Rows:
        """The rows of these numbers, in this order."""
        return self._slice(np.asarray(numbers, np.int64))

    def distinct(self) -> tuple[Rows, NDArray[np.int64]]:
        """Rows that differ in more than time and task, and how often each occurs.

        Sums over a whole run are sums over these rows, weighted::

            rows, count = timeline.distinct()
            busy = np.bincount(rows.component, weights=rows.duration * count)

        Returns
        -------
        rows : Rows
            `number`, `task`, `start` and `end` are those of a first occurrence.
        count : int64 array, shape (n_distinct,)
        """
        return self._slice(slice(None)), np.ones(len(self), np.int64)

    def busy_ps(self) -> NDArray[np.int64]:
        """Time spent in intervals by every component, shape (n_components,)."""
        return self._totals("component", len(self.outline.components))[1]

    def template_totals(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Number of intervals and time spent in them by template, each shape (n_templates,)."""
        return self._totals("template", len(self.outline.tasks))

    def _totals(self, column: str, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows, count = self.distinct()
        keys = getattr(rows, column).astype(np.int64)
        keep = (keys >= 0) & (keys < size)
        number = np.zeros(size, np.int64)
        time = np.zeros(size, np.int64)
        np.add.at(number, keys[keep], count[keep])
        np.add.at(time, keys[keep], (count * rows.duration)[keep])
        return number, time

    def _slice(self, which: slice | NDArray[np.int64]) -> Rows:
        numbers = np.arange(len(self), dtype=np.int64)[which]
        columns: dict[str, Any] = {name: self.columns[name][which] for name in COLUMN_TYPES}
        return Rows(**columns, number=numbers)
