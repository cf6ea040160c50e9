"""Memory over time by role and phase, and what is alive at the peak.

Mapping counts lifetimes in groups, the units the machine runs (`Program.facts["memory"]`); the
timeline says when each group's work began. Between two such instants nothing is allocated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cosim.analysis.distinct_rows import Source, distinct_rows
from cosim.analysis.step_function import StepFunction
from cosim.analysis.task_table import Integers
from cosim.mapping.program import Program

ROLES = ("weight", "factor", "optimizer", "gradient", "activation", "input", "workspace")
"""Tensor roles in the order in which they are stacked: what stays at the bottom."""

_NOT_WORK = ("command", "load", "store")


@dataclass(frozen=True)
class Phase:
    """A stretch of the run that belongs to one phase of training, in picoseconds."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class MemoryOverTime:
    """Bytes alive by role, the phases, and the peak.

    Attributes
    ----------
    by_role : dict of str to StepFunction
        In the order of `ROLES`.
    peak_ps : int
        When the peak is reached first.
    at_peak : list of (name, role, bytes)
        What is alive then, largest first.
    """

    by_role: dict[str, StepFunction]
    phases: tuple[Phase, ...]
    peak_bytes: int
    peak_ps: int
    at_peak: list[tuple[str, str, int]]


def group_starts(program: Program, source: Source) -> Integers:
    """When the work of each group begins, shape (n_layers,), never decreasing, the first at 0.

    Prefetching its operands does not begin a group; a group without rows begins with the next.
    """
    run = distinct_rows(program, source)
    tasks = run.tasks
    works = ~tasks.does(*_NOT_WORK)
    layer = np.where(works, tasks.layer, -1)[run.template]
    # the last line is for rows that begin no group
    starts = np.full(len(program.layers) + 1, np.iinfo(np.int64).max, np.int64)
    np.minimum.at(starts, layer, run.start)
    starts = np.minimum.accumulate(starts[-2::-1])[::-1]
    if len(starts):
        starts[0] = 0
    end = run.end_ps
    result: Integers = np.maximum.accumulate(np.minimum(starts, end))
    return result


def memory_over_time(program: Program, source: Source, makespan_ps: int) -> MemoryOverTime | None:
    """Memory of the run, or None for a program that says nothing of its tensors."""
    facts: Any = program.facts.get("memory")
    if not isinstance(facts, Mapping) or not facts.get("timeline"):
        return None
    starts = group_starts(program, source)
    steps: list[Mapping[str, int]] = list(facts["timeline"])
    present = {role for step in steps for role, size in step.items() if size}
    by_role = {
        role: _series(role, starts, [step.get(role, 0) for step in steps], makespan_ps)
        for role in sorted(present, key=_stacking)
    }
    peak = int(facts["peak_group"])
    return MemoryOverTime(
        by_role,
        _phases(program, starts, makespan_ps),
        int(facts["peak_bytes"]),
        int(starts[peak]) if len(starts) else 0,
        _alive(facts["placements"], peak),
    )


def _stacking(role: str) -> tuple[int, str]:
    return (ROLES.index(role) if role in ROLES else len(ROLES), role)


def _series(name: str, starts: Integers, sizes: list[int], end: int) -> StepFunction:
    times, first_from_end = np.unique(starts[::-1], return_index=True)
    # of groups that begin at one instant, the last decides what is alive after it
    last = len(starts) - 1 - first_from_end
    return StepFunction(name, "B", times, np.array(sizes, np.float64)[last], end)


def _phases(program: Program, starts: Integers, end: int) -> tuple[Phase, ...]:
    names: Any = program.facts.get("phases") or []
    result: list[Phase] = []
    for name, start in zip(names, starts.tolist(), strict=False):
        if result and result[-1].name == name:
            continue
        if result:
            result[-1] = Phase(result[-1].name, result[-1].start, start)
        result.append(Phase(str(name), start, end))
    return tuple(result)


def _alive(placements: Iterable[Mapping[str, Any]], group: int) -> list[tuple[str, str, int]]:
    alive = [
        (str(p["name"]), str(p["role"]), int(p["bytes"]))
        for p in placements
        if p["first"] <= group <= p["last"]
    ]
    return sorted(alive, key=lambda entry: (-entry[2], entry[0]))
