"""A program as the memory of integers that `cosim.machine.kernel` runs in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from cosim.machine import kernel as k
from cosim.machine.deadlock import net_producers
from cosim.machine.loop_levels import MIN_LOOP_TASKS
from cosim.mapping.program import Component, PoolPhase, Program
from cosim.mapping.task_stream import Row, TaskStream
from cosim.mapping.template_columns import columns_of
from cosim.memo import Attached
from cosim.timeline.loop_tree import LoopTrees, Sequence, Stream

Integers = NDArray[np.int64]

BUFFER_ROWS = 4096
"""Intervals that a machine may record before its buffer must be emptied."""


@dataclass
class Flat:
    """A program laid out, and what is known of it; shared by all machines that run it.

    Attributes
    ----------
    array : int64 array, shape (n,)
        Memory of a machine about to run, to be copied; see `cosim.machine.kernel`. Without the
        buffer of rows, which comes last.
    template_kinds : list of int
        Number of every template's steps; templates of the same steps share one where there are
        loops long enough to look at.
    rows : list of TaskStream
        What every component does.
    long_loops : int
        Loops, not within others, that are worth a comparison.
    """

    array: Integers
    template_kinds: list[int]
    rows: list[TaskStream]
    long_loops: int

    @cached_property
    def streams(self) -> list[Stream]:
        """The loops of every component."""
        return [stream.nodes for stream in self.rows]

    @cached_property
    def memory(self) -> list[int]:
        """The memory as a list, for a kernel that runs uncompiled."""
        memory: list[int] = self.array.tolist()
        return memory

    @cached_property
    def kinds_are_unique(self) -> bool:
        """Whether no two templates have the same steps."""
        return len(set(self.template_kinds)) == len(self.template_kinds)

    @cached_property
    def alike(self) -> list[Sequence]:
        """The streams, with templates of the same steps equal."""
        trees = LoopTrees(self.template_kinds)
        return [trees.sequence(stream) for stream in self.streams]

    @cached_property
    def same(self) -> list[Sequence]:
        """The streams, with templates equal only if they are the same one."""
        if self.kinds_are_unique:
            return self.alike
        trees = LoopTrees()
        return [trees.renumbered(sequence) for sequence in self.alike]


_laid_out: Attached[Program, Flat] = Attached()


def flatten(program: Program) -> Flat:
    """A program laid out for a machine that is about to run it.

    Parameters
    ----------
    program : Program
        Checked.
    """
    flat = _laid_out.get(program)
    if flat is None:
        flat = _laid_out[program] = _lay_out(program)
    return flat


def _lay_out(program: Program) -> Flat:
    part_size = k.PART_FIELDS + len(program.pools)
    pool_size = k.POOL_FIELDS + len(program.components)
    parts = k.SCALARS
    pools = parts + part_size * len(program.components)
    steps = pools + pool_size * len(program.pools)

    memory = [0] * k.SCALARS
    for rank, component in enumerate(program.components):
        memory += _part(rank, component) + [0] * len(program.pools)
    memory += _pools(program, pools, pool_size)
    clocks = _add_clocks(program, memory)
    laid_out, lengths = _steps(program, pools, pool_size, clocks)
    streams = [component.rows for component in program.components]
    nodes = _Nodes(streams)
    kinds = first = list(range(len(lengths)))
    if nodes.long_loops:
        # equal steps are shared: a machine that is about to do the same is in the same state
        kinds, first = _kinds(laid_out, lengths)
    begins = len(memory) + 4 * (np.cumsum(lengths) - lengths)[first]
    behind = len(memory) + 4 * len(laid_out)
    code = nodes.code(behind, begins, begins + 4 * lengths)
    for rank, begin in enumerate(nodes.begins):
        memory[parts + rank * part_size + k.CODE] = behind + 4 * begin

    memory[k.PARTS : k.PART_SIZE + 1] = (parts, pools, part_size)
    memory[k.POOLS : k.POOL_SIZE + 1] = (pools, steps, pool_size)
    memory[k.READY_COUNT] = len(program.components)
    memory[k.UNFINISHED] = sum(not part.background for part in program.components)
    memory[k.TASK_LIMIT] = memory[k.CHANNEL_WAKE] = k.NEVER
    memory[k.BUFFER_ROWS] = BUFFER_ROWS
    memory[k.GOVERNED_AT] = k.NEVER
    memory[k.ROWS] = behind + len(code)
    array = np.concatenate([np.array(memory, np.int64), laid_out.reshape(-1), code])
    return Flat(array, kinds, streams, nodes.long_loops)


def _part(rank: int, component: Component) -> list[int]:
    part = [0] * k.PART_FIELDS
    part[k.RANK] = rank
    part[k.TASK_NUMBER] = part[k.TEMPLATE] = part[k.START] = part[k.CAUSE] = -1
    part[k.CAUSE_ROW] = part[k.LAST_ROW] = -1
    part[k.OWN_STATE] = -1
    part[k.HOLD_END] = k.NEVER
    part[k.READY] = 1
    part[k.BACKGROUND] = int(component.background)
    cause = component.release_cause
    part[k.RELEASE_CAUSE] = -1 if cause is None else int(cause)
    return part


def _pools(program: Program, first: int, size: int) -> list[int]:
    produced = net_producers(program)
    order = sorted(range(len(program.pools)), key=lambda index: (program.pools[index].phase, index))
    flat: list[int] = []
    for index, pool in enumerate(program.pools):
        fields = [0] * size
        fields[k.LEVEL] = pool.initial
        fields[k.CAPACITY] = k.NEVER if pool.capacity is None else pool.capacity
        fields[k.IMMEDIATE] = int(pool.phase == PoolPhase.IMMEDIATE)
        fields[k.POOL_CAUSE] = int(pool.cause)
        fields[k.PRODUCED] = int(produced[index])
        fields[k.IN_ORDER] = first + order[index] * size
        fields[k.INDEX] = index
        flat += fields
    return flat


def _add_clocks(program: Program, memory: list[int]) -> int:
    """Add period and power factor of every clock, state by state; where they begin, 0 if none."""
    governing = program.governing
    if governing is None:
        return 0
    first = len(memory)
    for periods, factors in zip(governing.periods_ps, governing.factors, strict=True):
        for period, factor in zip(periods, factors, strict=True):
            memory += (period, factor)
    memory[k.STATE_SIZE] = 2 * len(program.clock_periods_ps)
    return first


def _steps(
    program: Program, first_pool: int, pool_size: int, clocks: int
) -> tuple[Integers, Integers]:
    """All steps as the kernel takes them, shape (n_steps, 4), and how many each template has."""
    columns = columns_of(program)
    kind, a, b, c = columns.steps
    laid_out = np.zeros((len(kind), 4), np.int64)
    laid_out[:, 0], laid_out[:, 1] = kind, a
    pools = (kind == k.ACQUIRE) | (kind == k.RELEASE)
    laid_out[pools, 1] = first_pool + a[pools] * pool_size
    laid_out[pools, 2], laid_out[pools, 3] = b[pools], c[pools]
    holds = kind == k.HOLD
    if clocks:
        assert program.governing
        laid_out[holds, 2] = clocks + 2 * b[holds]
        # power is drawn until a task's first MARK
        powers = np.array(program.governing.task_power_uw, np.int64)[columns.of_step]
        laid_out[holds, 3] = np.where(columns.marks_before == 0, powers, 0)[holds]
        _scale_budget(program, laid_out, kind, a)
    else:
        laid_out[holds, 1] = a[holds] * np.array(program.clock_periods_ps, np.int64)[b[holds]]
    return laid_out, columns.lengths


def _kinds(steps: Integers, lengths: Integers) -> tuple[list[int], list[int]]:
    """Number of every template's steps, and the first template that has the same."""
    known: dict[bytes, tuple[int, int]] = {}
    data, begin = steps.tobytes(), 0
    found = []
    for number, size in enumerate((8 * 4 * lengths).tolist()):
        end = begin + size
        found.append(known.setdefault(data[begin:end], (len(known), number)))
        begin = end
    return [kind for kind, _ in found], [first for _, first in found]


def _scale_budget(program: Program, laid_out: Integers, kind: Integers, pool: Integers) -> None:
    """Let what is asked of the power budget follow the state, where there are several."""
    assert program.governing
    if len(program.governing.states) < 2 or not program.pools:
        return
    budget = np.array([of.kind == "power" for of in program.pools])
    asks, gives = kind == k.ACQUIRE, kind == k.RELEASE
    scaled = budget[np.where(asks | gives, pool, 0)]
    laid_out[asks & scaled, 0] = k.BUDGET
    laid_out[gives & scaled, 0] = k.GIVE_BACK


_KINDS = np.array([k.TASK, k.BEGIN, k.END, k.FINISH], np.int64)
"""Kinds of rows as the kernel has them, by `task_stream.Row`, and the end of a stream."""
_FINISH = np.array([[3], [0], [0], [0]], np.int64)


class _Nodes:
    """The rows of all streams, each with its end behind it."""

    def __init__(self, streams: list[TaskStream]) -> None:
        parts = [part for stream in streams for part in (stream.rows, _FINISH)]
        self._rows = np.concatenate(parts, axis=1)
        sizes = [stream.rows.shape[1] + 1 for stream in streams]
        self.begins = [0, *accumulate(sizes[:-1])]
        """Row at which each stream begins."""

    @cached_property
    def long_loops(self) -> int:
        """Loops, not within others, of many tasks."""
        kind, _, back, times = self._rows
        ends = np.flatnonzero(kind == Row.END)
        if not len(ends):
            return 0
        # as many begin before an outermost loop's end as end with it
        outermost = np.cumsum(kind == Row.BEGIN)[ends] == np.arange(1, len(ends) + 1)
        done = np.cumsum(times)
        tasks = (done[ends] - done[ends - back[ends]])[outermost]
        return int((tasks >= MIN_LOOP_TASKS).sum())

    def code(self, first: int, begins: Integers, ends: Integers) -> Integers:
        """All rows as the kernel takes them, end to end, behind what lies before `first`.

        `begins` and `ends` are those of templates' steps.
        """
        kind, value, back, _ = self._rows
        table = np.zeros((len(kind), 4), np.int64)
        table[:, 0], table[:, 1] = _KINDS[kind], value
        tasks = np.flatnonzero(kind == Row.TASK)
        templates = value[tasks]
        table[tasks, 2], table[tasks, 3] = begins[templates], ends[templates]
        over = np.flatnonzero(kind == Row.END)
        if len(over):
            begin = first + 4 * (over - back[over])
            table[over, 1], table[over, 2] = begin + 4, begin
        return table.reshape(-1)
