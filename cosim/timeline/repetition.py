"""How long the coming tasks of a stream repeat those before, from its loop tree.

Asking how far ``task j`` equals ``task j - lag`` is asking how long two places in the tree go on
alike. Both are walked at once, and whatever is equal (a subtree, the rest of a loop's iterations)
is passed in one step, so the answer takes time that grows with the depth of the tree and not with
the number of tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.blocks import Block
from cosim.timeline.loop_tree import Sequence, locate

MAX_STEPS, MAX_SINGLE_STEPS = 400, 32
MAX_STEPS_OF_LAYERS = 4000
"""Comparisons of nodes, and of single tasks beyond those of the bodies that one is in, after which
the answer is what is known so far: always a valid, smaller one. Where whole layers are compared,
more are worth it."""


class _Walker:
    """A place in a loop tree, just before a node or before an iteration of a loop."""

    __slots__ = ("iteration", "node", "sequence", "stack")

    def __init__(self, root: Sequence, task: int) -> None:
        way = locate(root, task)
        last = way.pop()
        self.stack = [(place.sequence, place.node, place.iteration) for place in way]
        self.sequence, self.node, self.iteration = last.sequence, last.node, 0

    def at_end(self) -> bool:
        """Whether the whole stream has been walked; leaves finished bodies on the way."""
        while self.node == len(self.sequence.kinds):
            if not self.stack:
                return True
            self.sequence, self.node, iteration = self.stack.pop()
            self.iteration = iteration
            self.pass_iterations(1)
        return False

    def nodes_around(self) -> int:
        """Nodes of all the bodies that one is in."""
        return len(self.sequence.kinds) + sum(len(frame[0].kinds) for frame in self.stack[1:])

    def body(self) -> Sequence | None:
        """Body of the loop ahead, None before a task."""
        return self.sequence.bodies[self.node]

    def iterations_left(self) -> int:
        """Iterations of the loop ahead that are still to come."""
        return self.sequence.counts[self.node] - self.iteration

    def pass_iterations(self, count: int) -> None:
        """Go past some iterations of the loop ahead, or past a task."""
        self.iteration += count
        if self.iteration == self.sequence.counts[self.node]:
            self.node += 1
            self.iteration = 0

    def enter(self, body: Sequence) -> None:
        """Go into the next iteration of the loop ahead."""
        self.stack.append((self.sequence, self.node, self.iteration))
        self.sequence, self.node, self.iteration = body, 0, 0


def repeats(root: Sequence, task: int, lag: int, enough: int, layers: bool = False) -> int:
    """Number of tasks from `task` on that equal the task `lag` before them, one after the other.

    Parameters
    ----------
    root : Sequence
        The stream; its kinds say what is equal.
    task : int
        At least `lag`; ``root.size`` stands for the end of the stream, which equals nothing.
    lag : int
        Positive.
    enough : int
        A number of tasks beyond which the answer does not matter.
    layers : bool
        Whether whole layers are compared.

    Returns
    -------
    int
        A count that certainly repeats.
    """
    if task >= root.size:
        return 0
    early, late = _Walker(root, task - lag), _Walker(root, task)
    matched = 0
    steps = MAX_STEPS_OF_LAYERS if layers else MAX_STEPS
    singles = steps if layers else MAX_SINGLE_STEPS + late.nodes_around()
    for _ in range(steps):
        if late.at_end() or early.at_end() or matched >= enough or not singles:
            break
        first, second = early.body(), late.body()
        if first is None and second is None:
            if early.sequence.kinds[early.node] != late.sequence.kinds[late.node]:
                break
            matched += 1
            singles -= 1
            early.pass_iterations(1)
            late.pass_iterations(1)
        elif first is not None and second is not None and first.kind == second.kind:
            count = min(early.iterations_left(), late.iterations_left())
            matched += count * first.size
            early.pass_iterations(count)
            late.pass_iterations(count)
        elif second is None or (first is not None and first.size >= second.size):
            assert first is not None
            early.enter(first)
        else:
            late.enter(second)
    return matched


def times_of_same_templates(
    streams: list[Sequence],
    stored: Mapping[str, NDArray[Any]],
    block: Block,
    time: int,
    moved: Mapping[int, int],
) -> int:
    """How many times of a block after one of them use the very templates that that one does.

    Parameters
    ----------
    streams : list of Sequence
        By component, templates equal only if they are the same one.
    stored : dict of str to array
        Columns of the timeline.
    block : Block
    time : int
        From 0 to ``block.repeats``.
    moved : dict of int to int
        By how many tasks each component is further than when the block was stored: the block may
        lie in a repetition of another, and what has one template there need not have it here.

    Returns
    -------
    int
        A number of times that certainly do.
    """
    if not block.other_templates and not any(moved.values()):
        return block.repeats - time
    most = block.repeats - time
    component = stored["component"][block.first : block.stop]
    task = stored["task"][block.first : block.stop]
    for rank in np.unique(component).tolist():
        lag = block.task_shift[rank]
        begin = int(task[np.argmax(component == rank)]) + moved.get(rank, 0) + time * lag
        if most <= 0 or lag <= 0:
            return 0
        # a period's rows belong to `lag` tasks, and to a further one cut in two
        known = repeats(streams[rank], begin + lag, lag, (most + 1) * lag + 1)
        most = min(most, (known - 1) // lag)
    return max(0, most)
