"""What a run of many millions of stored rows can have without taking as much memory as it has.

Exact step functions of such a run would have as many steps as it has intervals, several times over
while they are made. Here power and DRAM bandwidth are means over narrow bins, made in pieces; the
critical path follows the causes where they lie on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.analysis.task_table import TaskTable
from cosim.mapping.program import Program
from cosim.timeline.timeline import Timeline
from gui.views.counter_store import CounterStore
from gui.views.disk import CHUNK_ROWS, chunks, release
from gui.views.path import CriticalPath

BINS = 1 << 18


def path_on_disk(program: Program, timeline: Timeline) -> CriticalPath:
    """The critical path of a timeline without repetitions.

    Raises
    ------
    ValueError
        If the causes form a ring.
    """
    background = np.array([*(c.background for c in program.components), True])
    stored = timeline.stored
    row = _last_foreground(stored["component"], background)
    parts: list[tuple[NDArray[Any], ...]] = []
    for first in range(len(stored["end"]) // CHUNK_ROWS * CHUNK_ROWS, -1, -CHUNK_ROWS):
        if row < first:
            continue
        offsets = stored["cause_offset"][first : first + CHUNK_ROWS].tolist()
        here = []
        while row >= first:
            here.append(row)
            back = offsets[row - first]
            if back < 0:
                raise ValueError("the causes of the timeline form a ring")
            row = row - back if back else -1
        at = np.array(here[::-1], np.int64)
        number = at.astype(np.int32) if len(stored["end"]) < 2**31 else at
        parts.append((number, stored["end"][at], stored["component"][at]))
        release(timeline)
    if not parts:
        return CriticalPath(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int16))
    return CriticalPath(*(np.concatenate(column[::-1]) for column in zip(*parts, strict=True)))


def _last_foreground(component: NDArray[np.int16], background: NDArray[np.bool_]) -> int:
    """The last row (rows are ordered by their ends) of a component that keeps the run alive."""
    for stop in range(len(component), 0, -CHUNK_ROWS):
        first = max(0, stop - CHUNK_ROWS)
        ranks = np.minimum(component[first:stop], len(background) - 1)
        kept = np.flatnonzero(~background[ranks])
        if len(kept):
            return first + int(kept[-1])
    return -1


def binned_counters(
    program: Program, timeline: Timeline, makespan_ps: int,
    limits: dict[str, float | None],
) -> dict[str, CounterStore]:  # fmt: skip
    """DRAM bandwidth and power as means over bins of equal width.

    Their integrals are exact: what a task moves or spends counts evenly over its first interval,
    as in `cosim.analysis.counters`.
    """
    tasks = TaskTable(program)
    amounts = {
        "DRAM bandwidth": tasks.dram_bytes.astype(np.float64) * 1e12,
        "power": np.asarray(tasks.domain_energy_pj, np.float64) * 1e3,
    }
    width = max(1, -(-makespan_ps // BINS))
    bins = -(-makespan_ps // width)
    slopes = {name: np.zeros(bins + 2) for name in amounts}
    parts = {name: np.zeros(bins + 2) for name in amounts}
    last_task = np.full(len(timeline.outline.components) + 1, -1, np.int64)
    for start, end, template in _first_parts(timeline, last_task):
        length = np.maximum(1, end - start)
        for name, per_task in amounts.items():
            rate = per_task[template] / length
            for edge, sign in ((start, 1.0), (end, -1.0)):
                at = np.minimum(edge, bins * width)
                place = at // width
                slopes[name] += sign * np.bincount(place, rate, bins + 2)
                rest = (place + 1) * width - at
                parts[name] += sign * np.bincount(place, rate * rest, bins + 2)
    times = np.arange(bins, dtype=np.int64) * width
    units = {"DRAM bandwidth": "B/s", "power": "mW"}
    result = {}
    for name in amounts:
        before = np.concatenate([[0.0], np.cumsum(slopes[name][:-1])])[:bins]
        values = (before * width + parts[name][:bins]) / width
        values[np.abs(values) < 1e-9 * (np.abs(values).max() or 1.0)] = 0.0
        if name == "power":
            values += program.static_mw
        result[name] = CounterStore(name, units[name], times, values, makespan_ps, limits.get(name))
    return result


def _first_parts(
    timeline: Timeline, last_task: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]]:
    """Start, end and template of the first interval of every task, in pieces."""
    stored = timeline.stored
    for piece in chunks(timeline):
        component = np.minimum(np.asarray(stored["component"][piece]), len(last_task) - 1)
        task = np.asarray(stored["task"][piece])
        order = np.argsort(component, kind="stable")
        ranks, tasks = component[order], task[order]
        begins = np.ones(len(order), bool)
        begins[1:] = (ranks[1:] != ranks[:-1]) | (tasks[1:] != tasks[:-1])
        heads = np.flatnonzero(np.diff(ranks, prepend=-1))
        begins[heads] = tasks[heads] != last_task[ranks[heads]]
        tails = np.append(heads[1:] - 1, len(order) - 1) if len(order) else heads
        last_task[ranks[tails]] = tasks[tails]
        kept = order[begins]
        yield (
            np.asarray(stored["start"][piece])[kept],
            np.asarray(stored["end"][piece])[kept],
            np.asarray(stored["template"][piece])[kept],
        )
