"""Collects rows while a machine runs, in chunks of columns rather than objects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RowTuple = tuple[int, int, int, int, int, int, int, int]

Progress = Callable[[int], None]
"""Called now and then with the number of rows recorded so far."""

CHUNK_ROWS = 4096


class Recorder:
    """Rows as they happen.

    `append` takes (component, template, task, lane, start, end, cause, cause_row); `progress` is
    called after every chunk.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        self.count = 0
        self._pending: list[RowTuple] = []
        self._chunks: list[NDArray[np.int64]] = []

    def append(self, row: RowTuple) -> int:
        """Add a row and return its number."""
        number = self.count
        self.count = number + 1
        self._pending.append(row)
        if len(self._pending) == CHUNK_ROWS:
            self.flush()
        return number

    def flush(self) -> None:
        """Turn the rows collected since the last flush into a chunk of columns."""
        if self._pending:
            self._chunks.append(np.array(self._pending, np.int64))
            self._pending.clear()
            if self._progress is not None:
                self._progress(self.count)

    def table(self) -> NDArray[np.int64]:
        """All rows, shape (n_rows, 8), the last column the number of rows back to the cause."""
        self.flush()
        if not self._chunks:
            return np.empty((0, 8), np.int64)
        table = np.concatenate(self._chunks)
        cause_row = table[:, 7]
        table[:, 7] = np.where(cause_row >= 0, np.arange(len(table)) - cause_row, 0)
        return table
