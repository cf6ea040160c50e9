"""What the tasks of a program mean, as columns over its templates, and which row is which part.

Timelines have millions of rows and a program a few hundred templates: whatever is asked about a
row is looked up by its template, so analysis never walks rows one by one.

A task makes one row for each MARK of its template. The *part* of a row is the position of that
MARK: a DMA descriptor has part 0, the DRAM's service, and part 1, the rest of the channel's time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cosim.mapping.program import Program, StepKind, TaskInfo, Template
from cosim.timeline.rows import Rows

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

_EXTERNAL = TaskInfo(-1, "external")


@dataclass(frozen=True)
class TaskTable:
    """Columns over the templates of a program, and one more at the end for rows of none.

    A component that a user added from outside marks rows with template -1; numpy's negative
    indices send them to that last entry.
    """

    program: Program

    @cached_property
    def infos(self) -> tuple[TaskInfo, ...]:
        return (*(template.info for template in self.program.templates), _EXTERNAL)

    def _column(self, values: list[int]) -> Integers:
        return np.array(values, np.int64)

    @cached_property
    def layer(self) -> Integers:
        """Index into `Program.layers`, -1 for none."""
        return self._column([info.op for info in self.infos])

    @cached_property
    def macs(self) -> Integers:
        return self._column([info.macs for info in self.infos])

    @cached_property
    def dram_bytes(self) -> Integers:
        return self._column([i.dram_read_bytes + i.dram_write_bytes for i in self.infos])

    @cached_property
    def energy_pj(self) -> Numbers:
        """Dynamic energy of one task of each template."""
        return np.array([sum(entry[2] for entry in info.energy) for info in self.infos])

    @cached_property
    def domain_energy_pj(self) -> Numbers:
        """The same without the host's share, which is outside the accelerator's power domain."""
        return np.array([sum(e[2] for e in i.energy if e[0] != "host") for i in self.infos])

    @cached_property
    def parts(self) -> int:
        """Largest number of MARKs of a template."""
        return max([_marks(t) for t in self.program.templates], default=1) or 1

    def _by_part(self, cycles: list[int], clocks: list[int]) -> Integers:
        periods = self.program.clock_periods_ps
        return self._column([c * periods[k] for c, k in zip(cycles, clocks, strict=True)])

    @cached_property
    def first_clock(self) -> list[int]:
        """Clock of each template's first HOLD (the picosecond if it holds nothing)."""
        return [*(_first_clock(template) for template in self.program.templates), 0]

    @cached_property
    def busy_ps(self) -> Integers:
        """Useful part of the first row of a task."""
        return self._by_part([info.busy_cycles for info in self.infos], self.first_clock)

    @cached_property
    def fill_ps(self) -> Integers:
        """Fill and drain (of a descriptor: first-access latency) in the first row of a task."""
        return self._by_part([info.fill_cycles for info in self.infos], self.first_clock)

    def kinds(self, rows: Rows) -> NDArray[np.str_]:
        """Kind of every row's component; ``external`` for components that a user attached."""
        kinds = np.array([*(c.kind for c in self.program.components), "external"])
        found: NDArray[np.str_] = kinds[np.minimum(rows.component, len(kinds) - 1)]
        return found


def _marks(template: Template) -> int:
    return sum(step[0] == StepKind.MARK for step in template.steps)


def _first_clock(template: Template) -> int:
    return next((step[2] for step in template.steps if step[0] == StepKind.HOLD), 0)


def row_parts(rows: Rows) -> Integers:
    """Which MARK of its task every row is, shape (n_rows,): 0 for the first.

    `rows` must begin at the start of a timeline, or at least at the start of a task of every
    component.
    """
    order = np.argsort(rows.component, kind="stable")
    component, task = rows.component[order], rows.task[order]
    count = len(order)
    begins = np.ones(count, bool)
    begins[1:] = (component[1:] != component[:-1]) | (task[1:] != task[:-1])
    position = np.arange(count)
    first = np.maximum.accumulate(np.where(begins, position, 0))
    parts = np.empty(count, np.int64)
    parts[order] = position - first
    return parts
