"""What the tasks of a program mean, as columns over its templates.

Timelines have millions of rows and a program a few hundred templates: whatever is asked about a
row is looked up by its template, so analysis never walks rows one by one.

A task makes one row for each MARK of its template. The *part* of a row is the position of that
MARK: a DMA descriptor has part 0, the DRAM's service, and part 1, the rest of the channel's time.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cosim.mapping.program import Program, Step, StepKind, TaskInfo
from cosim.timeline.rows import Rows

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

_EXTERNAL = TaskInfo(-1, "external")
_ACQUIRE, _HOLD, _RELEASE, _MARK = (int(kind) for kind in StepKind)


class TaskTable:
    """Columns over the templates of a program, and one more at the end for rows of none.

    A component that a user added from outside marks rows with template -1; numpy's negative
    indices send them to that last entry.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.infos: tuple[TaskInfo, ...] = (*(t.info for t in program.templates), _EXTERNAL)

    @cached_property
    def _columns(self) -> tuple[Integers, ...]:
        table = np.array(
            [
                (i.op, i.macs, i.busy_cycles, i.fill_cycles, i.dram_read_bytes, i.dram_write_bytes)
                for i in self.infos
            ],
            np.int64,
        )
        return tuple(np.ascontiguousarray(table.T))

    @property
    def layer(self) -> Integers:
        """Index into `Program.layers`, -1 for none."""
        return self._columns[0]

    @property
    def macs(self) -> Integers:
        return self._columns[1]

    @property
    def read_bytes(self) -> Integers:
        """Bytes that one task reads from the DRAM."""
        return self._columns[4]

    @property
    def written_bytes(self) -> Integers:
        """Bytes that one task writes to the DRAM."""
        return self._columns[5]

    @cached_property
    def dram_bytes(self) -> Integers:
        return self.read_bytes + self.written_bytes

    @cached_property
    def array_cycles(self) -> Integers:
        """Cycles for which one task keeps the array, 0 for other tasks."""
        computes = np.array([info.activity == "compute" for info in self.infos])
        return np.where(computes, self._columns[2] + self._columns[3], 0)

    @cached_property
    def domain_energy_pj(self) -> Numbers:
        """Dynamic energy of one task; the host's share is outside the power domain."""
        return np.array([sum([e[2] for e in i.energy if e[0] != "host"]) for i in self.infos])

    @cached_property
    def marks(self) -> Integers:
        """Number of MARKs of each template; 1 for rows of none."""
        return np.array([*self._steps[0], 1], np.int64)

    @cached_property
    def parts(self) -> int:
        """Largest number of MARKs of a template."""
        return max(self._steps[0], default=1) or 1

    @cached_property
    def _steps(self) -> tuple[list[int], list[int]]:
        """MARKs, and the clock of the first HOLD, of every template."""
        # templates share their steps: looking each tuple through once is enough
        known: dict[int, tuple[int, int]] = {}
        marks, clocks = [], []
        for template in self.program.templates:
            steps = template.steps
            found = known.get(id(steps))
            if found is None:
                kinds = [step[0] for step in steps]
                clock = steps[kinds.index(_HOLD)][2] if _HOLD in kinds else 0
                found = known[id(steps)] = (kinds.count(_MARK), clock)
            marks.append(found[0])
            clocks.append(found[1])
        return marks, clocks

    @cached_property
    def _first_period(self) -> Integers:
        """Picoseconds of a cycle of each template's first HOLD."""
        periods = self.program.clock_periods_ps
        return np.array([*(periods[clock] for clock in self._steps[1]), 1], np.int64)

    @cached_property
    def busy_ps(self) -> Integers:
        """Useful part of the first row of a task."""
        return self._columns[2] * self._first_period

    @cached_property
    def fill_ps(self) -> Integers:
        """Fill and drain (of a descriptor: first-access latency) in the first row of a task."""
        return self._columns[3] * self._first_period

    @cached_property
    def kind_names(self) -> tuple[str, ...]:
        """Kinds of components; the last one, ``external``, is that of what users attached."""
        return (*(component.kind for component in self.program.components), "external")

    def is_kind(self, rows: Rows, *kinds: str) -> NDArray[np.bool_]:
        """Which rows are of components of one of these kinds."""
        of_component = np.array([name in kinds for name in self.kind_names])
        found: NDArray[np.bool_] = of_component[np.minimum(rows.component, len(of_component) - 1)]
        return found

    @cached_property
    def buffer_tokens(self) -> dict[int, tuple[Integers, Integers]]:
        """Tokens of every buffer pool taken before and given after each part of a task.

        By pool: two arrays of shape (n_templates + 1, n_parts).
        """
        shape = (len(self.infos), self.parts)
        pools = [i for i, pool in enumerate(self.program.pools) if pool.kind == "buffer"]
        found: dict[int, tuple[Integers, Integers]] = {
            pool: (np.zeros(shape, np.int64), np.zeros(shape, np.int64)) for pool in pools
        }
        known: dict[int, list[tuple[int, int, int, int]]] = {}
        wanted = set(pools)
        for number, template in enumerate(self.program.templates):
            steps = template.steps
            exchanges = known.get(id(steps))
            if exchanges is None:
                exchanges = known[id(steps)] = _exchanges(steps, wanted)
            for pool, given, part, amount in exchanges:
                found[pool][given][number, part] += amount
        return found


def _exchanges(steps: tuple[Step, ...], pools: set[int]) -> list[tuple[int, int, int, int]]:
    """(pool, 0 if taken and 1 if given, part, tokens) of ACQUIREs and RELEASEs of some pools."""
    found = []
    marks = 0
    for kind, index, amount, _ in steps:
        if kind == _MARK:
            marks += 1
        elif index in pools:
            if kind == _ACQUIRE:
                found.append((index, 0, marks, amount))
            elif kind == _RELEASE:
                found.append((index, 1, max(marks - 1, 0), amount))
    # what is taken after the last MARK counts for the last part
    return [(pool, given, min(part, max(marks, 1) - 1), n) for pool, given, part, n in found]
