"""Energy of a run by component and by tensor role.

Dynamic energy is that of each task (`cosim.mapping.energy`), counted by template; static power of
logic and memories and the DRAM's background power are drawn for the whole run. The host's energy
is listed beside the accelerator's: it is outside the power domain and its budget.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.analysis.distinct_rows import Source, distinct_rows
from cosim.analysis.task_table import Integers, TaskTable
from cosim.design.design import Design
from cosim.mapping.program import Program


@dataclass(frozen=True)
class Energy:
    """Picojoules, once by component and once by what they were spent on; both sum to `total_pj`."""

    by_component: dict[str, float]
    by_role: dict[str, float]

    @property
    def total_pj(self) -> float:
        return sum(self.by_component.values())


def task_counts(program: Program, source: Source) -> Integers:
    """Tasks executed of every template, shape (n_templates,)."""
    run = distinct_rows(program, source)
    counts = np.zeros(len(program.templates) + 1, np.int64)
    np.add.at(counts, run.rows.template, run.count if run.tasks.parts == 1 else run.first_count)
    return counts[:-1]


def energy(
    program: Program,
    design: Design,
    counts: Integers,
    makespan_ps: int,
    tasks: TaskTable | None = None,
) -> Energy:
    """Energy of `counts` tasks of each template and of the time they took together."""
    entries = (tasks or TaskTable(program)).energy_entries
    each = entries.picojoules * counts[entries.template]
    totals = np.bincount(entries.thing, each, len(entries.things)).tolist()
    spent = dict(zip(entries.things, totals, strict=True))
    for component, purpose, milliwatts in static_shares(program, design):
        # 1 mW for 1 ps is 1e-3 pJ
        key = (component, purpose)
        spent[key] = spent.get(key, 0.0) + milliwatts * makespan_ps * 1e-3
    by_component: dict[str, float] = {}
    by_role: dict[str, float] = {}
    for (component, role), amount in spent.items():
        if amount:
            by_component[component] = by_component.get(component, 0.0) + amount
            by_role[role] = by_role.get(role, 0.0) + amount
    return Energy(by_component, by_role)


def static_shares(program: Program, design: Design) -> list[tuple[str, str, float]]:
    """(component, purpose, milliwatts) of all that is drawn whatever happens.

    What the program draws beyond the shares known from the design counts as logic.
    """
    shares = [(buffer.name, "static", buffer.static_mw) for buffer in design.buffers]
    shares.append(("dram", "DRAM background", design.dram.background_mw))
    known = sum(share[2] for share in shares)
    shares.append(("logic", "static", max(0.0, program.static_mw - known)))
    return shares
