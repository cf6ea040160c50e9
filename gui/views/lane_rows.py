"""Rows of a lane, put together from periods that are read once and shifted in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from gui.views.lane_index import LaneIndex, Period, Turn


@dataclass(frozen=True)
class LaneRows:
    """Some intervals of one lane, in order of time; all arrays of shape (n,).

    `wait_start` is where the lane became free before each interval, and `wait` the category of
    what it waited for from then until `start`.
    """

    number: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    category: NDArray[np.uint8]
    template: NDArray[np.int32]
    wait_start: NDArray[np.int64]
    wait: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.number)

    def part(self, first: int, stop: int) -> LaneRows:
        """Rows by position."""
        if first == 0 and stop >= len(self):
            return self
        return LaneRows(*(getattr(self, f.name)[first:stop] for f in fields(self)))

    def later(self, ps: int, rows: int) -> LaneRows:
        """The same some time, and some rows of the timeline, later."""
        if not ps and not rows:
            return self
        return replace(
            self, number=self.number + rows, start=self.start + ps, end=self.end + ps,
            wait_start=self.wait_start + ps,
        )  # fmt: skip

    def repeated(self, times: int, ps: int, rows: int) -> LaneRows:
        """The same again and again, each time so much later."""
        turn = np.arange(times, dtype=np.int64)[:, None]
        return LaneRows(
            (self.number + turn * rows).ravel(), (self.start + turn * ps).ravel(),
            (self.end + turn * ps).ravel(), np.tile(self.category, times),
            np.tile(self.template, times), (self.wait_start + turn * ps).ravel(),
            np.tile(self.wait, times),
        )  # fmt: skip

    @staticmethod
    def join(parts: list[LaneRows]) -> LaneRows:
        """Parts one after the other; at least one."""
        if len(parts) == 1:
            return parts[0]
        return LaneRows(
            *(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(LaneRows))
        )


Stretch = Callable[[Period, int, Turn], LaneRows]
"""Rows of an item of a period that is not repeated, in one turn of the period."""

Segment = tuple[int, int, int, int]
"""A repetition, places from and to within it, and how many repetitions are so."""


def segments(first: int, stop: int, size: int) -> Iterator[Segment]:
    """A range of a repeated period: partial repetitions, and whole ones at once.

    The first repetition always stands alone: what its first row waited for may differ.
    """
    repetition = first // size
    while first < stop:
        begin = repetition * size
        whole = (stop - begin) // size if first == begin and repetition else 1
        times = max(1, whole)
        end = min(stop, begin + size)
        yield repetition, first - begin, end - begin, times
        first = begin + times * size
        repetition += times


def gather(
    index: LaneIndex, stretch: Stretch, period: Period, turn: Turn, first: int, stop: int
) -> tuple[list[LaneRows], bool]:
    """Places `first` to `stop` of a turn of a period.

    All is read of the first two repetitions and moved; so a lane reads few rows, and always the
    same ones.

    Returns
    -------
    parts : list of LaneRows
    other : bool
        Whether templates of later repetitions have other names than those read.
    """
    parts: list[LaneRows] = []
    other = False
    for which in period.overlapping(first, stop):
        item = period.items[which]
        low = max(first, item.place) - item.place
        high = min(stop, item.place + item.size) - item.place
        if item.inner is None:
            parts.append(stretch(period, which, turn).part(low, high))
            continue
        inner = item.inner
        for repetition, begin, end, times in segments(low, high, inner.size):
            read = min(repetition, 1)
            at = index.turn(period, which, turn, read)
            found, differs = gather(index, stretch, inner, at, begin, end)
            other |= differs or (item.other_templates and repetition + times > 1)
            ps, rows = (repetition - read) * item.shift_ps, (repetition - read) * inner.rows
            if times > 1:
                joined = LaneRows.join(found).later(ps, rows)
                parts.append(joined.repeated(times, item.shift_ps, inner.rows))
            else:
                parts += [part.later(ps, rows) for part in found]
    return parts, other
