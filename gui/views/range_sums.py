"""Sums over any range of a lane's intervals, from sums over blocks of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gui.views.lane_rows import LaneRows
from gui.views.lanes import CATEGORIES, NO_WAIT

_NEVER = np.iinfo(np.int64).max


class BlockSums:
    """Count, sum, minimum and maximum by category of every block of `ROWS` rows.

    Counts and sums are running totals, so that those of a range are one difference.
    """

    ROWS = 256

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []
        self._left: list[NDArray[np.int64]] = []
        self.running = np.zeros((1, 2, len(CATEGORIES)), np.int64)
        self.least = np.empty((0, len(CATEGORIES)), np.int64)
        self.most = np.empty((0, len(CATEGORIES)), np.int64)

    def add(self, rows: LaneRows) -> None:
        """Take further rows; all but the last call must bring a multiple of `ROWS`."""
        self._parts.append(_block_table(rows, self.ROWS))

    def finish(self) -> None:
        """No further rows come."""
        if not self._parts:
            return
        table = np.concatenate(self._parts)
        self._parts.clear()
        zero = np.zeros((1, 2, len(CATEGORIES)), np.int64)
        self.running = np.concatenate([zero, np.cumsum(table[:, :2], axis=0)])
        self.least, self.most = table[:, 2].copy(), table[:, 3].copy()


class ItemSums:
    """Count, sum, minimum and maximum by category of every item of a lane that repeats.

    Counts and sums are running totals, as in `BlockSums`; the last item may be added to until
    `finish`.
    """

    def __init__(self, items: int) -> None:
        kinds = len(CATEGORIES)
        self.running = np.zeros((items + 1, 2, kinds), np.int64)
        self.least = np.full((items, kinds), _NEVER, np.int64)
        self.most = np.zeros((items, kinds), np.int64)
        self._parts: list[LaneRows] = []
        self._of: list[tuple[int, int]] = []
        self._rows = 0

    def add(self, item: int, rows: LaneRows, times: int) -> None:
        """Take rows of an item, each of which happens some times."""
        self._parts.append(rows)
        self._of.append((item, times))
        self._rows += len(rows)
        if self._rows >= 1 << 16 or len(self._parts) >= 1 << 12:
            self._flush()

    def finish(self) -> None:
        """No further rows come."""
        self._flush()
        np.cumsum(self.running, axis=0, out=self.running)

    def _flush(self) -> None:
        if not self._parts:
            return
        lengths = [len(part) for part in self._parts]
        item, times = (np.repeat(np.array(column), lengths)
                       for column in zip(*self._of, strict=True))  # fmt: skip
        first = int(item.min())
        table = _table(LaneRows.join(self._parts), item - first, int(item.max()) - first + 1, times)
        here = slice(first, first + len(table))
        self.running[first + 1 : first + 1 + len(table)] += table[:, :2]
        np.minimum(self.least[here], table[:, 2], out=self.least[here])
        np.maximum(self.most[here], table[:, 3], out=self.most[here])
        self._parts.clear()
        self._of.clear()
        self._rows = 0


def _block_table(rows: LaneRows, size: int) -> NDArray[np.int64]:
    """Shape (n_blocks, 4, n_categories): count, sum, minimum, maximum."""
    return _table(rows, np.arange(len(rows)) // size, -(-len(rows) // size))


def _table(
    rows: LaneRows, group: NDArray[np.int64], groups: int, times: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """The same of groups of rows, each of which counts `times`."""
    kinds = len(CATEGORIES)
    table = np.zeros((groups, 4, kinds), np.int64)
    table[:, 2] = _NEVER
    waits = np.flatnonzero((rows.wait != NO_WAIT) & (rows.start > rows.wait_start))
    for where, category, length, weight in (
        (group, rows.category, rows.end - rows.start, times),
        (group[waits], rows.wait[waits], (rows.start - rows.wait_start)[waits],
         None if times is None else times[waits]),
    ):  # fmt: skip
        key = where * kinds + category
        count = np.bincount(key, weight, groups * kinds)
        table[:, 0] += count.astype(np.int64).reshape(groups, kinds)
        # sums of float64 are exact below 2**53 ps, which is two hours and a half
        total = np.bincount(key, length if weight is None else length * weight, groups * kinds)
        table[:, 1] += total.astype(np.int64).reshape(groups, kinds)
        if len(key):
            order = np.argsort(key, kind="stable")
            cuts = np.flatnonzero(np.diff(key[order], prepend=-1))
            keys = key[order][cuts]
            least = np.minimum.reduceat(length[order], cuts)
            most = np.maximum.reduceat(length[order], cuts)
            flat = table.transpose(0, 2, 1)
            at = (keys // kinds, keys % kinds)
            flat[at[0], at[1], 2] = np.minimum(flat[at[0], at[1], 2], least)
            flat[at[0], at[1], 3] = np.maximum(flat[at[0], at[1], 3], most)
    return table


@dataclass
class Totals:
    """What a window of a lane holds, by category; arrays of shape (n_categories,).

    `sum_ps` counts only what lies inside; `least_ps` and `most_ps` are of whole intervals and
    mean nothing where `count` is 0.
    """

    count: NDArray[np.int64]
    sum_ps: NDArray[np.int64]
    least_ps: NDArray[np.int64]
    most_ps: NDArray[np.int64]

    @staticmethod
    def empty(kinds: int) -> Totals:
        zeros = [np.zeros(kinds, np.int64) for _ in range(4)]
        zeros[2][:] = _NEVER
        return Totals(*zeros)

    def add_rows(self, rows: LaneRows, start_ps: int = 0, end_ps: int = _NEVER) -> None:
        """Add rows one by one, cut to a window."""
        waits = rows.wait != NO_WAIT
        self._add(rows.category, rows.start, rows.end, start_ps, end_ps)
        self._add(rows.wait[waits], rows.wait_start[waits], rows.start[waits], start_ps, end_ps)

    def _add(
        self,
        category: NDArray[np.uint8],
        start: NDArray[np.int64],
        end: NDArray[np.int64],
        start_ps: int,
        end_ps: int,
    ) -> None:
        inside = np.minimum(end, end_ps) - np.maximum(start, start_ps)
        kept = inside > 0
        category, length = category[kept], (end - start)[kept]
        self.count += np.bincount(category, minlength=len(self.count))
        np.add.at(self.sum_ps, category, inside[kept])
        np.minimum.at(self.least_ps, category, length)
        np.maximum.at(self.most_ps, category, length)

    def add_blocks(self, sums: BlockSums | ItemSums, first: int, stop: int) -> None:
        """Add whole blocks, or items."""
        inside = sums.running[stop] - sums.running[first]
        self.count += inside[0]
        self.sum_ps += inside[1]
        self.least_ps = np.minimum(self.least_ps, sums.least[first:stop].min(axis=0))
        self.most_ps = np.maximum(self.most_ps, sums.most[first:stop].max(axis=0))

    def add_totals(self, other: Totals, times: int) -> None:
        """Add what occurs several times over."""
        self.count += times * other.count
        self.sum_ps += times * other.sum_ps
        self.least_ps = np.minimum(self.least_ps, other.least_ps)
        self.most_ps = np.maximum(self.most_ps, other.most_ps)

    def mean_ps(self, category: int) -> float:
        """Mean time inside the window of an interval of one category."""
        return float(self.sum_ps[category]) / max(1, int(self.count[category]))
