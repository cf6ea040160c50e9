"""Compressed rows: a period that repeats is stored once, with a count and a shift.

Stored rows are numbered by their *position*, all rows of the timeline by their *number*. A `Block`
says that the rows at some positions happen again: ``repeats`` more times, every time ``shift_ps``
later and, component by component, ``task_shift`` tasks further. Blocks lie within blocks, as loops
do within loops::

    positions   0 1 2 [3 4 [5 6] 7] 8         outer block at 3..7, inner block at 5..6
    numbers     0 1 2  3 4  5 6  5 6  7 ...   (positions, in the order of their occurrences)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """A repeated period.

    Attributes
    ----------
    first, stop : int
        Positions of its rows: from `first` up to but not including `stop`.
    repeats : int
        How often the period happens again after its first time.
    shift_ps : int
        Time from one repetition to the next.
    task_shift : tuple of int
        Tasks from one repetition to the next, by component.
    other_templates : bool
        The repetitions do the same with templates of other names (another layer, say): the
        template of a task is then found in the component's stream.
    children : tuple of Block
        Blocks within the period, in order.
    """

    first: int
    stop: int
    repeats: int
    shift_ps: int
    task_shift: tuple[int, ...]
    other_templates: bool = False
    children: tuple[Block, ...] = ()


def moved_on(block: Block, time: int, moved: Mapping[int, int]) -> dict[int, int]:
    """By how many tasks each component is further in a time of a block than when it was stored."""
    return {rank: moved.get(rank, 0) + time * shift for rank, shift in enumerate(block.task_shift)}


SameTemplates = Callable[[Block, int, dict[int, int]], int]
"""How many times of a block after one of them use the very templates that that one does, given by
how many tasks each component is further than when the block was stored."""


@dataclass
class Occurrences:
    """Rows to be made of stored ones, all arrays of shape (n_rows,).

    Attributes
    ----------
    position : int64 array
        The stored row.
    time_shift, task_shift : int64 array
        What to add to its times and to its task.
    other_template : bool array
        Whether the template is to be looked up.
    """

    position: Integers
    time_shift: Integers
    task_shift: Integers
    other_template: NDArray[np.bool_]


@dataclass
class _Items:
    """What one period consists of: stretches of single rows, and blocks.

    Attributes
    ----------
    starts : list of int
        Position at which every item starts, and where the last one stops.
    numbers : list of int
        Number of rows before every item, and of all.
    blocks : list of (_Items, Block) or None
        None for stretches.
    """

    starts: list[int]
    numbers: list[int]
    blocks: list[tuple[_Items, Block] | None]
    starts_array: Integers = field(init=False)
    numbers_array: Integers = field(init=False)

    def __post_init__(self) -> None:
        self.starts_array = np.array(self.starts, np.int64)
        self.numbers_array = np.array(self.numbers, np.int64)

    @property
    def size(self) -> int:
        """Rows of one period, repetitions within it included."""
        return self.numbers[-1]


def _items(first: int, stop: int, children: Sequence[Block]) -> _Items:
    starts, numbers = [first], [0]
    blocks: list[tuple[_Items, Block] | None] = []

    def add(start: int, size: int, block: tuple[_Items, Block] | None) -> None:
        blocks.append(block)
        starts.append(start)
        numbers.append(numbers[-1] + size)

    for child in children:
        if child.first > starts[-1]:
            add(child.first, child.first - starts[-1], None)
        inner = _items(child.first, child.stop, child.children)
        add(child.stop, inner.size * (child.repeats + 1), (inner, child))
    if stop > starts[-1]:
        add(stop, stop - starts[-1], None)
    return _Items(starts, numbers, blocks)


class BlockIndex:
    """Finds rows by number and by time in a compressed timeline.

    Parameters
    ----------
    component, end : array, shape (n_positions,)
        Columns of the stored rows.
    blocks : sequence of Block
        The outermost ones, in order.
    """

    def __init__(
        self, component: NDArray[np.int16], end: NDArray[np.int64], blocks: Sequence[Block]
    ) -> None:
        self.blocks = tuple(blocks)
        self._component = component
        self._end = end
        self._root = _items(0, len(end), self.blocks)
        self._positions_of: dict[int, Integers] = {}

    def __len__(self) -> int:
        return self._root.size

    def occurrences(self, numbers: Integers) -> Occurrences:
        """The stored rows behind row numbers."""
        count = len(numbers)
        result = Occurrences(
            position=np.zeros(count, np.int64),
            time_shift=np.zeros(count, np.int64),
            task_shift=np.zeros(count, np.int64),
            other_template=np.zeros(count, np.bool_),
        )
        self._descend(self._root, numbers, np.arange(len(numbers)), result)
        return result

    def _descend(
        self, items: _Items, numbers: Integers, places: Integers, result: Occurrences
    ) -> None:
        """Fill `result` at `places` for rows of one period, given their numbers within it."""
        item = np.searchsorted(items.numbers_array, numbers, side="right") - 1
        inside = numbers - items.numbers_array[item]
        result.position[places] = items.starts_array[item] + inside
        for which in np.unique(item).tolist():
            entry = items.blocks[which]
            if entry is None:
                continue
            inner, block = entry
            here = np.flatnonzero(item == which)
            repetition, within = np.divmod(inside[here], inner.size)
            self._descend(inner, within, places[here], result)
            chosen = places[here]
            result.time_shift[chosen] += repetition * block.shift_ps
            task_shift = np.array(block.task_shift, np.int64)
            component = self._component[result.position[chosen]]
            result.task_shift[chosen] += repetition * task_shift[component]
            if block.other_templates:
                result.other_template[chosen] |= repetition > 0

    def first_ending_after(self, time: int) -> int:
        """Number of the first row that ends after `time`; the number of rows if none does."""
        items, number = self._root, 0
        while True:
            stops = items.starts_array[1:] - 1
            ends = self._end[stops] + np.array(
                [self._delay(entry) for entry in items.blocks], np.int64
            )
            item = int(np.searchsorted(ends, time, side="right"))
            if item == len(items.blocks):
                return number + items.size
            number += items.numbers[item]
            entry = items.blocks[item]
            if entry is None:
                first, stop = items.starts[item], items.starts[item + 1]
                return number + int(np.searchsorted(self._end[first:stop], time, side="right"))
            items, block = entry
            last = int(self._end[block.stop - 1]) + self._delay_within(items)
            repetition = 0 if time < last else (time - last) // block.shift_ps + 1
            number += repetition * items.size
            time -= repetition * block.shift_ps

    def _delay(self, entry: tuple[_Items, Block] | None) -> int:
        """How much later than stored the last row of an item ends in its last repetition."""
        if entry is None:
            return 0
        items, block = entry
        return block.repeats * block.shift_ps + self._delay_within(items)

    def _delay_within(self, items: _Items) -> int:
        return self._delay(items.blocks[-1]) if items.blocks else 0

    def next_of_component(self, number: int, component: int) -> int | None:
        """Number of the first row from `number` on that belongs to a component."""
        if component not in self._positions_of:
            self._positions_of[component] = np.flatnonzero(self._component == component)
        return self._next(self._root, number, self._positions_of[component])

    def _next(self, items: _Items, number: int, positions: Integers) -> int | None:
        """The same within one period: numbers within it, positions of the component."""
        if number >= items.size:
            return None
        item = bisect_right(items.numbers, number) - 1
        base, entry = items.numbers[item], items.blocks[item]
        if entry is None:
            at = items.starts[item] + number - base
            place = int(np.searchsorted(positions, at))
            if place < len(positions) and positions[place] < items.starts[item + 1]:
                return base + int(positions[place]) - items.starts[item]
        else:
            inner, block = entry
            repetition, within = divmod(number - base, inner.size)
            found = self._next(inner, within, positions)
            if found is None and repetition < block.repeats:
                repetition += 1
                found = self._next(inner, 0, positions)
            if found is not None:
                return base + repetition * inner.size + found
        # the first of a later item, where it is stored first
        place = int(np.searchsorted(positions, items.starts[item + 1]))
        if place == len(positions) or positions[place] >= items.starts[-1]:
            return None
        later = int(np.searchsorted(items.starts_array, positions[place], side="right")) - 1
        return self._next(items, items.numbers[later], positions)

    def distinct(self, same: SameTemplates) -> tuple[Occurrences, Integers, Integers]:
        """Every stored row, again for every set of other templates, and how often it occurs.

        Parameters
        ----------
        same : SameTemplates

        Returns
        -------
        occurrences : Occurrences
            First occurrence of each.
        numbers : int64 array
            Their row numbers.
        counts : int64 array
        """
        pieces: list[tuple[Integers, int]] = []
        self._collect(self._root, 0, 1, {}, same, pieces)
        if not pieces:
            empty = np.empty(0, np.int64)
            return self.occurrences(empty), empty, empty
        numbers = np.concatenate([numbers for numbers, _ in pieces])
        counts = np.concatenate([np.full(len(part), count, np.int64) for part, count in pieces])
        return self.occurrences(numbers), numbers, counts

    def _collect(
        self,
        items: _Items,
        number: int,
        count: int,
        moved: dict[int, int],
        same: SameTemplates,
        pieces: list[tuple[Integers, int]],
    ) -> None:
        for item, entry in enumerate(items.blocks):
            base = number + items.numbers[item]
            if entry is None:
                size = items.numbers[item + 1] - items.numbers[item]
                pieces.append((np.arange(base, base + size, dtype=np.int64), count))
                continue
            inner, block = entry
            time = 0
            while time <= block.repeats:
                times = 1 + same(block, time, moved)
                further = moved_on(block, time, moved)
                at = base + time * inner.size
                self._collect(inner, at, count * times, further, same, pieces)
                time += times
