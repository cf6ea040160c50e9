"""A program as the memory of integers that `cosim.machine.kernel` runs in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cosim.machine import kernel as k
from cosim.machine.deadlock import net_producers
from cosim.mapping.program import Component, Loop, Node, PoolPhase, Program, Step
from cosim.memo import Attached
from cosim.timeline.loop_tree import LoopTrees, Sequence, Stream, merge_loops

BUFFER_ROWS = 4096
"""Intervals that a machine may record before its buffer must be emptied."""


@dataclass
class Flat:
    """A program laid out, and what is known of it; shared by all machines that run it.

    Attributes
    ----------
    memory : list of int
        Of a machine about to run, to be copied; see `cosim.machine.kernel`. Without the buffer of
        rows, which comes last.
    template_kinds : list of int
        Number of every template's steps; templates of the same steps share one.
    streams : list of Stream
        The loops of every component as they are laid out, see `merge_loops`.
    """

    memory: list[int]
    template_kinds: list[int]
    streams: list[Stream]

    @cached_property
    def array(self) -> NDArray[np.int64]:
        """The memory as an array, shape (n,)."""
        return np.array(self.memory, np.int64)

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

    @cached_property
    def longest_loop(self) -> int:
        """Tasks of the longest loop that is not within another."""
        loops = (node for stream in self.streams for node in stream if not isinstance(node, int))
        return max(map(_tasks, loops), default=0)


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
    ranges, kinds = _add_steps(program, pools, pool_size, clocks, memory)
    streams = [merge_loops(to_stream(component.stream)) for component in program.components]
    for rank, stream in enumerate(streams):
        memory[parts + rank * part_size + k.CODE] = len(memory)
        _add_nodes(stream, ranges, memory)
        memory += (k.FINISH, 0, 0, 0)

    memory[k.PARTS : k.PART_SIZE + 1] = (parts, pools, part_size)
    memory[k.POOLS : k.POOL_SIZE + 1] = (pools, steps, pool_size)
    memory[k.READY_COUNT] = len(program.components)
    memory[k.UNFINISHED] = sum(not part.background for part in program.components)
    memory[k.TASK_LIMIT] = memory[k.CHANNEL_WAKE] = k.NEVER
    memory[k.BUFFER_ROWS] = BUFFER_ROWS
    memory[k.GOVERNED_AT] = k.NEVER
    memory[k.ROWS] = len(memory)
    return Flat(memory, kinds, streams)


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


def _add_steps(
    program: Program, first_pool: int, pool_size: int, clocks: int, memory: list[int]
) -> tuple[list[tuple[int, int]], list[int]]:
    """Add all steps; where every template's are, and its kind. Equal ones are shared."""
    ranges: list[tuple[int, int]] = []
    kinds: list[int] = []
    known: dict[tuple[tuple[Step, ...], int], tuple[int, tuple[int, int]]] = {}
    periods = program.clock_periods_ps
    powers = program.governing.task_power_uw if program.governing else ()
    changes = program.governing is not None and len(program.governing.states) > 1
    budget = [changes and pool.kind == "power" for pool in program.pools]
    for number, template in enumerate(program.templates):
        power = powers[number] if powers else 0
        entry = known.get((template.steps, power))
        if entry is None:
            first = len(memory)
            drawn = power  # until the first MARK
            for kind, a, b, c in template.steps:
                if kind == k.HOLD:
                    if clocks:
                        memory += (k.HOLD, a, clocks + 2 * b, drawn)
                    else:
                        memory += (k.HOLD, a * periods[b], 0, 0)
                elif kind == k.MARK:
                    memory += (k.MARK, a, 0, 0)
                    drawn = 0
                elif kind == k.SERVE:
                    memory += (k.SERVE, 0, 0, 0)
                else:
                    scaled = budget[a]
                    if scaled:
                        kind = k.BUDGET if kind == k.ACQUIRE else k.GIVE_BACK
                    memory += (int(kind), first_pool + a * pool_size, b, c)
            entry = known[template.steps, power] = (len(known), (first, len(memory)))
        kinds.append(entry[0])
        ranges.append(entry[1])
    return ranges, kinds


def _add_nodes(stream: Stream, ranges: list[tuple[int, int]], memory: list[int]) -> None:
    for node in stream:
        if isinstance(node, int):
            memory += (k.TASK, node, *ranges[node])
        else:
            begin = len(memory)
            memory += (k.BEGIN, node[0], 0, 0)
            _add_nodes(node[1], ranges, memory)
            memory += (k.END, begin + 4, begin, 0)


def to_stream(nodes: tuple[Node, ...]) -> Stream:
    """A program's stream in the form that `LoopTrees` reads."""
    return tuple(
        (node.count, to_stream(node.body)) if isinstance(node, Loop) else node for node in nodes
    )


def _tasks(node: int | tuple[int, Stream]) -> int:
    return 1 if isinstance(node, int) else node[0] * sum(map(_tasks, node[1]))
