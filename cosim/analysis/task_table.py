"""What the tasks of a program mean, as columns over its templates.

Timelines have millions of rows and a program a few hundred templates: whatever is asked about a
row is looked up by its template, so analysis never walks rows one by one.

A task makes one row for each MARK of its template. The *part* of a row is the position of that
MARK: a DMA descriptor has part 0, the DRAM's service, and part 1, the rest of the channel's time.
"""

from __future__ import annotations

from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.mapping.program import Program, StepKind
from cosim.mapping.template_columns import NUMBERS, columns_of

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

EXTERNAL = "external"
"""Activity of rows of no template."""

_ACQUIRE, _HOLD, _RELEASE, _MARK, _SERVE = (int(kind) for kind in StepKind)
_KEEPS_BUSY = np.array([kind in (_HOLD, _SERVE) for kind in StepKind])


class EnergyEntries(NamedTuple):
    """Energy of one task, by template and by what it is spent on.

    `things` are pairs of a component and a tensor role; `template`, `thing` (index into `things`)
    and `picojoules` have shape (n_entries,).
    """

    things: list[tuple[str, str]]
    template: Integers
    thing: Integers
    picojoules: Numbers


def first_seen(codes: Integers, count: int) -> tuple[Integers, list[int]]:
    """Codes below `count` numbered anew, in the order in which they come first, and that order."""
    first = np.empty(count, np.int64)
    first.fill(len(codes))
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # what is entered last stays
    order = first.argsort()[: np.count_nonzero(first < len(codes))]
    number = np.empty(count, np.int64)
    number[order] = np.arange(len(order))
    return number[codes], order.tolist()


class Steps(NamedTuple):
    """The steps of all templates one after the other, columns of shape (n_steps,)."""

    template: Integers
    kind: Integers
    a: Integers
    b: Integers


COUNTED_POOLS = ("buffer", "power")
"""Kinds of pools whose tokens are counted over time: bytes, and milliwatts of a budget."""


class Tokens(NamedTuple):
    """Tokens of pools taken before and given after each part of a task.

    `amounts` has shape (n_pools, 2, (n_templates + 1) * n_parts), what is taken before what is
    given; `pools` says which pool each line is.
    """

    pools: list[int]
    amounts: Integers


class TaskTable:
    """Columns over the templates of a program, and one more at the end for rows of none.

    A component that a user added from outside marks rows with template -1; numpy's negative
    indices send them to that last entry.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._templates = columns_of(program)
        self.size = len(self._templates) + 1
        """Templates, and the entry of rows of none."""

    @cached_property
    def _columns(self) -> tuple[Integers, ...]:
        """`NUMBERS` by template, each of shape (n_templates + 1,)."""
        table = np.zeros((len(NUMBERS), self.size), np.int64)
        table[:, :-1] = self._templates.numbers
        table[0, -1] = -1
        return tuple(table)

    def does(self, *activities: str) -> NDArray[np.bool_]:
        """Which tasks are of these activities."""
        among = [activity in activities for activity in self._templates.activities]
        found = np.zeros(self.size, bool)
        if any(among):
            found[:-1] = np.array(among)[self._templates.activity]
        found[-1] = EXTERNAL in activities
        return found

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
    def computes(self) -> NDArray[np.bool_]:
        """Which tasks are an array's."""
        return self.does("compute")

    @cached_property
    def array_cycles(self) -> Integers:
        """Cycles for which one task keeps the array, 0 for other tasks."""
        return np.where(self.computes, self._columns[2] + self._columns[3] + self._columns[6], 0)

    @cached_property
    def refreshes(self) -> NDArray[np.bool_] | None:
        """Which tasks are a refresh of a DRAM channel that is served burst by burst.

        None where there are none.
        """
        if "refresh" not in self._templates.activities:
            return None
        return self.does("refresh") & (self.layer < 0)

    @cached_property
    def energy_entries(self) -> EnergyEntries:
        """What one task of each template spends on what."""
        columns = self._templates
        number, things = first_seen(columns.entry_thing, len(columns.things))
        names = [columns.things[thing] for thing in things]
        called = [(component, role or "operations") for component, role in names]
        named = list(dict.fromkeys(called))
        if len(named) < len(called):  # the same by two names
            number = np.array([named.index(name) for name in called], np.int64)[number]
        return EnergyEntries(named, columns.entry_template, number, columns.entry_pj)

    @cached_property
    def domain_energy_pj(self) -> Numbers:
        """Dynamic energy of one task; the host's share is outside the power domain."""
        entries = self.energy_entries
        inside = np.array([component != "host" for component, _ in entries.things], np.float64)
        spent = entries.picojoules * inside[entries.thing] if len(inside) else entries.picojoules
        total: Numbers = np.bincount(entries.template, spent, self.size).astype(np.float64)
        return total

    @cached_property
    def _steps(self) -> Steps:
        kind, a, b, _ = self._templates.steps
        return Steps(self._templates.of_step, kind, a, b)

    def _of_first(self, which: NDArray[np.bool_], column: Integers, none: int) -> Integers:
        """A column of each template's first step of some, and of rows of no template."""
        found = np.empty(self.size, np.int64)
        found.fill(none)
        places = which.nonzero()[0][::-1]  # the first of a template is entered last
        found[self._steps.template[places]] = column[places]
        return found

    @cached_property
    def marks(self) -> Integers:
        """Number of MARKs of each template; 1 for rows of none."""
        steps = self._steps
        marks = np.zeros(self.size, np.int64)
        np.add.at(marks, steps.template[(steps.kind == _MARK).nonzero()[0]], 1)
        marks[-1] = 1
        return marks

    @cached_property
    def parts(self) -> int:
        """Largest number of MARKs of a template."""
        return int(self.marks.max())

    def _periods(self, clock: Integers) -> Integers:
        periods: Integers = np.array(self.program.clock_periods_ps, np.int64)[clock]
        return periods

    @cached_property
    def _first_period(self) -> Integers:
        """Picoseconds of a cycle of each template's first HOLD."""
        steps = self._steps
        return self._periods(self._of_first(_KEEPS_BUSY[steps.kind], steps.b, 0))

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

    @property
    def roles(self) -> tuple[list[str], Integers]:
        """Tensor roles, and the role (index) of every template's tasks, shape (n_templates,)."""
        columns = self._templates
        number, roles = first_seen(columns.role, len(columns.roles))
        return [columns.roles[role] for role in roles], number

    @cached_property
    def tails(self) -> tuple[Integers, Integers]:
        """Picoseconds of each template's second HOLD (0 if none), and the lane of its first MARK.

        The lane is -1 for rows of no template.
        """
        steps = self._steps
        places = (steps.kind == _HOLD).nonzero()[0]
        again = steps.template[places[1:]] == steps.template[places[:-1]]
        second = np.zeros(len(steps.kind), bool)
        second[places[1:][again]] = True
        cycles = self._of_first(second, steps.a, 0)
        held = cycles * self._periods(self._of_first(second, steps.b, 0))
        return held, self._of_first(steps.kind == _MARK, steps.a, -1)

    @cached_property
    def tokens(self) -> Tokens:
        """Tokens of every pool of a kind in `COUNTED_POOLS`."""
        steps, parts, size = self._steps, self.parts, self.size
        of_kind: dict[str, list[int]] = {kind: [] for kind in COUNTED_POOLS}
        for number, pool in enumerate(self.program.pools):
            of_kind.get(pool.kind, []).append(number)
        pools = list(chain.from_iterable(of_kind.values()))
        # where amounts of a pool begin; those of pools that nobody asks for come last
        begin = [2 * len(pools) * size * parts] * len(self.program.pools)
        for place, number in enumerate(pools):
            begin[number] = 2 * place * size * parts
        takes, gives = ((steps.kind == kind).nonzero()[0] for kind in (_ACQUIRE, _RELEASE))
        moves, given = np.concatenate((takes, gives)), slice(len(takes), None)
        where = steps.template[moves]
        if parts > 1:
            # what is given belongs to the MARK before it, what is taken to the one after it, if any
            part = self._templates.marks_before[moves]
            part[given] = np.maximum(part[given] - 1, 0)
            part = np.minimum(part, self.marks[where] - 1)
            where = where * parts + part
        where[given] += size * parts
        where += np.array(begin, np.int64)[steps.a[moves]]
        amounts = np.zeros((len(pools) + 1, 2, size * parts), np.int64)
        np.add.at(amounts.reshape(-1), where, steps.b[moves])
        return Tokens(pools, amounts[:-1])
