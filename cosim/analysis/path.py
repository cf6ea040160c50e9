"""The critical path of a run that repeats, walked over whole repetitions at once.

The walk goes from the last row back from cause to cause. In a repeated period the next step depends
on the row alone, not on how often the period has happened: once the walk comes to a row that it has
been at some repetitions later, it will do the same again, as often as repetitions are left. So it
takes them all in one step, and the path too is stored as rows and repetitions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from cosim.analysis.critical_path import last_row
from cosim.analysis.distinct_rows import (
    DistinctRows,
    Repetition,
    RepetitionTable,
    expanded,
    occurrences,
)
from cosim.analysis.task_table import Integers
from cosim.timeline.rows import Rows


class _Moved(NamedTuple):
    """A stretch of a path, in order of time, that lies `times` after the first time of `item`."""

    first: int
    stop: int
    item: Repetition
    times: int


@dataclass(frozen=True)
class Path:
    """The chain of intervals that holds the latency, in order of time.

    The latest time of whatever repeats is stored apart from the earlier ones: what a row of the
    path means can depend on the next one, and of the last time that is another.

    Attributes
    ----------
    run : DistinctRows
    position : int64 array, shape (n_rows,)
        Where each of its rows is among the distinct rows.
    repetitions : tuple of Repetition
    moved : list of (first, stop, item, times)
        Rows of the path that are not the first times of distinct rows.
    """

    run: DistinctRows
    position: Integers
    repetitions: tuple[Repetition, ...]
    moved: list[_Moved]

    def __len__(self) -> int:
        """Number of rows, all times counted."""
        return int(self.count.sum())

    @cached_property
    def table(self) -> RepetitionTable:
        return RepetitionTable(self.repetitions)

    @cached_property
    def count(self) -> Integers:
        """How often each row happens."""
        return occurrences(self.table, len(self.position))

    @cached_property
    def start(self) -> Integers:
        """When each row starts the first time, in picoseconds."""
        start = self.run.start[self.position]
        return start + self._later if self.moved else start

    @cached_property
    def end(self) -> Integers:
        """When each row ends the first time, in picoseconds."""
        end = self.run.end[self.position]
        return end + self._later if self.moved else end

    @cached_property
    def _later(self) -> Integers:
        """How much later than the distinct row each row is."""
        return self._sums([move.times * move.item.shift_ps for move in self.moved])

    def _sums(self, amounts: list[int]) -> Integers:
        """What stretches that are moved by some amounts move each row by, all together."""
        changes = np.zeros(len(self.position) + 1, np.int64)
        np.add.at(changes, [move.first for move in self.moved], amounts)
        np.subtract.at(changes, [move.stop for move in self.moved], amounts)
        sums: Integers = changes.cumsum()[:-1]
        return sums

    @cached_property
    def rows(self) -> Rows:
        """First times of its rows, with their numbers in the timeline."""
        rows, back = self.run.rows.select(self.position), self.run.back[self.position]
        if self.moved:
            rows.start[:], rows.end[:] = self.start, self.end
            rows.number[:] += self._sums([m.times * m.item.shift_rows for m in self.moved])
            for rank in range(len(self.moved[0].item.task_shift)):
                mine = rows.component == rank
                further = self._sums([m.times * m.item.task_shift[rank] for m in self.moved])
                rows.task[mine] += further[mine]
        rows.cause_row[:] = np.where(back > 0, rows.number - back, -1)
        return rows

    def expanded(self, chosen: Integers | None = None) -> Rows:
        """Every time of its rows, or of those at some positions, in order of time."""
        which = np.arange(len(self.position)) if chosen is None else chosen
        return expanded(self.rows, self.repetitions, which)


def path_of(run: DistinctRows) -> Path:
    """The critical path of a run.

    Raises
    ------
    ValueError
        If a row starts at another instant than its cause ends: the timeline is damaged.
    """
    last = last_row(run.tasks.program, run.component)
    if last < 0:
        return Path(run, np.empty(0, np.int64), (), [])
    path = _Writer().path(run, _Walk(run).whole(last))
    _check(path)
    return path


def _check(path: Path) -> None:
    end = path.end
    if path.repetitions:
        end = end.copy()
        np.add.at(end, path.table.stop - 1, path.table.cut_ps)
    if path.start[0] != 0 or np.count_nonzero(path.start[1:] != end[:-1]):
        raise ValueError("a row of the timeline does not start where its cause ends")


# Pieces of a path, each from its last row to its first


@dataclass(frozen=True)
class _Visit:
    """One time of a period, `times` after its first."""

    item: Repetition
    times: int
    pieces: list[_Piece]


@dataclass(frozen=True)
class _Loop:
    """`cycles` times some visits, each `back` times of the period before the last."""

    item: Repetition
    visits: list[_Visit]
    cycles: int
    back: int


_Piece = list[int] | _Visit | _Loop
"""Positions of rows, or what is in a repetition."""


@dataclass
class _Node:
    """One period: stretches of single rows and repetitions, by the number of rows before each."""

    size: int
    numbers: list[int]
    starts: list[int]
    items: list[tuple[_Node, Repetition] | None]


def _node(first: int, stop: int, repetitions: Sequence[Repetition]) -> _Node:
    node = _Node(0, [], [], [])

    def add(start: int, rows: int, item: tuple[_Node, Repetition] | None) -> None:
        node.numbers.append(node.size)
        node.starts.append(start)
        node.items.append(item)
        node.size += rows

    for item in repetitions:
        if item.first > first:
            add(first, item.first - first, None)
        inner = _node(item.first, item.stop, item.children)
        add(item.first, (item.repeats + 1) * inner.size, (inner, item))
        first = item.stop
    if stop > first:
        add(first, stop - first, None)
    return node


_BEGIN = -(1 << 62)
"""Where a walk has come to that has arrived at the begin of the run."""


class _Walk:
    """Walks back from cause to cause. Numbers count rows from the begin of a period."""

    def __init__(self, run: DistinctRows) -> None:
        self._run = run
        before = np.arange(len(run)) - run.back
        before[run.back <= 0] = _BEGIN
        self._before = memoryview(
            before.data
        )  # hands out Python integers, and only those asked for
        self._known: dict[tuple[int, int], tuple[list[_Piece], int]] = {}

    def whole(self, last: int) -> list[_Piece]:
        """The walk from the last time of a distinct row."""
        run, number = self._run, last
        if run.repetitions:  # all times of those before it and around it
            number += int(run.table.extra_rows[run.table.first <= last].sum())
        pieces, end = self._period(_node(0, len(run), run.repetitions), number)
        if end != _BEGIN:
            raise ValueError("the causes of the timeline do not lead to its begin")
        return pieces

    def _period(self, node: _Node, number: int) -> tuple[list[_Piece], int]:
        """The walk through one period; also where it arrives before it, a negative number."""
        pieces: list[_Piece] = []
        while number >= 0:
            place = bisect_right(node.numbers, number) - 1
            base, item = node.numbers[place], node.items[place]
            if item is None:
                positions, steps = self._stretch(node.starts[place], number - base)
                pieces.append(positions)
            else:
                steps = self._repetition(*item, number - base, pieces)
            if steps == _BEGIN:
                return pieces, _BEGIN
            number = base + steps
        return pieces, number

    def _stretch(self, first: int, number: int) -> tuple[list[int], int]:
        """The walk through single rows; also where it arrives."""
        before = self._before
        positions = []
        position = first + number
        while position >= first:
            positions.append(position)
            position = before[position]
        return positions, _BEGIN if position == _BEGIN else position - first

    def _repetition(self, node: _Node, item: Repetition, number: int, pieces: list[_Piece]) -> int:
        """The walk through all times of a period; returns where it arrives before them."""
        seen: dict[int, int] = {}
        visits: list[_Visit] = []
        while number >= 0:
            times, within = divmod(number, node.size)
            before = seen.get(within)
            if before is not None:
                cycle = visits[before:]
                back = cycle[0].times - times
                cycles = times // back
                if cycles:
                    pieces.append(_Loop(item, cycle, cycles, back))
                    number -= cycles * back * node.size
                seen, visits = {}, []
                if cycles:
                    continue
            key = (id(item), within)
            if key not in self._known:
                self._known[key] = self._period(node, within)
            inside, end = self._known[key]
            visit = _Visit(item, times, inside)
            seen[within] = len(visits)
            visits.append(visit)
            pieces.append(visit)
            if end == _BEGIN:
                return _BEGIN
            number = times * node.size + end
        return number


@dataclass
class _Written:
    """A loop among the positions written so far, which are in reverse."""

    first: int
    stop: int
    loop: _Loop
    within: list[_Written]

    def repetition(self, size: int) -> Repetition:
        """The same in order of time, where the path has `size` rows."""
        item, back = self.loop.item, self.loop.back
        return Repetition(
            size - self.stop,
            size - self.first,
            self.loop.cycles - 1,
            back * item.shift_ps,
            back * item.shift_rows,
            tuple(back * shift for shift in item.task_shift),
            tuple(within.repetition(size) for within in reversed(self.within)),
        )


class _Writer:
    """Turns pieces into rows and repetitions."""

    def __init__(self) -> None:
        self._positions: list[int] = []
        self._moved: list[_Moved] = []  # as they are written, in reverse

    def path(self, run: DistinctRows, pieces: list[_Piece]) -> Path:
        """The path."""
        loops: list[_Written] = []
        self._write(pieces, loops)
        size = len(self._positions)
        return Path(
            run,
            np.fromiter(reversed(self._positions), np.int64, size),
            tuple(loop.repetition(size) for loop in reversed(loops)),
            [_Moved(size - m.stop, size - m.first, m.item, m.times) for m in self._moved],
        )

    def _write(self, pieces: list[_Piece], loops: list[_Written]) -> None:
        for piece in pieces:
            if isinstance(piece, list):
                self._positions += piece
            elif isinstance(piece, _Visit):
                self._visit(piece, piece.times, loops)
            else:
                self._loop(piece, loops)

    def _visit(self, visit: _Visit, times: int, loops: list[_Written]) -> None:
        first = len(self._positions)
        self._write(visit.pieces, loops)
        if times:
            self._moved.append(_Moved(first, len(self._positions), visit.item, times))

    def _loop(self, loop: _Loop, loops: list[_Written]) -> None:
        first = len(self._positions)
        within: list[_Written] = []
        for visit in loop.visits:
            self._visit(visit, visit.times - loop.cycles * loop.back, within)
        if loop.cycles > 1:
            loops.append(_Written(first, len(self._positions), loop, within))
        else:
            loops += within
