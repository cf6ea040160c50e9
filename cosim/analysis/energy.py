"""Energy of a run by component and by tensor role.

Dynamic energy is that of each task (`cosim.mapping.energy`), counted by template; static power of
logic and memories and the DRAM's background power are drawn for the whole run. The host's energy
is listed beside the accelerator's: it is outside the power domain and its budget.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cosim.analysis.task_table import Integers, TaskTable, row_parts
from cosim.design.design import Design
from cosim.mapping.program import Program
from cosim.timeline.rows import Rows


@dataclass(frozen=True)
class Energy:
    """Picojoules, once by component and once by what they were spent on; both sum to `total_pj`."""

    by_component: dict[str, float]
    by_role: dict[str, float]

    @property
    def total_pj(self) -> float:
        return sum(self.by_component.values())


def task_counts(program: Program, rows: Rows) -> Integers:
    """Tasks executed of every template, shape (n_templates,)."""
    first = (row_parts(rows) == 0) & (rows.template >= 0)
    counts: Integers = np.bincount(rows.template[first], minlength=len(program.templates))
    return counts


def energy(program: Program, design: Design, counts: Integers, makespan_ps: int) -> Energy:
    """Energy of `counts` tasks of each template and of the time they took together."""
    by_component: dict[str, float] = {}
    by_role: dict[str, float] = {}
    for count, info in zip(counts.tolist(), TaskTable(program).infos, strict=False):
        for component, role, picojoules in info.energy:
            spent = picojoules * count
            if spent:
                _add(by_component, component, spent)
                _add(by_role, role or "operations", spent)
    for component, purpose, milliwatts in static_shares(program, design):
        # 1 mW for 1 ps is 1e-3 pJ
        spent = milliwatts * makespan_ps * 1e-3
        if spent:
            _add(by_component, component, spent)
            _add(by_role, purpose, spent)
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


def _add(totals: dict[str, float], key: str, amount: float) -> None:
    totals[key] = totals.get(key, 0.0) + amount
