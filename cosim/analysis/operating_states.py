"""In which operating state each interval ran, told from how long it took.

A task keeps the state in which its interval began, and every state has its own frequency: so the
duration of an interval names its state, and what a slower clock added to it.
"""

from __future__ import annotations

import numpy as np

from cosim.analysis.distinct_rows import DistinctRows
from cosim.analysis.task_table import Integers, Numbers, TaskTable
from cosim.mapping.program import Program, StepKind
from cosim.timeline.rows import Rows


def first_interval_ps(program: Program) -> Integers:
    """Time until each template's first MARK in every state, shape (n_states, n_templates + 1).

    The last column, for rows of no template, is 0.
    """
    governing = program.governing
    assert governing is not None
    periods = np.array(governing.periods_ps, np.int64)
    cycles = np.zeros((len(program.templates) + 1, periods.shape[1]), np.int64)
    for number, template in enumerate(program.templates):
        for kind, a, b, _ in template.steps:
            if kind == StepKind.MARK:
                break
            if kind == StepKind.HOLD:
                cycles[number, b] += a
    times: Integers = periods @ cycles.T
    return times


def slowed_ps(tasks: TaskTable, rows: Rows, part: Integers) -> Integers:
    """What lower clocks added to rows: their time less that in the design's own state, if more."""
    governing = tasks.program.governing
    slowed = np.zeros(len(rows), np.int64)
    if governing is None or len(governing.states) < 2:
        return slowed
    own = _own_state(tasks.program)
    nominal = first_interval_ps(tasks.program)[own][rows.template]
    first = (part == 0) & (rows.component != governing.component) & (rows.template >= 0)
    slowed[first] = np.maximum(0, rows.duration - nominal)[first]
    return slowed


def energy_factors(run: DistinctRows) -> Numbers | None:
    """Factor on the dynamic energy of every row: (V/V_own)^2 in its state. None if all are 1."""
    program = run.tasks.program
    governing = program.governing
    if governing is None or len(governing.states) < 2:
        return None
    own = _own_state(program)
    times = first_interval_ps(program)
    factors = np.ones(len(run))
    left = (run.part == 0) & (run.template >= 0)
    for number in (own, *(n for n in range(len(governing.states)) if n != own)):
        here = left & (times[number][run.template] == run.durations)
        left &= ~here
        factors[here] = governing.states[number].voltage ** 2
    return factors


def weighted_counts(run: DistinctRows, counts: Integers) -> Numbers:
    """Tasks of every template, each counting as much as its energy in the state that it ran in."""
    weighted = counts.astype(np.float64)
    factors = energy_factors(run)
    if factors is not None:
        first = np.flatnonzero((run.part == 0) & (run.template >= 0))
        np.add.at(weighted, run.template[first], factors[first] - 1.0)
    return weighted


def _own_state(program: Program) -> int:
    """The state that the design's constants hold for."""
    assert program.governing is not None
    own = [n for n, state in enumerate(program.governing.states) if state.frequency == 1.0]
    return own[0]
