"""Columns that lie on disk, read in pieces that do not stay in memory.

A page of a memory-mapped column that has been read counts as memory of the program until it is let
go of; the system keeps it in its cache and gives it back at once.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.timeline import Timeline

CHUNK_ROWS = 1 << 17
"""Rows that are worked on at once: the arithmetic on them takes tens of megabytes."""

SPREAD_ROWS = 1 << 20
"""Stored rows over which those that are worked on at once may be spread."""

MANY_ROWS = 2_000_000
"""Stored rows from which a run is not held in memory as a whole."""


def release(timeline: Timeline) -> None:
    """Let go of the pages of a large timeline that were read."""
    if len(timeline.stored["end"]) <= MANY_ROWS:
        return
    for column in timeline.stored.values():
        mapped = getattr(column, "_mmap", None)
        if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            with contextlib.suppress(OSError, ValueError):
                mapped.madvise(mmap.MADV_DONTNEED)


AROUND_ROWS = 1 << 15
"""Stored rows that the system maps around one that is read."""


class Pages:
    """Lets go of pages once many have been read here and there, as pictures do."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline, self._rows = timeline, 0

    def read(self, spans: int = 1, rows: int = 0) -> None:
        """Count what was read: some spans, and all stored rows from their first to their last."""
        self._rows += rows + spans * AROUND_ROWS
        if self._rows > 2 * SPREAD_ROWS:
            release(self._timeline)
            self._rows = 0


def chunks(timeline: Timeline) -> Iterator[slice]:
    """Stretches of the stored rows; what was read of one is let go of before the next."""
    for first in range(0, len(timeline.stored["end"]), CHUNK_ROWS):
        yield slice(first, first + CHUNK_ROWS)
        release(timeline)


def rows_by_component(timeline: Timeline) -> list[NDArray[np.integer]]:
    """Stored rows of every component, in order; as 32-bit numbers where they fit."""
    column = timeline.stored["component"]
    kind = np.int32 if len(column) < 2**31 else np.int64
    parts: list[list[NDArray[np.integer]]] = [[] for _ in timeline.outline.components]
    for here in chunks(timeline):
        ranks = np.asarray(column[here])
        for rank, mine in enumerate(parts):
            mine.append((np.flatnonzero(ranks == rank) + here.start).astype(kind))
    return [np.concatenate(mine) if mine else np.empty(0, kind) for mine in parts]
