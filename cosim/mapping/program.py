"""The program: what each component of the machine does, as loops of step templates.

Mapping produces it, the executors of `cosim.machine` run it, and neither needs to know the other.

A component executes a stream of tasks in order. Every task is an instance of a *template*: a short
list of steps with literal amounts, so that thousands of tiles of the same shape share one
template. The stream is a tree of loops over templates and is never expanded to one object a tile::

    Loop(56, (0, Loop(14, (1,)), 2))      template 0, fourteen times template 1, template 2; 56 x

Steps, executed in order (`a`, `b`, `c` are integers):

=========  ==========================================================================
ACQUIRE    take `b` tokens of pool `a`, with priority `c` (smaller is served first); wait for them
HOLD       stay busy for `a` cycles of clock `b` (clock 0 is the picosecond)
RELEASE    give `b` tokens to pool `a`
MARK       record an interval on lane `a`, from the first HOLD since the last MARK until now,
           with what was waited for before it
SERVE      stay busy until the DRAM channel has served the component's next descriptor
=========  ==========================================================================

Between two MARKs come ACQUIREs, then HOLDs or a SERVE, then the MARK; RELEASEs follow the MARK
whose end they announce. Time is an integer count of picoseconds. The k-th SERVE of a component is
that of its k-th descriptor in `Program.dram`, so that tiles of the same shape share a template
wherever they lie in memory.

Pools are counted tokens. A pool of phase 0 has one requester and grants at once; the others are
arbitrated at the end of the instant, phase by phase, by (priority, arrival time, component rank),
without bypass: a waiting request that does not fit holds back those behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

from cosim.design.power import Policy, StateFactors, ThermalNetwork
from cosim.mapping.dram_service import DramService
from cosim.mapping.task_stream import Node, TaskStream, as_rows, count_tasks, template_counts
from cosim.timeline.causes import Cause


class StepKind(IntEnum):
    ACQUIRE = 0
    HOLD = 1
    RELEASE = 2
    MARK = 3
    SERVE = 4


Step = tuple[int, int, int, int]


class PoolPhase(IntEnum):
    """When, within an instant, a pool's requests are decided."""

    IMMEDIATE = 0
    BUFFER = 1
    DRAM = 2
    POWER = 3


@dataclass(frozen=True)
class Pool:
    """Counted tokens: buffer bytes, queue slots, a DRAM channel, milliwatts, finished tiles.

    `capacity` is the largest level it may ever have (checked), None if unbounded.
    `kind` is one of ``buffer``, ``token``, ``channel``, ``power``, ``queue``.
    """

    name: str
    initial: int
    phase: PoolPhase
    cause: Cause
    kind: str = "token"
    capacity: int | None = None
    advice: str = ""
    """What would help if somebody waited for it forever: a deeper FIFO."""


@dataclass(frozen=True)
class Component:
    """A machine component and its stream. Its index in the program is its rank.

    `background` components (refresh, sensors, host traffic) do not keep the run alive: it ends
    when all others have finished. `release_cause` replaces the pool's cause for those who waited
    for this component's release (refresh on the DRAM channel, for instance).
    """

    name: str
    kind: str
    stream: Sequence[Node]
    background: bool = False
    release_cause: Cause | None = None

    @cached_property
    def rows(self) -> TaskStream:
        """The stream as rows."""
        return as_rows(self.stream)

    @cached_property
    def counts(self) -> dict[int, int]:
        """How often each template occurs in the stream."""
        return template_counts(self.stream)

    @property
    def tasks(self) -> int:
        """Number of tasks in the stream."""
        return count_tasks(self.stream)


class TaskInfo(NamedTuple):
    """What one task of a template means; executors ignore it, analysis lives on it.

    `op` indexes `Program.layers`. `busy_cycles` of the task's first HOLD are useful compute, in
    `stall_cycles` an on-chip memory cannot keep up, `fill_cycles` are the rest (array fill and
    drain). `energy` lists (component, tensor role or "", picojoules).
    """

    op: int
    activity: str
    macs: int = 0
    busy_cycles: int = 0
    fill_cycles: int = 0
    dram_read_bytes: int = 0
    dram_write_bytes: int = 0
    role: str = ""
    energy: tuple[tuple[str, str, float], ...] = ()
    stall_cycles: int = 0

    @property
    def cycles(self) -> int:
        """Of the first HOLD of a task that an engine runs."""
        return self.busy_cycles + self.fill_cycles + self.stall_cycles


class Template(NamedTuple):
    """A task's steps and what they mean."""

    steps: tuple[Step, ...]
    info: TaskInfo


@dataclass(frozen=True)
class Governing:
    """What a power policy or a thermal network does to a program (`cosim.mapping.governing`).

    Attributes
    ----------
    component : int
        Rank of the governor, a background component without tasks: it records what it did.
    rows : dict of str to int
        Templates of its intervals, by activity.
    states : tuple of StateFactors
        From the fastest to the slowest.
    periods_ps, factors : tuple of tuple of int
        By state and clock: the period, and the factor on the power of tasks on that clock, a
        fixed-point number of `cosim.machine.kernel.FACTOR_BITS`.
    task_power_uw : tuple of int
        By template: power from the first HOLD to the first MARK in the design's own state, as the
        energy store sees it.
    static_mw : float
        Drawn always in that state, as the machine's own supply sees it.
    energy_pool : int or None
        Pool of attojoules from which tasks take their energy before they begin.
    reserve_aj : int
        What a store keeps back: a checkpoint, and static power while the longest task ends.
    served_aj : tuple of int
        By template: energy of a transfer that the DRAM channel serves, spent when it is complete.
    """

    component: int
    lane: int
    rows: dict[str, int]
    states: tuple[StateFactors, ...]
    periods_ps: tuple[tuple[int, ...], ...]
    factors: tuple[tuple[int, ...], ...]
    task_power_uw: tuple[int, ...]
    static_mw: float
    policy: Policy | None = None
    thermal: ThermalNetwork | None = None
    energy_pool: int | None = None
    reserve_aj: int = 0
    served_aj: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """Everything an executor needs, and the names that make its timeline readable."""

    name: str
    clock_periods_ps: tuple[int, ...]
    clock_names: tuple[str, ...]
    pools: tuple[Pool, ...]
    components: tuple[Component, ...]
    templates: Sequence[Template]
    lanes: tuple[str, ...]
    layers: tuple[str, ...]
    """Names of the mapped operations (groups), in order of execution."""
    static_mw: float = 0.0
    governing: Governing | None = None
    facts: dict[str, object] = field(default_factory=dict, compare=False)
    """Further results of mapping for analysis: placements, decisions, compulsory traffic."""
    dram: DramService | None = None
    """The DRAM channel burst by burst, where a step is SERVE."""
