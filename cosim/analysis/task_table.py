"""What the tasks of a program mean, as columns over its templates.

Timelines have millions of rows and a program a few hundred templates: whatever is asked about a
row is looked up by its template, so analysis never walks rows one by one.

A task makes one row for each MARK of its template. The *part* of a row is the position of that
MARK: a DMA descriptor has part 0, the DRAM's service, and part 1, the rest of the channel's time.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from itertools import chain
from math import prod
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.mapping.program import Program, Step, StepKind, TaskInfo

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

_NUMBERS_OF = attrgetter(
    "op", "macs", "busy_cycles", "fill_cycles", "dram_read_bytes", "dram_write_bytes",
    "stall_cycles",
)  # fmt: skip
_EXTERNAL = TaskInfo(-1, "external")
_ACQUIRE, _HOLD, _RELEASE, _MARK, _SERVE = (int(kind) for kind in StepKind)


class EnergyEntries(NamedTuple):
    """Energy of one task, by template and by what it is spent on.

    `things` are pairs of a component and a tensor role; `template`, `thing` (index into `things`)
    and `picojoules` have shape (n_entries,).
    """

    things: list[tuple[str, str]]
    template: Integers
    thing: Integers
    picojoules: Numbers


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
        values = chain.from_iterable(map(_NUMBERS_OF, self.infos))
        width = 7
        table = np.fromiter(values, np.int64, width * len(self.infos)).reshape(-1, width)
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
        return np.where(computes, self._columns[2] + self._columns[3] + self._columns[6], 0)

    @cached_property
    def refreshes(self) -> NDArray[np.bool_]:
        """Which tasks are a refresh of a DRAM channel that is served burst by burst."""
        return np.array([info.activity == "refresh" and info.op < 0 for info in self.infos])

    @cached_property
    def energy_entries(self) -> EnergyEntries:
        """What one task of each template spends on what."""
        things: dict[tuple[str, str], int] = {}
        # templates share what they spend: each such list is looked through once
        known: dict[int, tuple[list[int], list[float]]] = {}
        lengths: list[int] = []
        thing: list[int] = []
        picojoules: list[float] = []
        for info in self.infos:
            entry = known.get(id(info.energy))
            if entry is None:
                entry = known[id(info.energy)] = (
                    [
                        things.setdefault((c, r or "operations"), len(things))
                        for c, r, _ in info.energy
                    ],
                    [spent for _, _, spent in info.energy],
                )
            lengths.append(len(entry[0]))
            thing += entry[0]
            picojoules += entry[1]
        return EnergyEntries(
            list(things),
            np.repeat(np.arange(len(lengths)), lengths),
            np.array(thing, np.int64),
            np.array(picojoules, np.float64),
        )

    @cached_property
    def domain_energy_pj(self) -> Numbers:
        """Dynamic energy of one task; the host's share is outside the power domain."""
        entries = self.energy_entries
        inside = np.array([component != "host" for component, _ in entries.things], np.float64)
        spent = entries.picojoules * inside[entries.thing] if len(inside) else entries.picojoules
        total: Numbers = np.bincount(entries.template, spent, len(self.infos)).astype(np.float64)
        return total

    @cached_property
    def _facts(self) -> tuple[list[_StepFacts], Integers]:
        """What there is to know of all different lists of steps, and the list of each template."""
        known: dict[_StepFacts, int] = {}
        seen: dict[int, int] = {}
        which = []
        for template in self.program.templates:
            line = seen.get(id(template.steps))
            if line is None:
                facts = _step_facts(template.steps)
                line = seen[id(template.steps)] = known.setdefault(facts, len(known))
            which.append(line)
        return list(known), np.array(which, np.int64)

    @cached_property
    def marks(self) -> Integers:
        """Number of MARKs of each template; 1 for rows of none."""
        facts, which = self._facts
        return np.append(np.array([fact[0] for fact in facts], np.int64)[which], 1)

    @cached_property
    def parts(self) -> int:
        """Largest number of MARKs of a template."""
        return max((fact[0] for fact in self._facts[0]), default=1) or 1

    @cached_property
    def _first_period(self) -> Integers:
        """Picoseconds of a cycle of each template's first HOLD."""
        periods = self.program.clock_periods_ps
        facts, which = self._facts
        return np.append(np.array([periods[fact[1]] for fact in facts], np.int64)[which], 1)

    @cached_property
    def busy_ps(self) -> Integers:
        """Useful part of the first row of a task."""
        return self._columns[2] * self._first_period

    @cached_property
    def fill_ps(self) -> Integers:
        """Fill and drain (of a descriptor: first-access latency) in the first row of a task."""
        return self._columns[3] * self._first_period

    @cached_property
    def stall_ps(self) -> Integers:
        """Part of the first row of a task in which an on-chip memory cannot keep up."""
        return self._columns[6] * self._first_period

    @cached_property
    def kind_names(self) -> tuple[str, ...]:
        """Kinds of components; the last one, ``external``, is that of what users attached."""
        return (*(component.kind for component in self.program.components), "external")

    @cached_property
    def roles(self) -> tuple[list[str], Integers]:
        """Tensor roles, and the role (index) of every template's tasks."""
        known: dict[str, int] = {}
        codes = [known.setdefault(info.role, len(known)) for info in self.infos]
        return list(known), np.array(codes, np.int64)

    @cached_property
    def tails(self) -> tuple[Integers, Integers]:
        """Picoseconds of each template's second HOLD (0 if none), and the lane of its first MARK.

        The lane is -1 for rows of no template.
        """
        periods = self.program.clock_periods_ps
        tails = [_tail(template.steps) for template in self.program.templates]
        held = np.array([*(cycles * periods[clock] for cycles, clock, _ in tails), 0], np.int64)
        return held, np.array([*(lane for _, _, lane in tails), -1], np.int64)

    @cached_property
    def buffer_tokens(self) -> dict[int, tuple[Integers, Integers]]:
        """Tokens of every buffer pool taken before and given after each part of a task.

        By pool: two arrays of shape (n_templates + 1, n_parts).
        """
        facts, which = self._facts
        places = {i: n for n, i in enumerate(self._buffers)}
        # one line more, of zeros, for rows of no template
        shape = (len(places), 2, len(facts) + 1, self.parts)
        where, tokens = [], []
        for line, (marks, _, exchanges) in enumerate(facts):
            for pool, given, part, number in exchanges:
                if pool in places:
                    # what is taken after the last MARK counts for the last part
                    place = (places[pool] * 2 + given) * shape[2] + line
                    where.append(place * shape[3] + min(part, marks - 1))
                    tokens.append(number)
        flat = np.zeros(prod(shape), np.int64)
        np.add.at(flat, np.array(where, np.int64), np.array(tokens, np.int64))
        amounts = flat.reshape(shape)
        lines = np.append(which, len(facts))
        return {i: (amounts[n, 0, lines], amounts[n, 1, lines]) for i, n in places.items()}

    @property
    def _buffers(self) -> list[int]:
        return [i for i, pool in enumerate(self.program.pools) if pool.kind == "buffer"]


_StepFacts = tuple[int, int, tuple[tuple[int, int, int, int], ...]]
"""MARKs; clock of the first HOLD; ACQUIREs and RELEASEs as (pool, 0 if taken and 1 if given, part,
tokens)."""


@lru_cache(maxsize=1 << 16)
def _step_facts(steps: tuple[Step, ...]) -> _StepFacts:
    marks, clock, exchanges = 0, -1, []
    for kind, index, amount, _ in steps:
        if kind == _MARK:
            marks += 1
        elif kind == _ACQUIRE:
            exchanges.append((index, 0, marks, amount))
        elif kind == _RELEASE:
            exchanges.append((index, 1, max(marks - 1, 0), amount))
        elif clock < 0:
            clock = amount
    return marks, max(clock, 0), tuple(exchanges)


@lru_cache(maxsize=1 << 16)
def _tail(steps: tuple[Step, ...]) -> tuple[int, int, int]:
    """Cycles and clock of the second HOLD, and the lane of the first MARK."""
    holds = [step for step in steps if step[0] == _HOLD]
    lane = next((step[1] for step in steps if step[0] == _MARK), -1)
    return (holds[1][1], holds[1][2], lane) if len(holds) > 1 else (0, 0, lane)
