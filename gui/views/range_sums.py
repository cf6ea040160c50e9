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


def _block_table(rows: LaneRows, size: int) -> NDArray[np.int64]:
    """Shape (n_blocks, 4, n_categories): count, sum, minimum, maximum."""
    blocks = -(-len(rows) // size)
    kinds = len(CATEGORIES)
    table = np.zeros((blocks, 4, kinds), np.int64)
    table[:, 2] = _NEVER
    block = np.arange(len(rows)) // size
    waits = np.flatnonzero((rows.wait != NO_WAIT) & (rows.start > rows.wait_start))
    for where, category, length in (
        (block, rows.category, rows.end - rows.start),
        (block[waits], rows.wait[waits], (rows.start - rows.wait_start)[waits]),
    ):
        key = where * kinds + category
        count = np.bincount(key, minlength=blocks * kinds)
        table[:, 0] += count.reshape(blocks, kinds)
        # float64 sums of at most 256 lengths below 2**45 ps are exact
        total = np.bincount(key, length, blocks * kinds).astype(np.int64)
        table[:, 1] += total.reshape(blocks, kinds)
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

    def add_blocks(self, sums: BlockSums, first: int, stop: int) -> None:
        """Add whole blocks."""
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
