"""The rows of one lane by place and by time, where repeated periods are stored once.

A lane's rows are those of one component, in order; since a component does one thing at a time,
neither their starts nor their ends ever decrease. A repetition of the timeline
(`cosim.timeline.blocks`) is one of the lane as well, with as many of its rows as the lane has. So a
lane of a billion rows is a small tree, and finding a place in it is a walk down the tree.

*Place* counts the lane's rows, *number* those of the whole timeline.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.blocks import Block

Integers = NDArray[np.int64]

Piece = tuple[int, int, int]
"""First place, place after the last, and how often these rows count."""


class Item(NamedTuple):
    """A stretch of stored rows, or a repeated period (`inner` is not None).

    `first`, `stop` are indices into the lane's stored rows; `place` and `number` are those of the
    first row within the enclosing period.
    """

    first: int
    stop: int
    place: int
    number: int
    size: int
    inner: Period | None = None
    repeats: int = 0
    shift_ps: int = 0
    other_templates: bool = False


@dataclass(eq=False)
class Period:
    """Items in order; `places` are those at which they begin, and the total."""

    items: tuple[Item, ...]
    places: tuple[int, ...]
    rows: int
    """Rows of the whole timeline in one period."""

    @property
    def size(self) -> int:
        return self.places[-1]

    @cached_property
    def edges(self) -> Integers:
        """The same as `places`, to search many at a time."""
        return np.array(self.places, np.int64)

    def overlapping(self, first: int, stop: int) -> range:
        """Which items hold some of the places `first` to `stop`."""
        low = max(0, bisect_right(self.places, first) - 1)
        return range(low, min(len(self.items), bisect_left(self.places, stop)))

    def within(self, first: int, stop: int) -> range:
        """Which items lie between two places as a whole."""
        low = bisect_left(self.places, first)
        return range(low, max(low, bisect_right(self.places, stop) - 1))


@dataclass(frozen=True)
class Turn:
    """One repetition of a period.

    Attributes
    ----------
    place : int
        Of its first row in the lane.
    ps, rows : int
        How much later, in time and in rows of the timeline, it is than what is stored.
    free_ps : int
        End of the row before it.
    """

    place: int = 0
    ps: int = 0
    rows: int = 0
    free_ps: int = 0


class LaneIndex:
    """Finds rows of a lane.

    Parameters
    ----------
    positions : int array, shape (n_stored,)
        Stored rows of the timeline that the lane consists of, increasing.
    starts, ends : int64 arrays
        Columns of all stored rows, which may lie on disk.
    blocks : sequence of Block
        Repetitions of the timeline.
    """

    def __init__(
        self,
        positions: NDArray[np.integer],
        starts: Integers,
        ends: Integers,
        blocks: Sequence[Block] = (),
    ) -> None:
        self.positions = positions
        self._starts = _Column(starts, positions)
        self._ends = _Column(ends, positions)
        self.root = _period(_Cuts(positions, len(starts), blocks), 0, len(starts), blocks)
        self.plain = not blocks

    def __len__(self) -> int:
        return self.root.size

    def first_ending_after(self, time: int) -> int:
        """Place of the first row that ends after `time`, the number of rows if none does."""
        return self._find(self.root, time, self._ends, after=True)

    def first_starting_from(self, time: int) -> int:
        """Place of the first row that starts at `time` or later."""
        return self._find(self.root, time, self._starts, after=False)

    def _find(self, period: Period, time: int, column: _Column, after: bool) -> int:
        search = bisect_right if after else bisect_left
        place = 0
        while True:
            item = self._item_at(period, time, column, after)
            if item is None:
                return place + period.size
            place += item.place
            if item.inner is None:
                return place + search(column, time, item.first, item.stop) - item.first
            # the first repetition whose last row lies beyond the time
            last = self._last(item.inner, column)
            late = time - last if after else time - 1 - last
            repetition = 0 if late < 0 else late // item.shift_ps + 1
            place += repetition * item.inner.size
            time -= repetition * item.shift_ps
            period = item.inner

    def _item_at(self, period: Period, time: int, column: _Column, after: bool) -> Item | None:
        """The first item whose last row lies beyond the time."""
        low, high = 0, len(period.items)
        while low < high:
            middle = (low + high) // 2
            last = self._last_of(period.items[middle], column)
            if last > time if after else last >= time:
                high = middle
            else:
                low = middle + 1
        return period.items[low] if low < len(period.items) else None

    def _last_of(self, item: Item, column: _Column) -> int:
        if item.inner is None:
            return column[item.stop - 1]
        return item.repeats * item.shift_ps + self._last(item.inner, column)

    def _last(self, period: Period, column: _Column) -> int:
        return self._last_of(period.items[-1], column)

    def numbers(self, first: int, stop: int) -> Integers:
        """Numbers in the timeline of the rows at some places."""
        if self.plain:
            return self.positions[first:stop].astype(np.int64)
        places = np.arange(first, max(first, stop), dtype=np.int64)
        return self.numbers_at(places)

    def numbers_at(self, places: Integers) -> Integers:
        """Numbers of the rows at these places."""
        if self.plain:
            return self.positions[places].astype(np.int64)
        result = np.zeros(len(places), np.int64)
        self._number(self.root, places, np.arange(len(places)), result)
        return result

    def _number(self, period: Period, places: Integers, at: Integers, result: Integers) -> None:
        which = np.searchsorted(period.edges, places, side="right") - 1
        # items of no rows share their place with the next one
        for index in _distinct(which):
            item = period.items[index]
            here = np.flatnonzero(which == index)
            inside = places[here] - item.place
            result[at[here]] += item.number
            if item.inner is None:
                stored = self.positions[item.first + inside].astype(np.int64)
                result[at[here]] += stored - int(self.positions[item.first])
            else:
                repetition, within = np.divmod(inside, item.inner.size)
                result[at[here]] += repetition * item.inner.rows
                self._number(item.inner, within, at[here], result)

    def first_places(self) -> Integers:
        """Place at which each stored row happens first, shape (n_stored,)."""
        result = np.empty(len(self.positions), np.int64)

        def visit(period: Period, base: int) -> None:
            for item in period.items:
                at = base + item.place
                if item.inner is None:
                    result[item.first : item.stop] = np.arange(at, at + item.size)
                else:
                    visit(item.inner, at)

        visit(self.root, 0)
        return result

    def free_before(self, period: Period, which: int, turn: Turn) -> int:
        """End of the row before an item of a period, in one of its repetitions."""
        if which == 0:
            return turn.free_ps
        return turn.ps + self._last_of(period.items[which - 1], self._ends)

    def turn(self, period: Period, which: int, turn: Turn, repetition: int) -> Turn:
        """A repetition of a repeated item of a period."""
        item = period.items[which]
        assert item.inner is not None
        later = turn.ps + repetition * item.shift_ps
        if repetition:
            free = later - item.shift_ps + self._last(item.inner, self._ends)
        else:
            free = self.free_before(period, which, turn)
        return Turn(
            turn.place + item.place + repetition * item.inner.size, later,
            turn.rows + item.number + repetition * item.inner.rows, free,
        )  # fmt: skip

    def place_of(self, number: int) -> int:
        """Place of a row of the timeline, -1 if it is another lane's."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if int(self.numbers(middle, middle + 1)[0]) < number:
                low = middle + 1
            else:
                high = middle
        found = low < len(self) and int(self.numbers(low, low + 1)[0]) == number
        return low if found else -1

    def pieces(self, first: int, stop: int) -> Iterator[Piece]:
        """A range of places as few stretches, each with the number of times it counts.

        Repetitions after the first of a period are alike, waiting before their first row
        included; so the first one stands for itself and the second for all others.
        """
        yield from self._pieces(self.root, 0, first, stop, 1)

    def _pieces(
        self, period: Period, base: int, first: int, stop: int, times: int
    ) -> Iterator[Piece]:
        for which in period.overlapping(first, stop):
            item = period.items[which]
            low, high = max(first, item.place), min(stop, item.place + item.size)
            if low >= high:
                continue
            if item.inner is None:
                yield base + low, base + high, times
                continue
            size = item.inner.size
            low, high = low - item.place, high - item.place
            head, tail = -(-low // size), high // size
            at = base + item.place
            if head > tail:  # within one repetition
                yield from self._part(item.inner, at, tail, low, high, times)
                continue
            if low < head * size:
                yield from self._part(item.inner, at, head - 1, low, head * size, times)
            if head == 0 < tail:
                yield from self._pieces(item.inner, at, 0, size, times)
                head = 1
            if tail > head:
                yield from self._pieces(
                    item.inner, at + head * size, 0, size, times * (tail - head)
                )
            if tail * size < high:
                yield from self._part(item.inner, at, tail, tail * size, high, times)

    def _part(
        self, inner: Period, at: int, repetition: int, low: int, high: int, times: int
    ) -> Iterator[Piece]:
        base = repetition * inner.size
        yield from self._pieces(inner, at + base, low - base, high - base, times)


class _Column:
    """A column of the timeline seen through a lane's rows, for `bisect`."""

    def __init__(self, column: Integers, positions: NDArray[np.integer]) -> None:
        self._column, self._positions = column, positions

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, index: int) -> int:
        return int(self._column[self._positions[index]])


def _distinct(values: Integers) -> list[int]:
    """Values of a sorted or short array."""
    if not len(values):
        return []
    low, high = int(values.min()), int(values.max())
    if low == high:
        return [low]
    found: list[int] = np.unique(values).tolist()
    return found


class _Cuts:
    """Where blocks begin and stop in a lane's rows: all of them looked up at once."""

    def __init__(
        self, positions: NDArray[np.integer], stored: int, blocks: Sequence[Block]
    ) -> None:
        edges = {0, stored}
        waiting = list(blocks)
        while waiting:
            block = waiting.pop()
            edges |= {block.first, block.stop}
            waiting += block.children
        cuts = np.array(sorted(edges), np.int64)
        # of the same type: else all positions would be converted
        index = np.searchsorted(positions, cuts.astype(positions.dtype))
        if len(positions):
            following = positions[np.minimum(index, len(positions) - 1)].tolist()
        else:
            following = [0] * len(cuts)
        self._index = dict(zip(cuts.tolist(), index.tolist(), strict=True))
        self._next = dict(zip(cuts.tolist(), following, strict=True))

    def index(self, position: int) -> int:
        """Index among the lane's rows of the first one from a cut on."""
        return self._index[position]

    def next(self, position: int) -> int:
        """Stored position of that row, where there is one."""
        return self._next[position]


def _period(cuts: _Cuts, first: int, stop: int, blocks: Sequence[Block]) -> Period:
    """The lane's share of the stored rows `first` to `stop`, and the blocks in there."""
    items: list[Item] = []
    place, number, at = 0, 0, first
    for block in (*blocks, None):
        end = stop if block is None else block.first
        low, high = cuts.index(at), cuts.index(end)
        if high > low:
            items.append(Item(low, high, place, number + cuts.next(at) - at, high - low))
            place += high - low
        number += end - at
        if block is None:
            break
        inner = _period(cuts, block.first, block.stop, block.children)
        size = inner.size * (block.repeats + 1)
        if inner.size:
            low, high = cuts.index(block.first), cuts.index(block.stop)
            items.append(
                Item(low, high, place, number, size, inner, block.repeats, block.shift_ps,
                     block.other_templates)
            )  # fmt: skip
        place += size
        number += inner.rows * (block.repeats + 1)
        at = block.stop
    return Period(tuple(items), (*(item.place for item in items), place), number)
