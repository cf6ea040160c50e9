"""A whole run by the rows that differ: each once, with the repetitions they take part in.

A timeline keeps a period that repeats once (`cosim.timeline.blocks`), and so does analysis: sums
over a run are sums over distinct rows weighted by how often each happens. Where a repetition does
the same with other templates (another layer), its rows are distinct again, so here repetitions
differ in time and task alone.

Rows are numbered by *position* here; `DistinctRows.number` is the number in the timeline of the
first time a row happens, and times are those of the first time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.analysis.task_table import Integers, TaskTable
from cosim.mapping.program import Program
from cosim.timeline.blocks import Block, moved_on
from cosim.timeline.loop_tree import LoopTrees
from cosim.timeline.repetition import times_of_same_templates
from cosim.timeline.rows import COLUMN_TYPES, Rows
from cosim.timeline.timeline import Timeline


@dataclass(frozen=True)
class Repetition:
    """Rows at positions `first` to `stop` that happen `repeats` more times.

    Each time is `shift_ps` later than the last, `shift_rows` rows and, by component, `task_shift`
    tasks further. `children` are the repetitions within, in order.
    """

    first: int
    stop: int
    repeats: int
    shift_ps: int
    shift_rows: int
    task_shift: tuple[int, ...] = ()
    children: tuple[Repetition, ...] = ()


class RepetitionTable:
    """All repetitions in columns, inner ones before those around them: `stop` never decreases.

    Attributes
    ----------
    items : list of Repetition
    first, stop, repeats, shift_ps, cut_ps, extra_rows : int64 array, shape (n,)
        `cut_ps` and `extra_rows` are the time and the rows of all times but the first.
    outer : int64 array, shape (n,)
        How often the repetition as a whole happens, by those around it.
    depth : list of int
    """

    def __init__(self, repetitions: Sequence[Repetition]) -> None:
        self.items: list[Repetition] = []
        self.depth: list[int] = []
        outer: list[int] = []
        self._add(repetitions, 1, 0, outer)
        self.outer = np.array(outer, np.int64)
        columns = np.array(
            [(i.first, i.stop, i.repeats, i.shift_ps, i.shift_rows) for i in self.items], np.int64
        ).reshape(-1, 5)
        self.first, self.stop, self.repeats, self.shift_ps, rows = columns.T
        self.cut_ps = self.repeats * self.shift_ps
        self.extra_rows = self.repeats * rows

    def _add(
        self, repetitions: Sequence[Repetition], times: int, depth: int, outer: list[int]
    ) -> None:
        for item in repetitions:
            self._add(item.children, times * (item.repeats + 1), depth + 1, outer)
            self.items.append(item)
            self.depth.append(depth)
            outer.append(times)

    def before(self, amount: Integers, size: int) -> Integers:
        """Sum of `amount`, one of the columns, over all that stop at or before each position.

        Positions from 0 to below `size`.
        """
        found = np.zeros(size + 1, np.int64)
        np.add.at(found, self.stop, amount)
        total: Integers = found[:-1].cumsum()
        return total


@dataclass(frozen=True)
class DistinctRows:
    """A whole run.

    Attributes
    ----------
    tasks : TaskTable
    stored : mapping of str to array
        Columns of the first time of each row, as a timeline stores them, in the order in which
        they ended.
    repetitions : tuple of Repetition
        The outermost ones, in order.
    total : int
        Number of rows of the run.
    """

    tasks: TaskTable
    stored: Mapping[str, NDArray[Any]]
    repetitions: tuple[Repetition, ...]
    total: int

    def __len__(self) -> int:
        return len(self.start)

    @property
    def start(self) -> Integers:
        """Picoseconds, of the first time of each row."""
        return self.stored["start"]

    @property
    def end(self) -> Integers:
        """Picoseconds, of the first time of each row."""
        return self.stored["end"]

    @property
    def cause(self) -> NDArray[np.int8]:
        """`cosim.timeline.causes.Cause` of the start of each row."""
        return self.stored["cause"]

    @property
    def back(self) -> Integers:
        """Number of rows back to the row's cause, 0 for none; the same every time."""
        return self.stored["cause_offset"]

    @cached_property
    def number(self) -> Integers:
        """Number of each row in the timeline."""
        number = np.arange(len(self), dtype=np.int64)
        if self.repetitions:
            number += self.table.before(self.table.extra_rows, len(self))
        return number

    @cached_property
    def rows(self) -> Rows:
        """The first time of each row."""
        cause_row = np.where(self.back > 0, self.number - self.back, -1)
        columns = {name: self.stored[name] for name in COLUMN_TYPES if name != "cause_row"}
        return Rows(**columns, cause_row=cause_row, number=self.number)

    @cached_property
    def table(self) -> RepetitionTable:
        return RepetitionTable(self.repetitions)

    @cached_property
    def count(self) -> Integers:
        """How often each row happens."""
        return occurrences(self.table if self.repetitions else None, len(self))

    @cached_property
    def first_count(self) -> Integers:
        """The same for the first row of every task, 0 for others."""
        if self.tasks.parts == 1:
            return self.count
        return np.where(self.part == 0, self.count, 0)

    @cached_property
    def durations(self) -> Integers:
        return self.end - self.start

    @cached_property
    def template(self) -> Integers:
        """Template of every row, as an index into columns of the task table."""
        return self.stored["template"].astype(np.int64)

    @cached_property
    def component(self) -> Integers:
        """Rank of the component of every row."""
        return self.stored["component"].astype(np.int64)

    @cached_property
    def entry(self) -> Integers:
        """Template and part of every row, as an index into flat tables over both."""
        parts = self.tasks.parts
        return self.template if parts == 1 else self.template * parts + self.part

    @cached_property
    def by_component(self) -> tuple[Integers, Integers]:
        """Positions of the rows component by component, in order; and their components."""
        order = self.stored["component"].argsort(kind="stable")
        return order, self.component[order]

    @cached_property
    def part(self) -> Integers:
        """Which MARK of its task every row is, shape (n_rows,): 0 for the first.

        A component finishes a task before it begins the next, and a period that repeats ends where
        it began. So in a stretch of a component's rows of tasks with `m` MARKs each, every `m`-th
        is a first one.
        """
        result = np.zeros(len(self), np.int64)
        if self.tasks.parts == 1 or not len(self):
            return result
        order, component = self.by_component
        marks = self.tasks.marks[self.template[order]]
        begins = (marks[1:] != marks[:-1]) | (component[1:] != component[:-1])
        place = np.arange(len(order))
        stretch = np.zeros(len(order), np.int64)
        stretch[1:] = np.where(begins, place[1:], 0)
        result[order] = (place - np.maximum.accumulate(stretch)) % marks
        return result

    @cached_property
    def end_ps(self) -> int:
        """End of the run's last row."""
        closing = self.table.cut_ps[self.table.stop == len(self)]
        return int(self.end.max() + closing.sum()) if len(self) else 0

    def expanded(self, chosen: Integers) -> Rows:
        """Every time of the rows at some positions, in order of time: as many as there are."""
        return expanded(self.rows, self.repetitions, chosen)


Source = Timeline | Rows | DistinctRows
"""What analysis starts from. `Rows` must be a whole timeline, numbered from 0 in order."""


def distinct_rows(program: Program, source: Source, tasks: TaskTable | None = None) -> DistinctRows:
    """The distinct rows of a whole timeline."""
    if isinstance(source, DistinctRows):
        return source
    tasks = tasks or TaskTable(program)
    if isinstance(source, Rows):
        return DistinctRows(tasks, _as_stored(source), (), len(source))
    if any(map(_has_other_templates, source.blocks)):
        return _Unroller(program, source).distinct(tasks)
    repetitions = tuple(map(_plain, source.blocks))
    return DistinctRows(tasks, source.stored, repetitions, len(source))


def _as_stored(rows: Rows) -> dict[str, NDArray[Any]]:
    stored = {name: getattr(rows, name) for name in COLUMN_TYPES if name != "cause_row"}
    stored["cause_offset"] = np.where(rows.cause_row >= 0, rows.number - rows.cause_row, 0)
    return stored


def occurrences(table: RepetitionTable | None, size: int) -> Integers:
    """How often each of `size` rows happens; once where there is no table of repetitions."""
    count = np.empty(size, np.int64)
    count.fill(1)
    for item in table.items if table is not None else ():
        count[item.first : item.stop] *= item.repeats + 1
    return count


def expanded(rows: Rows, repetitions: Sequence[Repetition], chosen: Integers) -> Rows:
    """Every time of the rows at positions `chosen` (increasing), in order of time."""
    which = _expand(rows, repetitions, chosen)
    made = rows.select(which[0])
    start, end, number, task = (
        column + shift
        for column, shift in zip(
            (made.start, made.end, made.number, made.task), (which[1], *which[1:]), strict=True
        )
    )
    cause_row = np.where(made.cause_row >= 0, number - made.number + made.cause_row, -1)
    return Rows(
        made.component, made.template, task, made.lane, start, end, made.cause, cause_row, number
    )


def _expand(rows: Rows, repetitions: Sequence[Repetition], chosen: Integers) -> Integers:
    """Columns of (position, time, number and task to add), shape (4, n)."""
    pieces: list[Integers] = []
    done = 0

    def alone(stop: int) -> None:
        if stop > done:
            piece = np.zeros((4, stop - done), np.int64)
            piece[0] = chosen[done:stop]
            pieces.append(piece)

    for item in repetitions:
        low, high = np.searchsorted(chosen, (item.first, item.stop)).tolist()
        if low == high:
            continue
        alone(low)
        once = _expand(rows, item.children, chosen[low:high])
        steps = np.empty((4, once.shape[1]), np.int64)
        steps[0], steps[1], steps[2] = 0, item.shift_ps, item.shift_rows
        steps[3] = np.array(item.task_shift, np.int64)[rows.component[once[0]]]
        times = np.arange(item.repeats + 1)[:, None]
        every = once[:, None, :] + times * steps[:, None, :]
        pieces.append(every.reshape(4, -1))
        done = high
    alone(len(chosen))
    return np.concatenate(pieces, axis=1) if pieces else np.empty((4, 0), np.int64)


def _has_other_templates(block: Block) -> bool:
    return block.other_templates or any(map(_has_other_templates, block.children))


def _plain(block: Block) -> Repetition:
    children = tuple(_plain(child) for child in block.children)
    rows = block.stop - block.first
    rows += sum((c.repeats + 1) * c.shift_rows - (c.stop - c.first) for c in children)
    return Repetition(
        block.first, block.stop, block.repeats, block.shift_ps, rows, block.task_shift, children
    )


class _Unroller:
    """Makes rows distinct again where a repetition uses other templates.

    Neighbouring times with the same templates stay one.
    """

    def __init__(self, program: Program, timeline: Timeline) -> None:
        trees = LoopTrees()
        self._streams = [trees.sequence(tuple(c.stream)) for c in program.components]
        self._timeline = timeline
        self._numbers: list[Integers] = []
        self._size = 0

    def distinct(self, tasks: TaskTable) -> DistinctRows:
        timeline = self._timeline
        stop = len(timeline.stored["end"])
        repetitions, _ = self._period(0, stop, timeline.blocks, 0, {})
        stored = _as_stored(timeline.take(np.concatenate(self._numbers)))
        return DistinctRows(tasks, stored, repetitions, len(timeline))

    def _period(
        self, first: int, stop: int, blocks: Sequence[Block], number: int, moved: dict[int, int]
    ) -> tuple[tuple[Repetition, ...], int]:
        """Add the rows of one period; also the number after its last row.

        `moved` is by how many tasks each component is further than when it was stored.
        """
        made: list[Repetition] = []
        for block in blocks:
            number = self._single(first, block.first, number)
            number = self._block(block, number, moved, made)
            first = block.stop
        return tuple(made), self._single(first, stop, number)

    def _single(self, first: int, stop: int, number: int) -> int:
        if stop > first:
            self._numbers.append(np.arange(number, number + stop - first, dtype=np.int64))
            self._size += stop - first
        return number + stop - first

    def _block(
        self, block: Block, number: int, moved: dict[int, int], made: list[Repetition]
    ) -> int:
        time = 0
        while time <= block.repeats:
            same = times_of_same_templates(self._streams, self._timeline.stored, block, time, moved)
            here = moved_on(block, time, moved)
            first = self._size
            children, after = self._period(block.first, block.stop, block.children, number, here)
            if same:
                made.append(
                    Repetition(
                        first, self._size, same, block.shift_ps, after - number,
                        block.task_shift, children,
                    )
                )  # fmt: skip
            else:
                made.extend(children)
            number += (after - number) * (same + 1)
            time += same + 1
        return number
