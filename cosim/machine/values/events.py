"""Starts and ends of tasks, in the order in which they happen."""

from __future__ import annotations

import numpy as np

from cosim.timeline.timeline import Timeline


def events_of(timeline: Timeline) -> list[tuple[int, bool, int, int]]:
    """(time, whether it ends, component, task), in the order things happen."""
    rows = timeline.rows()
    background = np.array([*timeline.outline.background, True])
    keep = ~background[np.minimum(rows.component, len(background) - 1)]
    component, task = rows.component[keep].astype(np.int64), rows.task[keep]
    start, end = rows.start[keep], rows.end[keep]
    order = np.lexsort((start, task, component))
    component, task, start, end = (a[order] for a in (component, task, start, end))
    new = np.ones(len(task), bool)
    new[1:] = (component[1:] != component[:-1]) | (task[1:] != task[:-1])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(task)) - 1
    begins, finishes = start[first], end[last] if len(last) else end[:0]
    names = component[first], task[first]
    events = [(int(t), False, int(c), int(n)) for t, c, n in zip(begins, *names, strict=True)] + [
        (int(t), True, int(c), int(n)) for t, c, n in zip(finishes, *names, strict=True)
    ]
    # a task of no duration starts before it ends
    empty = {(int(c), int(n)) for c, n, b, f in zip(*names, begins, finishes, strict=True)
             if b == f}  # fmt: skip
    events.sort(
        key=lambda e: (e[0], 2 if (e[2], e[3]) in empty and e[1] else 0 if e[1] else 1, e[2], e[3])
    )
    return events
