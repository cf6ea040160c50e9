"""Loop trees of streams: which task stands where, without expanding them.

A tree is a tuple of nodes, each a template id or a pair (count, nodes). Equal subtrees share one
`Sequence`, so that comparing two of them is comparing two numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Stream = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Sequence:
    """A sequence of nodes: a stream, or the body of a loop.

    Attributes
    ----------
    templates : tuple of int
        Template of every node that is a task, -1 for loops.
    counts : tuple of int
        Repetitions of every node, 1 for tasks.
    bodies : tuple of Sequence or None
        Body of every loop.
    starts : tuple of int
        Tasks before every node, and the total at the end.
    kinds : tuple of int
        Equal for equal nodes, by the `LoopTrees` that made the sequence.
    kind : int
        Equal for equal sequences.
    """

    templates: tuple[int, ...]
    counts: tuple[int, ...]
    bodies: tuple[Sequence | None, ...]
    starts: tuple[int, ...]
    kinds: tuple[int, ...]
    kind: int

    @property
    def size(self) -> int:
        """Number of tasks."""
        return self.starts[-1]


class LoopTrees:
    """Makes sequences out of streams and numbers their kinds.

    Parameters
    ----------
    template_kinds : sequence of int, optional
        Templates of equal kind count as equal; by default only identical ones do.
    """

    def __init__(self, template_kinds: list[int] | None = None) -> None:
        self._template_kinds = template_kinds
        self._numbers: dict[Hashable, int] = {}

    def sequence(self, stream: Stream) -> Sequence:
        """The sequence of a stream; loops that repeat nothing are left out."""
        templates: list[int] = []
        counts: list[int] = []
        bodies: list[Sequence | None] = []
        starts = [0]
        kinds: list[int] = []
        for node in stream:
            if isinstance(node, int):
                count, body, size = 1, None, 1
                known = self._template_kinds
                kind = self._number(("task", node if known is None else known[node]))
            else:
                count, body = node[0], self.sequence(node[1])
                size = body.size
                if count <= 0 or size == 0:
                    continue
                kind = self._number(("loop", count, body.kind))
            templates.append(node if body is None else -1)
            counts.append(count)
            bodies.append(body)
            starts.append(starts[-1] + count * size)
            kinds.append(kind)
        return Sequence(
            tuple(templates),
            tuple(counts),
            tuple(bodies),
            tuple(starts),
            tuple(kinds),
            self._number(("sequence", *kinds)),
        )

    def _number(self, content: Hashable) -> int:
        return self._numbers.setdefault(content, len(self._numbers))


def merge_loops(stream: Stream) -> Stream:
    """The same tasks with fewer loops: a loop that is all there is in a loop becomes one with it.

    Loops that repeat nothing are left out, and those that repeat once are opened.
    """
    merged: list[Any] = []
    for node in stream:
        if isinstance(node, int):
            merged.append(node)
            continue
        count, body = node[0], merge_loops(node[1])
        if count <= 0 or not body:
            continue
        if len(body) == 1 and not isinstance(body[0], int):
            count, body = count * body[0][0], body[0][1]
        if count == 1:
            merged.extend(body)
        else:
            merged.append((count, body))
    return tuple(merged)


@dataclass(frozen=True)
class Place:
    """A node within a sequence, and the iteration in which one is there."""

    sequence: Sequence
    node: int
    iteration: int


def locate(sequence: Sequence, task: int) -> list[Place]:
    """The way from the root to a task, the outermost node first.

    Parameters
    ----------
    task : int
        Ordinal, from 0 to ``sequence.size - 1``.
    """
    way = []
    body: Sequence | None = sequence
    while body is not None:
        node = bisect_right(body.starts, task) - 1
        task -= body.starts[node]
        inner = body.bodies[node]
        iteration = 0
        if inner is not None:
            iteration, task = divmod(task, inner.size)
        way.append(Place(body, node, iteration))
        body = inner
    return way


def templates_at(sequence: Sequence, tasks: NDArray[np.int64]) -> NDArray[np.int32]:
    """Template of every task.

    Parameters
    ----------
    tasks : int64 array, shape (n,)
        Ordinals, each from 0 to ``sequence.size - 1``.

    Returns
    -------
    templates : int32 array, shape (n,)
    """
    nodes = np.searchsorted(np.asarray(sequence.starts, np.int64), tasks, side="right") - 1
    result = np.asarray(sequence.templates, np.int32)[nodes]
    for node in np.unique(nodes[result < 0]).tolist():
        body = sequence.bodies[node]
        assert body is not None
        inside = nodes == node
        result[inside] = templates_at(body, (tasks[inside] - sequence.starts[node]) % body.size)
    return result
