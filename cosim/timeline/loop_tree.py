"""Loop trees of streams: which task stands where, without expanding them.

A tree is a tuple of nodes, each a template id or a pair (count, nodes). Equal subtrees share one
`Sequence`, so that comparing two of them is comparing two numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Stream = tuple[Any, ...]


class Sequence:
    """A sequence of nodes: a stream, or the body of a loop.

    Attributes
    ----------
    templates : list of int
        Template of every node that is a task, -1 for loops.
    counts : list of int
        Repetitions of every node, 1 for tasks.
    bodies : list of Sequence or None
        Body of every loop.
    starts : list of int
        Tasks before every node, and the total at the end.
    size : int
        Number of tasks.
    kinds : list of int
        Equal for equal nodes, by the `LoopTrees` that made the sequence.
    kind : int
        Equal for equal sequences.
    """

    __slots__ = ("bodies", "counts", "kind", "kinds", "size", "starts", "templates")

    def __init__(self) -> None:
        self.templates: list[int] = []
        self.counts: list[int] = []
        self.bodies: list[Sequence | None] = []
        self.starts: list[int] = [0]
        self.kinds: list[int] = []
        self.size = 0
        self.kind = -1


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
        made = Sequence()
        known, numbers = self._template_kinds, self._numbers
        for node in stream:
            content: Hashable
            if isinstance(node, int):
                count, size, body = 1, 1, None
                content = node if known is None else known[node]
            else:
                count, body = node[0], self.sequence(node[1])
                size = count * body.size
                if size <= 0:
                    continue
                content = (count, body.kind)
            made.templates.append(node if body is None else -1)
            made.counts.append(count)
            made.bodies.append(body)
            made.kinds.append(numbers.setdefault(content, len(numbers)))
            made.size += size
            made.starts.append(made.size)
        made.kind = numbers.setdefault(("sequence", *made.kinds), len(numbers))
        return made

    def renumbered(self, sequence: Sequence) -> Sequence:
        """A sequence of other trees with the kinds of these."""
        made, numbers = Sequence(), self._numbers
        made.templates, made.counts = sequence.templates, sequence.counts
        made.starts, made.size = sequence.starts, sequence.size
        known = self._template_kinds
        for template, count, body in zip(
            sequence.templates, sequence.counts, sequence.bodies, strict=True
        ):
            content: Hashable
            inner = None
            if body is None:
                content = template if known is None else known[template]
            else:
                inner = self.renumbered(body)
                content = (count, inner.kind)
            made.bodies.append(inner)
            made.kinds.append(numbers.setdefault(content, len(numbers)))
        made.kind = numbers.setdefault(("sequence", *made.kinds), len(numbers))
        return made


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


class Place(NamedTuple):
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
