"""What happened in a run: intervals with their causes, in columns.

Readers ask a `Timeline` for the rows of a window, for single rows, for totals, or for all distinct
rows with the number of times each occurs. None of them needs to know how rows are stored: a period
that repeats is stored once (`cosim.timeline.blocks`), so a timeline of a billion intervals fits in
megabytes, and asking for all of its rows is the one thing not to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.block_table import BLOCK_ARRAYS, blocks_from_arrays, blocks_to_arrays
from cosim.timeline.blocks import Block, BlockIndex, Occurrences
from cosim.timeline.governor_log import GovernorLog
from cosim.timeline.loop_tree import LoopTrees, templates_at
from cosim.timeline.loop_tree import Sequence as TaskSequence
from cosim.timeline.outline import Outline
from cosim.timeline.repetition import times_of_same_templates
from cosim.timeline.rows import COLUMN_TYPES, Rows

STORED_TYPES = {
    "cause_offset" if name == "cause_row" else name: kind for name, kind in COLUMN_TYPES.items()
}
"""Type of every stored column. A cause is stored as the number of rows back to it, 0 for none:
that is the same in every repetition."""


class Timeline:
    """Intervals of one run.

    Parameters
    ----------
    outline : Outline, or a function that makes one when it is first needed
        Names and loop trees of the program.
    stored : dict of str to array
        The columns of `STORED_TYPES`, each of shape (n_stored,), in the order of `end`.
    blocks : sequence of Block
        Which stored rows repeat; the outermost blocks, in order.
    governor : GovernorLog, optional
        What a power governor saw and did.
    """

    def __init__(
        self,
        outline: Outline | Callable[[], Outline],
        stored: dict[str, NDArray[Any]],
        blocks: Sequence[Block] = (),
        governor: GovernorLog | None = None,
    ) -> None:
        self.governor = governor
        self._outline = outline
        self.stored = stored
        self._index = BlockIndex(stored["component"], stored["end"], blocks)

    @staticmethod
    def from_table(
        outline: Outline | Callable[[], Outline],
        table: NDArray[np.int64],
        blocks: Sequence[Block] = (),
        governor: GovernorLog | None = None,
    ) -> Timeline:
        """A timeline from an int64 table of shape (n_stored, 8), columns as in `STORED_TYPES`."""
        stored = {
            name: np.ascontiguousarray(table[:, place], dtype=kind)
            for place, (name, kind) in enumerate(STORED_TYPES.items())
        }
        return Timeline(outline, stored, blocks, governor)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that `from_arrays` makes the same timeline of; what a run folder stores."""
        return {**self.stored, **blocks_to_arrays(self.blocks, len(self.outline.components))}

    @staticmethod
    def from_arrays(outline: Outline, arrays: dict[str, NDArray[Any]]) -> Timeline:
        """A timeline from the arrays of `to_arrays`.

        Raises
        ------
        KeyError, ValueError
            If an array is missing, has another type or length than it must, or contradicts others.
        """
        for name, kind in {**STORED_TYPES, **BLOCK_ARRAYS}.items():
            if arrays[name].dtype != np.dtype(kind):
                raise ValueError(f"column '{name}' is {arrays[name].dtype}, expected {kind}")
        stored = {name: arrays[name] for name in STORED_TYPES}
        if len({len(column) for column in stored.values()}) > 1:
            raise ValueError("columns of different lengths")
        return Timeline(outline, stored, blocks_from_arrays(arrays, len(stored["end"])))

    @cached_property
    def outline(self) -> Outline:
        """Names and loop trees of the program."""
        return self._outline if isinstance(self._outline, Outline) else self._outline()

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Which stored rows repeat; the outermost blocks, in order."""
        return self._index.blocks

    def __len__(self) -> int:
        return len(self._index)

    @property
    def end_ps(self) -> int:
        """End of the last interval; the makespan if no background component outlived it."""
        return int(self.take(np.array([len(self) - 1])).end[0]) if len(self) else 0

    def rows(self, start_ps: int | None = None, end_ps: int | None = None) -> Rows:
        """Rows that overlap the window [start_ps, end_ps), all of them by default."""
        return Rows.join([*self.pieces(max(1, len(self)), start_ps, end_ps)] or [Rows.empty()])

    def pieces(
        self, size: int, start_ps: int | None = None, end_ps: int | None = None
    ) -> Iterator[Rows]:
        """The rows of a window, at most `size` at a time."""
        first, stop = self.span(start_ps, end_ps)
        for number in range(first, stop, size):
            yield self.take(np.arange(number, min(number + size, stop), dtype=np.int64))
        if end_ps is not None:
            # a component's intervals do not overlap: of those that end later, only its first may
            # have begun in the window
            later = {self._index.next_of_component(stop, rank) for rank in self._components}
            numbers = sorted(number for number in later if number is not None)
            rows = self.take(np.array(numbers, np.int64))
            yield rows.select(rows.start < end_ps)

    def span(self, start_ps: int | None = None, end_ps: int | None = None) -> tuple[int, int]:
        """Numbers of the rows that end after `start_ps` and before `end_ps`, as [first, stop)."""
        first = 0 if start_ps is None else self._index.first_ending_after(start_ps)
        stop = len(self) if end_ps is None else self._index.first_ending_after(end_ps - 1)
        return first, max(first, stop)

    def windows(
        self, size: int, start_ps: int | None = None, end_ps: int | None = None
    ) -> Iterator[tuple[int, int]]:
        """Cut a window into windows [begin, end), in each of which about `size` rows end."""
        first, stop = self.span(start_ps, end_ps)
        begin = 0 if start_ps is None else start_ps
        for number in range(first + size, stop, size):
            end = int(self.take(np.array([number])).end[0])
            if end > begin:
                yield begin, end
                begin = end
        yield begin, self.end_ps + 1 if end_ps is None else end_ps

    def take(self, numbers: NDArray[np.int64]) -> Rows:
        """The rows of these numbers, in this order."""
        numbers = np.asarray(numbers, np.int64)
        return self._make(self._index.occurrences(numbers), numbers)

    def distinct(self) -> tuple[Rows, NDArray[np.int64]]:
        """Rows that differ in more than time and task, and how often each occurs.

        Sums over a whole run are sums over these rows, weighted::

            rows, count = timeline.distinct()
            busy = np.bincount(rows.component, weights=rows.duration * count)

        Returns
        -------
        rows : Rows
            Of several occurrences, the first.
        count : int64 array, shape (n_distinct,)
        """
        occurrences, numbers, counts = self._index.distinct(
            lambda block, time, moved: times_of_same_templates(
                self._streams, self.stored, block, time, moved
            )
        )
        return self._make(occurrences, numbers), counts

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

    def _make(self, which: Occurrences, numbers: NDArray[np.int64]) -> Rows:
        at = which.position
        offset = self.stored["cause_offset"][at]
        rows = Rows(
            component=self.stored["component"][at],
            template=self.stored["template"][at],
            task=self.stored["task"][at] + which.task_shift,
            lane=self.stored["lane"][at],
            start=self.stored["start"][at] + which.time_shift,
            end=self.stored["end"][at] + which.time_shift,
            cause=self.stored["cause"][at],
            cause_row=np.where(offset > 0, numbers - offset, -1),
            number=numbers,
        )
        if which.other_template.any():
            for rank in np.unique(rows.component[which.other_template]).tolist():
                chosen = which.other_template & (rows.component == rank)
                rows.template[chosen] = templates_at(self._streams[rank], rows.task[chosen])
        return rows

    @cached_property
    def _components(self) -> list[int]:
        components: list[int] = np.unique(self.stored["component"]).tolist()
        return components

    @cached_property
    def _streams(self) -> list[TaskSequence]:
        trees = LoopTrees()
        return [trees.sequence(stream) for stream in self.outline.streams]
