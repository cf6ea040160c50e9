"""Counters over time as step functions: buffer occupancy, DRAM bandwidth, power.

A counter is a sum of contributions, each constant over one interval of the timeline. It is made
from columns with sorting and sums, never row by row, and is exact: its integral is the quantity
moved or spent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.analysis.task_table import Integers, Numbers, TaskTable, row_parts
from cosim.mapping.program import Program, Step, StepKind
from cosim.timeline.rows import Rows


@dataclass(frozen=True)
class StepFunction:
    """A value that stays until the next change.

    Attributes
    ----------
    times : int64 array, shape (n,)
        Picoseconds at which the value changes, strictly increasing, the first one 0.
    values : float64 array, shape (n,)
        Value from `times[i]` until `times[i + 1]`, the last one until `end`.
    end : int
        Picoseconds; the function is defined from 0 to here.
    """

    name: str
    unit: str
    times: Integers
    values: Numbers
    end: int

    def at(self, time: ArrayLike) -> Numbers:
        """Values at the given times (just after a change, where there is one)."""
        found: Numbers = self.values[np.searchsorted(self.times, time, side="right") - 1]
        return found

    def integral(self, time: ArrayLike) -> Numbers:
        """Integral from 0 to each of the given times, in value times picoseconds."""
        lengths = np.diff(self.times)
        total = np.concatenate([[0.0], np.cumsum(self.values[:-1] * lengths)])
        moments = np.asarray(time)
        position = np.searchsorted(self.times, moments, side="right") - 1
        result: Numbers = total[position] + self.values[position] * (moments - self.times[position])
        return result

    def average(self, edges: NDArray[np.int64]) -> Numbers:
        """Mean value between each two neighbouring edges, shape (n_edges - 1,)."""
        width = np.maximum(np.diff(edges), 1)
        means: Numbers = np.diff(self.integral(edges)) / width
        return means

    def largest(self, edges: NDArray[np.int64]) -> Numbers:
        """Largest value between each two neighbouring edges, shape (n_edges - 1,)."""
        first = np.searchsorted(self.times, edges[:-1], side="right") - 1
        stop = np.maximum(np.searchsorted(self.times, edges[1:], side="left"), first + 1)
        # reduceat takes pairs of positions; every other result lies between the pairs
        padded = np.append(self.values, self.values[-1])
        pairs = np.stack([first, stop], axis=1).ravel()
        result: Numbers = np.maximum.reduceat(padded, pairs)[::2]
        return result

    @property
    def peak(self) -> float:
        return float(self.values.max())

    @property
    def mean(self) -> float:
        return float(self.integral(self.end)) / self.end if self.end else 0.0


def step_function(
    name: str, unit: str, changes: Iterator[tuple[Integers, Numbers]], end: int, base: float = 0.0
) -> StepFunction:
    """Sum of changes, given as arrays of (time, amount), on top of `base`.

    Parameters
    ----------
    end : int
        Changes from here on (the end of the run) are left out.
    """
    times, amounts = [np.zeros(1, np.int64)], [np.zeros(1)]
    for time, amount in changes:
        inside = time < end
        times.append(time[inside])
        amounts.append(amount[inside])
    moments, position = np.unique(np.concatenate(times), return_inverse=True)
    change = np.bincount(position.ravel(), np.concatenate(amounts), len(moments))
    values: Numbers = np.cumsum(change, dtype=np.float64)
    # sums of floats leave dust of either sign where the truth is zero
    values[np.abs(values) < 1e-9 * (np.abs(values).max() or 1.0)] = 0.0
    return StepFunction(name, unit, moments, values + base, end)


def buffer_occupancy(program: Program, rows: Rows, makespan_ps: int) -> list[StepFunction]:
    """Bytes held in every on-chip buffer over time.

    Bytes count from the start of the interval before which they were taken until the end of the
    one after which they were given back.
    """
    tasks = TaskTable(program)
    part = np.minimum(row_parts(rows), tasks.parts - 1)
    result = []
    for index, pool in enumerate(program.pools):
        if pool.kind != "buffer":
            continue
        taken, given = _amounts(tasks, index)
        result.append(
            step_function(
                pool.name.removeprefix("buffer "), "B",
                iter((
                    _nonzero(rows.start, taken[rows.template, part]),
                    _nonzero(rows.end, -given[rows.template, part]),
                )),
                makespan_ps,
            )
        )  # fmt: skip
    return result


def dram_bandwidth(program: Program, rows: Rows, makespan_ps: int) -> StepFunction:
    """Bytes per second on the DRAM's pins over time, averaged over each descriptor's service."""
    rate = _rate(TaskTable(program).dram_bytes.astype(np.float64), rows) * 1e12
    return _spread("DRAM bandwidth", "B/s", rate, rows, makespan_ps)


def power(program: Program, rows: Rows, makespan_ps: int) -> StepFunction:
    """Milliwatts that the accelerator and its DRAM draw over time; the host is left out.

    Static power, and each task's energy over its (first) interval.
    """
    rate = _rate(TaskTable(program).domain_energy_pj, rows) * 1e3
    return _spread("power", "mW", rate, rows, makespan_ps, program.static_mw)


def _rate(amount: Numbers, rows: Rows) -> Numbers:
    """Amount per picosecond of every task, in its first row; 0 where no time passes."""
    duration = rows.duration
    counts = (row_parts(rows) == 0) & (duration > 0)
    rate: Numbers = np.where(counts, amount[rows.template] / np.maximum(duration, 1), 0.0)
    return rate


def _spread(
    name: str, unit: str, rate: Numbers, rows: Rows, makespan_ps: int, base: float = 0.0
) -> StepFunction:
    changes = iter((_nonzero(rows.start, rate), _nonzero(rows.end, -rate)))
    return step_function(name, unit, changes, makespan_ps, base)


def _nonzero(time: Integers, amount: NDArray[np.generic]) -> tuple[Integers, Numbers]:
    kept = np.flatnonzero(amount)
    return time[kept], amount[kept].astype(np.float64)


def _amounts(tasks: TaskTable, pool: int) -> tuple[Integers, Integers]:
    """Tokens of `pool` taken before and given after each part, shape (n_templates + 1, n_parts)."""
    taken = np.zeros((len(tasks.infos), tasks.parts), np.int64)
    given = np.zeros_like(taken)
    for number, template in enumerate(tasks.program.templates):
        for part, amount, takes in _exchanges(template.steps, pool):
            (taken if takes else given)[number, part] += amount
    return taken, given


def _exchanges(steps: tuple[Step, ...], pool: int) -> Iterator[tuple[int, int, bool]]:
    """(part, tokens, whether taken) of every ACQUIRE and RELEASE of `pool`."""
    marks, total = 0, sum(step[0] == StepKind.MARK for step in steps)
    for kind, index, amount, _ in steps:
        if kind == StepKind.MARK:
            marks += 1
        elif index == pool and kind == StepKind.ACQUIRE:
            yield min(marks, total - 1), amount, True
        elif index == pool and kind == StepKind.RELEASE:
            yield max(marks - 1, 0), amount, False
