"""Streams of components: loops of templates, and the same as rows of an array.

The rows of a stream are its tasks, and where loops begin and end.

Mapping lays down hundreds of short streams that it has drafted before, and executors take a stream
as rows anyway: so it stays rows from the draft to the executor, and becomes nodes (`program.Loop`)
for those who walk it. Rows do not know where they lie, so that parts of streams are put behind one
another without a look at them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.loop_tree import merge_loops


class Loop(NamedTuple):
    """`count` repetitions of `body`, a sequence of template ids and loops."""

    count: int  # type: ignore[assignment]  # instead of what tuples have by that name
    body: tuple[Node, ...]


Node = int | Loop

Integers = NDArray[np.int64]


class Row(IntEnum):
    """What a row is."""

    TASK = 0
    BEGIN = 1
    END = 2


KIND, VALUE, BACK, TIMES = range(4)
"""Columns of a row: what it is; the template of a task, or how often a loop repeats; of its end,
the rows back to its beginning; how often a task happens in all, 0 for rows that are none."""


def rows_of(nodes: Sequence[Node]) -> Integers:
    """Rows of some nodes, shape (4, n_rows); loops as `merge_loops` leaves them."""
    return on_lanes([(0, merge_loops(tuple(nodes)))])[1:]


def on_lanes(lanes: Iterable[tuple[int, Sequence[Node]]]) -> Integers:
    """Rows of what components do behind their ranks, shape (5, n_rows).

    Loops of nothing else than a loop, or that repeat nothing or once, are not to be among the
    nodes, see `merge_loops`.
    """
    rows: list[tuple[int, ...]] = []
    ranks: list[int] = []
    for rank, nodes in lanes:
        _enter(nodes, 1, rows)
        ranks += [rank] * (len(rows) - len(ranks))
    table = np.empty((5, len(rows)), np.int64)
    flat = np.fromiter(chain.from_iterable(rows), np.int64, 4 * len(rows))
    table[0], table[1:] = ranks, flat.reshape(-1, 4).T
    return table


_TASK, _BEGIN, _END = (int(kind) for kind in Row)


def _enter(nodes: Sequence[Any], times: int, rows: list[tuple[int, ...]]) -> None:
    for node in nodes:
        if isinstance(node, int):
            rows.append((_TASK, node, 0, times))
        else:
            begin = len(rows)
            rows.append((_BEGIN, node[0], 0, 0))
            _enter(node[1], times * node[0], rows)
            rows.append((_END, 0, len(rows) - begin, 0))


class TaskStream(Sequence[Node]):
    """The stream of one component; a sequence of nodes, equal to any sequence of the same.

    Parameters
    ----------
    rows : int64 array, shape (4, n_rows)
        See `KIND`.
    """

    def __init__(self, rows: Integers) -> None:
        self.rows = rows

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The same as nodes."""
        nodes: list[Node] = []
        outer: list[list[Node]] = []
        counts: list[int] = []
        for kind, value in zip(*self.rows[:2].tolist(), strict=True):
            if kind == Row.TASK:
                nodes.append(value)
            elif kind == Row.BEGIN:
                outer.append(nodes)
                counts.append(value)
                nodes = []
            else:
                body, nodes = tuple(nodes), outer.pop()
                nodes.append(Loop(counts.pop(), body))
        return tuple(nodes)

    @cached_property
    def counts(self) -> dict[int, int]:
        """How often each template occurs."""
        tasks = self.rows[:, self.rows[KIND] == Row.TASK]
        if not tasks.shape[1]:
            return {}
        templates, place = np.unique(tasks[VALUE], return_inverse=True)
        times = np.zeros(len(templates), np.int64)
        np.add.at(times, place, tasks[TIMES])
        return dict(zip(templates.tolist(), times.tolist(), strict=True))

    @cached_property
    def templates(self) -> Integers:
        """Of every task that is written down, loops not repeated."""
        written: Integers = self.rows[VALUE][self.rows[KIND] == Row.TASK]
        return written

    @cached_property
    def tasks(self) -> int:
        """Number of tasks."""
        return int(self.rows[TIMES].sum())

    def __len__(self) -> int:
        return len(self.nodes)

    @overload
    def __getitem__(self, index: int) -> Node: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Node]: ...
    def __getitem__(self, index: int | slice) -> Node | Sequence[Node]:
        return self.nodes[index]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return self is other or self.nodes == tuple(other)

    def __hash__(self) -> int:
        return hash(self.nodes)


def as_rows(stream: Sequence[Node]) -> TaskStream:
    """A stream as rows."""
    return stream if isinstance(stream, TaskStream) else TaskStream(rows_of(stream))


def count_tasks(stream: Sequence[Node]) -> int:
    """Number of tasks in a stream, without expanding it."""
    if isinstance(stream, TaskStream):
        return stream.tasks
    total = 0
    for node in stream:
        total += node.count * count_tasks(node.body) if isinstance(node, Loop) else 1
    return total


def expand(stream: Sequence[Node]) -> Iterator[int]:
    """Template ids of a stream, one a task, in order."""
    for node in stream:
        if isinstance(node, Loop):
            for _ in range(node.count):
                yield from expand(node.body)
        else:
            yield node


def template_counts(stream: Sequence[Node]) -> dict[int, int]:
    """How often each template occurs in a stream, without expanding it."""
    if isinstance(stream, TaskStream):
        return stream.counts
    counts: dict[int, int] = {}
    _add_counts(stream, 1, counts)
    return counts


def _add_counts(stream: Sequence[Node], times: int, counts: dict[int, int]) -> None:
    for node in stream:
        if isinstance(node, Loop):
            _add_counts(node.body, times * node.count, counts)
        else:
            counts[node] = counts.get(node, 0) + times
