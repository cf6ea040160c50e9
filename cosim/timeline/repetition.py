"""How long the coming tasks of a stream repeat those before, from its loop tree.

Asking how far ``task j`` equals ``task j - lag`` is asking how long two places in the tree go on
alike. Both are walked at once, and whatever is equal (a subtree, the rest of a loop's iterations)
is passed in one step, so the answer takes time that grows with the depth of the tree and not with
the number of tasks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.timeline.blocks import Block
from cosim.timeline.loop_tree import Sequence

MAX_STEPS, MAX_SINGLE_STEPS = 400, 32
MAX_STEPS_OF_LAYERS = 4000
"""Comparisons of nodes, and of single tasks beyond those of the bodies that one is in, after which
the answer is what is known so far: always a valid, smaller one. Where whole layers are compared,
more are worth it."""


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
    # two places just before a node, or before an iteration of a loop, and the loops around them
    early_around, early, early_node, early_iteration = _before(root, task - lag)
    late_around, late, late_node, late_iteration = _before(root, task)
    steps = MAX_STEPS_OF_LAYERS if layers else MAX_STEPS
    bodies = len(late.kinds) + sum(len(loop[0].kinds) for loop in late_around[1:])
    singles = steps if layers else MAX_SINGLE_STEPS + bodies
    matched = 0
    while steps and singles and matched < enough:
        steps -= 1
        while late_node == len(late.kinds):  # leave a body that is finished
            if not late_around:
                return matched
            late, late_node, late_iteration = late_around.pop()
            late_iteration += 1
            if late_iteration == late.counts[late_node]:
                late_node, late_iteration = late_node + 1, 0
        while early_node == len(early.kinds):
            early, early_node, early_iteration = early_around.pop()
            early_iteration += 1
            if early_iteration == early.counts[early_node]:
                early_node, early_iteration = early_node + 1, 0
        first, second = early.bodies[early_node], late.bodies[late_node]
        if first is None and second is None:
            if early.kinds[early_node] != late.kinds[late_node]:
                break
            matched += 1
            singles -= 1
            early_node += 1
            late_node += 1
        elif first is not None and second is not None and first.kind == second.kind:
            times = early.counts[early_node] - early_iteration
            others = late.counts[late_node] - late_iteration
            count = min(times, others)  # of the iterations still to come
            matched += count * first.size
            early_iteration += count
            late_iteration += count
            if count == times:
                early_node, early_iteration = early_node + 1, 0
            if count == others:
                late_node, late_iteration = late_node + 1, 0
        elif second is None or (first is not None and first.size >= second.size):
            assert first is not None
            early_around.append((early, early_node, early_iteration))
            early, early_node, early_iteration = first, 0, 0
        else:
            late_around.append((late, late_node, late_iteration))
            late, late_node, late_iteration = second, 0, 0
    return matched


_Loop = tuple[Sequence, int, int]
"""A loop that one is in: the sequence and the node in it, and the iteration."""


def _before(root: Sequence, task: int) -> tuple[list[_Loop], Sequence, int, int]:
    """The loops around a task from the outermost in, and its sequence, node and iteration 0."""
    around: list[_Loop] = []
    sequence = root
    while True:
        node = bisect_right(sequence.starts, task) - 1
        body = sequence.bodies[node]
        if body is None:
            return around, sequence, node, 0
        iteration, task = divmod(task - sequence.starts[node], body.size)
        around.append((sequence, node, iteration))
        sequence = body


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
